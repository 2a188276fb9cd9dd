"""Reading a call, in every form that deployed clients send it.

GET or POST; parameters in the query, a form, a multipart form or JSON, told apart by how the body begins and not by
its content type; a trailing `.php`, a bare `?`; the login as Basic header (any letter case, base64 with or without its
padding), in the query or in the form.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import unquote_to_bytes

PREFIX = "/webservice-rest/"
_BOUNDARY = re.compile(rb"--([^\r\n]{1,200})\r?\n")


@dataclass(frozen=True)
class Request:
    """One call as it was meant: `name` without prefix and `.php`, parameters merged (the body wins), login apart."""

    name: str
    params: Mapping[str, object] = field(default_factory=dict)
    user: str | None = None
    password: str | None = None


def read(target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """The call that a request line, its headers (names in lower case) and its body make. Never fails."""
    path, _, query = target.partition("?")
    params: dict[str, object] = dict(pairs(query.encode("latin-1", "replace")))
    params.update(_body(body))
    name = path.removeprefix(PREFIX).strip("/")
    login = basic(headers.get("authorization", ""))
    user, password = login or (_text(params.get("user")), _text(params.get("password")))
    params.pop("user", None)
    params.pop("password", None)
    return Request(name.removesuffix(".php"), params, user, password)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def basic(header: str) -> tuple[str, str] | None:
    """User and password of a Basic header, None where it holds none."""
    scheme, _, blob = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    plain = blob.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = _decode(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None
    user, colon, password = decoded.partition(":")
    return (user, password) if colon else None


def pairs(form: bytes) -> list[tuple[str, str]]:
    """Name and value of a query or a form; a name given twice counts with its last value, as PHP has it."""
    return [(_unquoted(name), _unquoted(value)) for name, value in _split(form)]


def _split(form: bytes) -> list[tuple[bytes, bytes]]:
    parts = (part.partition(b"=") for part in form.strip().split(b"&") if part)
    return [(name, value) for name, _, value in parts if name]


def _unquoted(text: bytes) -> str:
    return _decode(unquote_to_bytes(text.replace(b"+", b" ")))


def _decode(raw: bytes) -> str:
    """UTF-8, or the Windows encoding that old clients still use."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _body(body: bytes) -> dict[str, object]:
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"["):
        return _json(start)
    if start.startswith(b"--") and b"form-data" in start[:4096]:
        return _with_json_inside(_multipart(start))
    return _with_json_inside(dict(pairs(start)))


def _json(body: bytes) -> dict[str, object]:
    try:
        data = json.loads(_decode(body))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _multipart(body: bytes) -> dict[str, str]:
    boundary = _BOUNDARY.match(body)
    if boundary is None:
        return {}
    head = b'Content-Type: multipart/form-data; boundary="' + boundary[1] + b'"\r\n\r\n'
    found: dict[str, str] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = _decode(payload)
    return found


def _with_json_inside(form: dict[str, str]) -> dict[str, object]:
    """A form whose `messages` and `defaultValues` are JSON texts is a batch too."""
    params: dict[str, object] = dict(form)
    for name in ("messages", "defaultValues"):
        if name in form:
            try:
                params[name] = json.loads(form[name])
            except (ValueError, RecursionError):
                params[name] = None
    return params

"""Single values and whole envelopes of the gateway, as loose as they come: text, numbers, dates, JSON, queries."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from webapp.core import phone
from webapp.core.clock import GATEWAY_ZONE
from webapp.gateway.codes import response_code

Row = Mapping[str, Any]
QUERY_LIMIT = 8192  # bytes of a callback that are read


def text_of(value: object) -> str:
    """A scalar as text that any database stores: no NUL, no lone surrogate; "" for nothing, lists and objects."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text = repr(value)
    else:
        return ""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "")


_AMOUNT = re.compile(r"([+-]?[0-9]{1,15})([.,][0-9]{1,4})?")


def whole(value: object) -> int | None:
    """A whole number in any spelling ("7", 7, 7.0, "7,00"; decimals are cut off), None where it is none."""
    found = _AMOUNT.fullmatch(text_of(value).strip())
    return int(found[1]) if found else None


_OFFSET_APART = re.compile(r"(.*:[0-9.]+) ([+-]?)([0-9]{2}:?[0-9]{2})")


def moment(value: object, zone: tzinfo = GATEWAY_ZONE) -> datetime | None:
    """A date in UTC; one without an offset is read in `zone`. Blank, 0000-00-00 and nonsense are None."""
    return _moment(text_of(value).strip(), zone)


@lru_cache(maxsize=1024)  # thousands of callbacks say the same second
def _moment(text: str, zone: tzinfo) -> datetime | None:
    if not 10 <= len(text) <= 40 or text.startswith("0000"):
        return None
    # A "+" before an offset turns into a space on its way through a query string.
    if apart := _OFFSET_APART.fullmatch(text):
        text = f"{apart[1]}{apart[2] or '+'}{apart[3]}"
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def number_of(text: str) -> int | None:
    """A telephone number as E.164 digits, None where it is none."""
    return phone.from_gateway(text) if 0 < len(text) <= 40 else None


def first(row: Row, names: tuple[str, ...]) -> str:
    """The first of some aliases that holds anything, trimmed; "" where none does."""
    for name in names:
        value = row.get(name)
        if value is not None and (text := text_of(value).strip()):
            return text
    return ""


_OBJECT = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(strict=False)


def _decoded(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def parsed(body: bytes) -> dict[str, Any] | list[Any] | None:
    """The JSON of an answer, after a BOM or PHP's notices if need be; None where there is none or it is cut short."""
    text = _decoded(body).strip("\ufeff\x00 \t\r\n")
    try:
        value = _DECODER.raw_decode(text)[0] if text[:1] in ("{", "[") else _after_notices(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _after_notices(text: str) -> dict[str, Any] | None:
    # Only from outside in: an item of an answer that is cut short must never pass for the answer.
    place = 0
    while found := _OBJECT.search(text, place):
        value, place = _DECODER.raw_decode(text, found.start())
        if isinstance(value, dict) and ("responseCode" in value or "success" in value):
            return value
    return None


def envelope(body: bytes) -> dict[str, Any] | None:
    """The answer as an object; a bare list becomes its `messages`."""
    answer = parsed(body)
    return {"messages": answer} if isinstance(answer, list) else answer


def code_of(row: Row, when_successful: str) -> str:
    """The response code; where it is missing, `success` speaks for it, and "" means that nothing does."""
    code = response_code(text_of(row.get("responseCode")))[:20]
    if code:
        return code
    told = row.get("success")
    return when_successful if told is True or text_of(told).strip().lower() in ("true", "1") else ""


def rows_of(answer: Row) -> list[Any]:
    """The rows of an answer: a list, one object, numbered objects, null, "", absent, or any of these under `data`."""
    found = answer.get("messages")
    if found in (None, ""):
        found = answer.get("data")
        if isinstance(found, dict) and "messages" in found:
            found = found["messages"]
    if isinstance(found, list):
        return found
    if isinstance(found, dict) and found and all(key.isdecimal() and len(key) < 10 for key in found):
        return [found[key] for key in sorted(found, key=int)]  # PHP writes a list with gaps as an object
    return [found] if found else []


def _unquoted(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    if raw.isascii():
        return raw.decode("ascii").replace("\x00", "")
    try:
        return text_of(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return text_of(raw.decode("cp1252", "replace"))


@lru_cache(maxsize=256)  # the gateway has a dozen of them
def _name(raw: bytes) -> str:
    return _unquoted(raw).strip().lower()


def parse_query(raw: bytes, body: bytes = b"") -> dict[str, str]:
    """A callback's query and form body as parameters; the first value of a name wins, bytes of any encoding are read.

    At most 8 kB of each are looked at. Names are in lower case.
    """
    found: dict[str, str] = {}
    for part in (raw, body):
        for pair in part[:QUERY_LIMIT].split(b"&"):
            name, _, value = pair.partition(b"=")
            key = _name(name)
            if key and key not in found:
                found[key] = _unquoted(value)
    return found

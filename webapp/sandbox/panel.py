"""The way in to `control` and to the page: JSON or forms, from this machine only."""

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from webapp.sandbox.answers import Reply
from webapp.sandbox.control import Control
from webapp.sandbox.page import CSS, error_page, language, show
from webapp.sandbox.reading import pairs

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src http: https:; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
}
_INTEGERS = ("after", "limit", "times", "status", "id", "type")
_FLOATS = ("seconds", "chance", "share", "advance")
Action = Callable[[dict[str, Any]], object]


class Panel:
    """Answers what lies under `/_sandbox/`, and the page at `/`."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._reads: dict[str, Action] = {
            "ledger": self._ledger,
            "summary": lambda _: control.summary(),
            "faults": lambda _: control.faults(),
            "settings": lambda _: control.settings(),
        }
        self._writes: dict[str, Action] = {
            "faults": self._faults,
            "settings": lambda given: control.settings(**given),
            "account": lambda given: control.account(**given),
            "reply": lambda given: control.reply(**given),
            "status": lambda given: {"changed": control.status(**given)},
            "clock": self._clock,
            "history": lambda given: {"ids": control.seed_history(given["messages"])},
            "reset": lambda _: control.reset(),
        }

    def respond(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, peer: str) -> Reply:
        """One request to the panel."""
        if not _ours(peer, headers):
            return _json(403, {"error": "the sandbox is controlled from its own machine only"})
        given: dict[str, Any] = dict(pairs(query.encode("latin-1", "replace")))
        spoken = given.pop("lang", None) or language(headers.get("accept-language", ""))
        if path == "/":
            return _html(200, show(self._control, spoken, given.get("number", "")))
        name = path.removeprefix("/_sandbox/").strip("/")
        if name == "page.css":
            return Reply(200, CSS, "text/css; charset=utf-8", _HEADERS)
        actions = self._writes if method == "POST" else self._reads
        if name not in actions:
            return _json(404, {"error": f"there is no {method} {name!r} here"})
        form = not body.lstrip().startswith(b"{") and method == "POST" and bool(body.strip())
        try:
            given |= dict(pairs(body)) if form else json.loads(body or b"{}")
            answer = actions[name](_numbers(given))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            sentence = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            return _html(400, error_page(sentence, spoken)) if form else _json(400, {"error": sentence})
        if form:
            return Reply(303, b"", "text/html", {**_HEADERS, "Location": "/"})
        return _json(200, {"ok": True} if answer is None else answer)

    def _ledger(self, given: dict[str, Any]) -> object:
        limit = min(max(given.pop("limit", 1000), 1), 10_000)
        rows = self._control.ledger(given.pop("after", 0), limit, **given)
        return {"messages": rows, "next": rows[-1]["id"] if len(rows) == limit else None}

    def _faults(self, given: dict[str, Any]) -> object:
        if given.pop("clear", None):
            self._control.clear_faults()
        else:
            self._control.fault(**given)
        return self._control.faults()

    def _clock(self, given: dict[str, Any]) -> None:
        if "frozen" in given:
            self._control.freeze(str(given["frozen"]).lower() in ("true", "1", "on"))
        if "advance" in given:
            self._control.advance(given["advance"])


def _ours(peer: str, headers: Mapping[str, str]) -> bool:
    """Whether this machine asks, by a name of this machine, and no other site makes the browser do it."""
    host = urlsplit("//" + headers.get("host", "localhost")).hostname or ""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return False
    return _loopback(peer) and (host == "localhost" or _loopback(host))


def _loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    """Texts of a query or a form as numbers where numbers are wanted; blank ones count as left out."""
    read = {name: value for name, value in given.items() if value != "" or name not in (*_INTEGERS, *_FLOATS)}
    for name in read.keys() & {*_INTEGERS}:
        read[name] = int(read[name]) if isinstance(read[name], str) else read[name]
    for name in read.keys() & {*_FLOATS}:
        read[name] = float(read[name])
    return read


def _json(status: int, data: object) -> Reply:
    return Reply(status, json.dumps(data, ensure_ascii=False).encode(), "application/json", _HEADERS)


def _html(status: int, page: str) -> Reply:
    return Reply(status, page.encode(), "text/html; charset=utf-8", _HEADERS)

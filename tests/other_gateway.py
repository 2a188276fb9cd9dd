"""Another implementation of the gateway's protocol, as terse and unlike our sandbox as the protocol page allows.

It calls nobody back, names fields by their aliases, nests its rows, quotes its numbers, and knows only Basic login. What
works here and against the sandbox rests on the protocol and not on either of them.
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BRASILIA = timezone(timedelta(hours=-3))
DELIVERED_AFTER = 1.0  # seconds
REPLIES = {"2001": "Sim, tenho interesse!"}  # by the number's last digits


class Ledger:
    """What was accepted, and what people answered."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent: list[dict[str, Any]] = []
        self.handed = 0  # replies that mo_new gave out

    def accept(self, message: dict[str, Any]) -> str:
        """Take a message in; its response code."""
        if not str(message.get("content", "")).strip():
            return "030"
        if len(str(message.get("number", ""))) not in (10, 11):
            return "050"
        with self.lock:
            self.sent.append({**message, "id": f"X-{len(self.sent) + 1}", "at": time.time()})
        return "000"

    def replies(self) -> list[dict[str, Any]]:
        """Everybody's answers to what has arrived."""
        return [
            {
                "mo_id": row["id"], "campaign_id": row.get("campaign_id", ""), "from": f"55{row['number']}",
                "message": REPLIES[str(row["number"])[-4:]], "status_id": 4,
                "received_date": when(row["at"] + DELIVERED_AFTER), "carrier": "Vivo",
            }
            for row in self.sent
            if str(row["number"])[-4:] in REPLIES and row["type"] != "answered" and time.time() > row["at"] + DELIVERED_AFTER
        ]  # fmt: skip


def when(moment: float) -> str:
    """A date as this gateway writes it."""
    return datetime.fromtimestamp(moment, BRASILIA).strftime("%Y-%m-%dT%H:%M:%S")


def row_of(message: dict[str, Any]) -> dict[str, Any]:
    """A message as look-ups show it."""
    age = time.time() - message["at"]
    return {
        "mt_id": message["id"], "campaign_id": message.get("campaign_id"), "phone": f"55{message['number']}",
        "status_id": 1 if age > DELIVERED_AFTER else 0, "date": when(message["at"]), "carrier": "Vivo",
    }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger: Ledger
    login: str

    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "json" in self.headers.get("Content-Type", ""):
            self.answer({}, json.loads(body))
        else:
            self.answer({name: values[0] for name, values in parse_qs(body.decode()).items()})

    def answer(self, form: dict[str, str], sent: dict[str, Any] | None = None) -> None:
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()} | form
        call = url.path.removeprefix("/webservice-rest/").replace("-", "_")
        if self.headers.get("Authorization") != self.login:
            found: dict[str, Any] = {"success": "false", "responseCode": 10, "responseDescription": "no"}
        else:
            found = getattr(self, call)(given, sent or {})
        body = b"\xef\xbb\xbf" + json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_single(self, given: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
        code = self.ledger.accept(given | {"type": "answered"})
        good = code == "000"
        last = {"id": self.ledger.sent[-1]["id"], "credit": "1", "balance": 900} if good else {}
        return {"success": good, "responseCode": code, "responseDescription": "", **last}

    def send_multiple(self, _: dict[str, str], sent: dict[str, Any]) -> dict[str, Any]:
        codes = [self.ledger.accept({**sent.get("defaultValues", {}), **message}) for message in sent["messages"]]
        items = [{"success": True, "responseCode": code, "credit": "1" if code == "000" else "0"} for code in codes]
        return {"responseCode": "1", "credit": "", "balance": None, "messages": items}

    def mt_id(self, given: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
        wanted = set(given.get("campaign_id", "").split(",")) | set(given.get("id", "").split(","))
        rows = [row_of(m) for m in self.ledger.sent if m.get("campaign_id") in wanted or m["id"] in wanted]
        return {"success": True, "responseCode": "200", "data": {"messages": rows}}

    def mt_date(self, given: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
        rows = [row_of(m) for m in self.ledger.sent if given["start_date"] <= when(m["at"]) <= given["end_date"]]
        return {"success": True, "responseCode": 200, "messages": rows[0] if len(rows) == 1 else rows or ""}

    def mo_new(self, _: dict[str, str], __: dict[str, Any]) -> dict[str, Any]:
        with self.ledger.lock:
            rows = self.ledger.replies()[self.ledger.handed :]
            self.ledger.handed += len(rows)
        return {"success": True, "responseCode": "200", "messageCount": str(len(rows)), "messages": rows or None}

    def mo(self, _: dict[str, str], __: dict[str, Any]) -> dict[str, Any]:
        return {"success": True, "responseCode": "200", "messages": self.ledger.replies()}

    def balance(self, _: dict[str, str], __: dict[str, Any]) -> dict[str, Any]:
        return {"success": True, "responseCode": "200", "sms": 1000, "balance_2": "1000", "expiration": ""}

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def other_gateway() -> Iterator[tuple[str, Ledger]]:
    """Its base URL and what it was told; user `zoe`, password `pão&leite`."""
    ledger = Ledger()
    token = base64.b64encode("zoe:pão&leite".encode()).decode()
    handler = type("Bound", (Handler,), {"ledger": ledger, "login": f"Basic {token}"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/webservice-rest/", ledger
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

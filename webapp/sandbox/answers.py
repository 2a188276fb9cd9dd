"""What an answer of the gateway looks like: envelope, rows, dates, and the shapes that switches ask for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from webapp.gateway.codes import INBOUND, RESPONSES
from webapp.sandbox.clock import wire_date
from webapp.sandbox.options import Options
from webapp.sandbox.store import Row

_ALIASES = {
    "number": "phone",
    "content": "text",
    "carrier_name": "carrier",
    "carrier": "carrier_name",
    "sent_date": "date",
    "date": "received_date",
    "status": "status_id",
}


@dataclass
class Reply:
    """One HTTP answer, and how it travels: torn in the middle, in drops over `trickle` seconds, or not at all."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    torn: bool = False
    trickle: float = 0.0


def envelope(code: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The three fields that every answer carries, and what comes with them."""
    row = RESPONSES[code]
    return {"success": row.success, "responseCode": code, "responseDescription": row.description, **(extra or {})}


def reply(code: str, extra: Mapping[str, Any] | None, options: Options) -> Reply:
    """An answer with its HTTP status: always 200, unless the newer guide's statuses are switched on."""
    status = RESPONSES[code].http_2026 if options.http_2026 else 200
    return Reply(status, dump(envelope(code, extra)))


def dump(data: object) -> bytes:
    """JSON as the gateway writes it: no spaces, everything beyond ASCII escaped."""
    return json.dumps(data, separators=(",", ":")).encode()


def search_reply(rows: list[dict[str, Any]], options: Options) -> Reply:
    """The answer of a look-up, in the shape that the switches ask for."""
    shape = options.messages_shape
    if options.row_names == "aliases":
        rows = [{_ALIASES.get(name, name): value for name, value in row.items()} for row in rows]
    if not rows:
        return _empty(options)
    if shape == "bare":
        return Reply(200, dump(rows))
    messages: object = rows[0] if shape == "single" and len(rows) == 1 else rows
    name = "data" if shape == "data" else "messages"
    return reply("200", {"messageCount": len(rows), name: messages}, options)


def _empty(options: Options) -> Reply:
    nothing: dict[str, dict[str, Any]] = {
        "absent": {},
        "null": {"messages": None},
        "text": {"messages": ""},
        "list": {"messages": []},
    }
    return reply("200", {"messageCount": 0, **nothing[options.empty_list]}, options)


def sent_row(row: Row, zone: tzinfo) -> dict[str, Any]:
    """A message as `mt_id` and `mt_date` show it."""
    return {
        "id": str(row["id"]),
        "campaign_id": row["campaign_id"],
        "number": row["number"],
        "status": str(row["status"]),
        "sent_date": wire_date(row["due_at"], zone),
        "carrier_name": row["carrier"],
    }


def inbound_id(row: Row, options: Options) -> str:
    """The id of a reply: that of the message it answers, as the vendor's samples suggest, or one of its own."""
    own = options.reply_ids == "own" or row["message_id"] is None
    return str(row["id"] if own else row["message_id"])


def inbound_row(row: Row, zone: tzinfo, options: Options) -> dict[str, Any]:
    """A reply as `mo_new` and `mo` show it."""
    return {
        "id": inbound_id(row, options),
        "campaign_id": row["campaign_id"],
        "number": row["number"],
        "content": row["content"],
        "status": INBOUND,
        "date": wire_date(row["at"], zone),
        "carrier": row["carrier"],
    }


def account(balances: Mapping[int, int], activation: float, expiration: float, options: Options) -> Reply:
    """The answer of `balance`, with the numbered purses, the newer two names, or both."""
    purses: dict[str, str] = {}
    if options.balance_keys in ("old", "both"):
        purses |= {f"balance_{number}": str(left) for number, left in balances.items()}
    if options.balance_keys in ("new", "both"):
        purses |= {"sms": str(balances[1]), "whatsapp": str(balances[4])}
    dates = {"activation": wire_date(activation), "expiration": wire_date(expiration)}
    return reply("200", {**purses, **dates}, options)

"""What trainers, tests and the demo do to the sandbox, in Python and as JSON under `/_sandbox/` (loopback only).

| call | does |
|---|---|
| `GET ledger?after=0&limit=1000&number=&campaign_id=&type=&status=&origin=` | accepted messages by id:
`{"messages": [{id, campaign_id, number, type, content, caption, credit, accepted_at, schedule, status, carrier,
origin}], "next": id or null}` |
| `GET summary` | counts over all that was accepted by call, calls by name, most calls at once, purses, callbacks |
| `GET faults`, `POST faults` | what is switched on; switch one on: the fields of `faults.Fault`; `{"clear": true}`
switches all off |
| `GET settings`, `POST settings` | the switches of `options.Options` |
| `POST account` | `{"balance_1": 10, …, "activation": seconds since 1970, "expiration": …}`, any of them |
| `POST reply` | `{"number", "content", "campaign_id"?}`: a person writes now |
| `POST status` | `{"id" or "campaign_id", "status"}`: a message gets this status now |
| `POST clock` | `{"advance": seconds}`, `{"frozen": true or false}` |
| `POST history` | `{"messages": [{"number", "content", "type"?, "days_ago"? or "at"?, "campaign_id"?, "status"?,
"carrier"?, "reply"?, "handed"?, "origin"?}]}`: messages of the past, of this or another system;
`at` is ISO 8601 with offset |
| `POST reset` | forgets messages, replies and faults, fills the purses; switches and clock stay |

An error is 400 with `{"error": sentence}`. A form in place of JSON is taken too, and sent back to the page at `/`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from webapp.gateway.codes import DIALECTS
from webapp.sandbox.callbacks import Courier
from webapp.sandbox.checks import credits_of, text_of
from webapp.sandbox.clock import NEVER, Clock, iso_date
from webapp.sandbox.faults import Fault, Faults
from webapp.sandbox.options import Options
from webapp.sandbox.people import HANDSET, Number, carrier_of, fate, read_number
from webapp.sandbox.store import Row, Store

_FILTERS = {"number": str, "campaign_id": str, "type": int, "status": int, "origin": str}


class Control:
    """The hand behind the curtain."""

    def __init__(self, options: Options, store: Store, clock: Clock, faults: Faults, courier: Courier) -> None:
        self.options, self.store, self.clock, self._faults, self._courier = options, store, clock, faults, courier
        self.calls: dict[str, int] = {}
        self.peak = 0

    def ledger(self, after: int = 0, limit: int = -1, **filters: object) -> list[dict[str, Any]]:
        """Accepted messages by id, those above `after`; filters are number, campaign_id, type, status, origin."""
        values = {name: _FILTERS[name](text_of(value)) for name, value in filters.items() if name in _FILTERS}
        if len(values) != len(filters):
            raise ValueError(f"the filters are {', '.join(_FILTERS)}")
        where = " AND ".join(["id > :after", *(f"{name} = :{name}" for name in values)])
        return [_ledger_row(row) for row in self.store.messages(where, {"after": after, **values}, limit=limit)]

    def summary(self) -> dict[str, Any]:
        """Counts; `numbers_twice` and `references_twice` count values that the ledger holds more than once."""
        one = self.store.all(
            """SELECT count(*) AS accepted, count(DISTINCT number) AS numbers, coalesce(sum(credit), 0) AS credits,
            count(DISTINCT nullif(campaign_id, '')) AS campaign_ids FROM message WHERE origin = 'api'"""
        )[0]
        twice = "SELECT count(*) FROM (SELECT 1 FROM message WHERE origin = 'api' {} GROUP BY {} HAVING count(*) > 1)"
        return {
            **dict(one),
            "numbers_twice": self.store.all(twice.format("", "number"))[0][0],
            "references_twice": self.store.all(twice.format("AND campaign_id <> ''", "campaign_id"))[0][0],
            "statuses": self.store.status_counts(),
            "replies": len(self.store.inbound("1", {})),
            "balances": {f"balance_{number}": left for number, left in self.store.balances().items()},
            "calls": dict(self.calls),
            "most_at_once": self.peak,
            "callbacks": {"delivered": self._courier.delivered, "failed": self._courier.failed},
        }

    def fault(self, kind: str, path: str = "*", **how: Any) -> None:
        """Switch a fault on (`faults`)."""
        self._faults.add(Fault(kind, path, **how))

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def faults(self) -> list[dict[str, object]]:
        """The faults that are switched on."""
        return self._faults.shown()

    def settings(self, **values: object) -> dict[str, object]:
        """Change switches of `Options`; returns all of them."""
        silent = {name for name in ("status_url", "reply_url") if not getattr(self.options, name)}
        newly = {name for name in silent if values.get(name)}
        self.store.skip_events("status_url" in newly, "reply_url" in newly)
        self.options.change(values)
        self._courier.wake()
        return self.options.shown()

    def account(self, **values: float) -> None:
        """Put so much into purses (`balance_1` …) and move `activation` or `expiration` (seconds since 1970)."""
        known = {f"balance_{number}": number for number in self.store.balances()}
        unknown = values.keys() - known.keys() - {"activation", "expiration"}
        if unknown:
            raise ValueError(f"there is no {sorted(unknown)[0]!r} in the account")
        purses = {known[name]: int(value) for name, value in values.items() if name in known}
        dates = {name: float(value) for name, value in values.items() if name not in known}
        self.store.set_account(purses, dates)

    def reply(self, number: str, content: str, campaign_id: str | None = None) -> None:
        """A person writes now: in answer to the last message they got, or to the one of `campaign_id`."""
        who = read_number(number, "")
        if isinstance(who, str):
            raise ValueError(f"{number!r} is no number in Brazil")
        where = "number = :number" + ("" if campaign_id is None else " AND campaign_id = :reference")
        values = {"number": who.digits, "reference": campaign_id or ""}
        answered = self.store.messages(f"{where} AND due_at <= :now", values, order="due_at DESC, id DESC", limit=1)
        row = answered[0] if answered else None
        kind, carrier = (row["type"], row["carrier"]) if row else (2, carrier_of(*who, "sms"))
        reference = row["campaign_id"] if row else campaign_id or ""
        moment = self.clock.now()
        inbound = (row["id"] if row else None, reference, who.digits, kind, content, moment, carrier, 0, 0)
        self.store.insert_inbound([inbound])
        self._courier.wake()

    def status(self, status: int, id: int | None = None, campaign_id: str | None = None) -> int:
        """Give a message a status now; returns how many messages that were."""
        if (id is None) == (campaign_id is None):
            raise ValueError("name a message by id or by campaign_id")
        where = "id = :key" if id is not None else "campaign_id = :key"
        key = id if id is not None else campaign_id
        changed = self.store.force_status(where, {"key": key}, status, status in HANDSET)
        self._courier.wake()
        return changed

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.clock.advance(seconds)
        self._courier.wake()

    def freeze(self, frozen: bool = True) -> None:
        """Stop or start the clock."""
        self.clock.freeze(frozen)

    def reset(self) -> None:
        """Forget messages, replies and faults; fill the purses."""
        self._faults.clear()
        self.store.reset()
        self.calls.clear()
        self.peak = 0

    def seed_history(self, messages: Iterable[Mapping[str, Any]]) -> list[int]:
        """Insert messages of the past (fields in the table above); returns their ids. Their replies count as handed
        out unless `handed` is false. No callback tells them, no purse pays for them."""
        past = [self._past(item) for item in messages]
        ids = self.store.insert_past([row for row, _ in past])
        replies = [(key, *reply) for key, (_, reply) in zip(ids, past, strict=True) if reply]
        self.store.insert_inbound(replies)
        return ids

    def _past(self, item: Mapping[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
        who = read_number(text_of(item.get("number")), "")
        service = DIALECTS[self.options.dialect].types.get(int(item.get("type", 0)))
        if not isinstance(who, Number) or service is None:
            raise ValueError(f"{item.get('number')!r} with type {item.get('type')!r} is no message")
        at = self.clock.now() - float(item.get("days_ago", 0)) * 86400
        if item.get("at"):
            moment = datetime.fromisoformat(str(item["at"]))
            if moment.tzinfo is None:
                raise ValueError(f"at: {item['at']!r} has no offset")
            at = moment.timestamp()
        reference, content = text_of(item.get("campaign_id")), text_of(item.get("content"))
        drawn = fate(who, service, reference, self.options)
        carrier = text_of(item.get("carrier")) or drawn.carrier
        operator, handset = drawn.operator_status, drawn.handset_status
        if "status" in item:
            status = int(item["status"])
            operator, handset = (0, status) if status in HANDSET else (status, None)
        handset_at = at + (drawn.handset or drawn.operator) if handset is not None else None
        reached = at + (drawn.operator if drawn.operator < NEVER else 0)
        row = (
            reference, who.digits, service.type, content, text_of(item.get("caption")), credits_of(service, content),
            service.purse, at, at, 0, carrier, at, reached, operator, handset_at, handset, 2,
            text_of(item.get("origin")) or "history",
        )  # fmt: skip
        reply = text_of(item.get("reply"))
        answered = (handset_at or reached) + 60
        answer = (reference, who.digits, service.type, reply, answered, carrier, int(item.get("handed", True)), 1)
        return row, answer if reply else None


def _ledger_row(row: Row) -> dict[str, Any]:
    shown = ("id", "campaign_id", "number", "type", "content", "caption", "credit", "carrier", "origin")
    return {
        **{name: row[name] for name in shown},
        "accepted_at": iso_date(row["accepted_at"]),
        "schedule": iso_date(row["due_at"]) if row["scheduled"] else None,
        "status": str(row["status"]),
    }

"""What the gateway's answers mean. Pure functions from bytes to values, tolerant of every shape seen or feared.

Nothing here trusts the sender: whatever the bytes, the result is a value or a `GatewayError`. Rows that cannot be
understood are handed back apart, never dropped. The code of an answer decides, its HTTP status and `success` do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from webapp.core.clock import GATEWAY_ZONE
from webapp.gateway.codes import INBOUND, STATUSES, Verdict, response, status_code
from webapp.gateway.errors import LookupFailed, OutcomeUnknown, error_for, redacted
from webapp.gateway.values import Row, code_of, envelope, first, moment, number_of, parsed, rows_of, text_of, whole
from webapp.gateway.values import parse_query as parse_query

# Aliases, the likeliest first (gateway.md, "A tolerant reader")
_ID = ("id", "mt_id", "message_id", "mo_id")
_REFERENCE = ("campaign_id",)
_NUMBER = ("number", "phone", "from")
_CONTENT = ("content", "message", "text")
_CARRIER = ("carrier_name", "carrier")
_SENT_AT = ("sent_date", "date", "received_date", "schedule")
_CAME_AT = ("date", "received_date", "sent_date", "schedule")
_STATUS = ("status", "status_id")

_GOOD = (Verdict.FOUND, Verdict.ACCEPTED, Verdict.ITEMS)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An accepted send-single. `credit` and `balance` in credits, None where unknown; `id` None where none came."""

    code: str
    description: str
    credit: int | None
    balance: int | None
    id: str | None


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What became of one message of a batch, by its position. `code` is "" where the item had none: unsure."""

    code: str
    credit: int | None
    id: str | None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """An answered send-multiple: one item a message, in the order sent. `code` is the envelope's."""

    code: str
    items: tuple[ItemAnswer, ...]
    credit: int | None
    balance: int | None
    total_processed: int | None
    total_success: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the gateway says about a message of ours.

    `number` is E.164 digits; `status` a code of `codes.STATUSES`, or an unknown one as it came, None where none came;
    `at` is aware UTC. Texts are "" where absent.
    """

    gateway_id: str
    reference: str
    number: int | None
    status: str | None
    status_raw: str
    at: datetime | None
    at_raw: str
    carrier: str
    type: int | None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message written to us. `gateway_id` and `reference` are probably those of the message it answers."""

    gateway_id: str
    reference: str
    number: int | None
    number_raw: str
    content: str
    at: datetime | None
    at_raw: str
    carrier: str
    type: int | None


@dataclass(frozen=True, slots=True)
class Receipts:
    """Rows of mt_id or mt_date. `odd` are rows nobody can understand; `stated` is the answer's own `messageCount`."""

    rows: list[Receipt]
    odd: list[Any]
    stated: int | None


@dataclass(frozen=True, slots=True)
class Replies:
    """Rows of mo_new or mo. `odd` are rows nobody can understand; `stated` is the answer's own `messageCount`."""

    rows: list[Inbound]
    odd: list[Any]
    stated: int | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits a purse (1 to 4), None where unknown; the last top-up and the day of expiry in UTC."""

    purses: dict[int, int | None]
    activation: datetime | None
    expiration: datetime | None
    raw: str


# Answers to sends


def read_single(body: bytes) -> Answer:
    """An accepted send-single. Raises Refused, Stopped, Busy, OurMistake; OutcomeUnknown for whatever is unclear."""
    answer = parsed(body)
    if not isinstance(answer, dict):
        raise OutcomeUnknown(raw=body, detail="no readable answer")
    code = code_of(answer, "000")
    row = response(code)
    if row.verdict is not Verdict.ACCEPTED:
        raise error_for(row, body, sending=True)
    return Answer(
        code,
        text_of(answer.get("responseDescription")),
        whole(answer.get("credit")),
        whole(answer.get("balance")),
        first(answer, _ID) or None,
    )


def read_multiple(body: bytes, expected: int) -> BatchAnswer:
    """The answer to a batch of `expected` messages, item by item.

    Items decide over the envelope: a batch that was stopped halfway still says which messages left. Raises the error
    of the envelope's code where no item has a code of its own, OutcomeUnknown where their number is another.
    """
    answer = envelope(body)
    if answer is None:
        raise OutcomeUnknown(raw=body, detail="no readable answer")
    code = code_of(answer, "001")
    items = _items(rows_of(answer))
    row = response(code)
    if row.verdict not in _GOOD and not any(item.code for item in items):
        raise error_for(row, body, sending=True)
    if len(items) != expected:
        raise OutcomeUnknown(code, body, f"{len(items)} answers for {expected} messages")
    return BatchAnswer(
        code,
        items,
        whole(answer.get("credit")),
        whole(answer.get("balance")),
        whole(answer.get("totalProcessed")),
        whole(answer.get("totalSuccess")),
    )


def _plain(row: Any) -> bool:
    """1, 1.0 and true are equal in Python and not to us: only rows of text and truth are compared."""
    return isinstance(row, dict) and all(isinstance(value, str | bool) for value in row.values())


def _items(rows: Sequence[Any]) -> tuple[ItemAnswer, ...]:
    """Each row's answer. Thousands of rows in a row say the same word for word: those are read once."""
    if rows and _plain(rows[0]) and rows.count(rows[0]) == len(rows):
        return (_item(rows[0]),) * len(rows)
    items: list[ItemAnswer] = []
    last: Any = None
    for row in rows:
        if last is not None and row == last:
            items.append(items[-1])
            continue
        items.append(_item(row))
        last = row if _plain(row) else None
    return tuple(items)


def _item(item: Any) -> ItemAnswer:
    if not isinstance(item, dict):
        return ItemAnswer("", None, None)
    return ItemAnswer(code_of(item, "000"), whole(item.get("credit")), first(item, _ID) or None)


# Answers to questions


def _found(body: bytes) -> dict[str, Any]:
    """The envelope of an answered question; raises the error of its code, LookupFailed where it is unreadable."""
    answer = envelope(body)
    if answer is None:
        raise LookupFailed(raw=body, detail="no readable answer")
    code = code_of(answer, "200")
    bare = not code and "success" not in answer and (isinstance(answer.get("messages"), list) or first(answer, _ID))
    row = response(code)
    if not bare and row.verdict not in _GOOD:
        raise error_for(row, body, sending=False)
    return answer


def _sorted(
    body: bytes, names: tuple[str, ...], read: Callable[[Row], T | None]
) -> tuple[list[T], list[Any], int | None]:
    """The rows of an answer that `read` understands, those that it does not, and how many were announced.

    An answer that has one of `names` itself is the one row.
    """
    answer = _found(body)
    rows = rows_of(answer) or ([answer] if first(answer, names) else [])
    stated = whole(answer.get("messageCount"))
    if stated and not rows:
        raise LookupFailed(raw=body, detail=f"{stated} rows were announced and none came")
    good: list[T] = []
    odd: list[Any] = []
    for row in rows:
        value = read(row) if isinstance(row, dict) else None
        if value is None:
            odd.append(row)
        else:
            good.append(value)
    return good, odd, stated


def read_receipts(body: bytes, zone: tzinfo = GATEWAY_ZONE) -> Receipts:
    """The answer of mt_id or mt_date. `zone` is that of dates without an offset. Raises the typed errors."""
    return Receipts(*_sorted(body, (*_ID, *_REFERENCE), lambda row: receipt(row, zone)))


def read_inbound(body: bytes, zone: tzinfo = GATEWAY_ZONE) -> Replies:
    """The answer of mo_new or mo. `zone` is that of dates without an offset. Raises the typed errors."""
    return Replies(*_sorted(body, (*_ID, *_NUMBER), lambda row: inbound(row, zone)))


def receipt(row: Row, zone: tzinfo = GATEWAY_ZONE) -> Receipt | None:
    """One row about a message of ours; None where it names no message or is a reply."""
    gateway_id, reference = first(row, _ID), first(row, _REFERENCE)
    status_raw = first(row, _STATUS)
    status = status_code(status_raw[:40])
    if not (gateway_id or reference) or status == INBOUND:
        return None
    at_raw = first(row, _SENT_AT)
    return Receipt(
        gateway_id,
        reference,
        number_of(first(row, _NUMBER)),
        status,
        status_raw,
        moment(at_raw, zone),
        at_raw,
        first(row, _CARRIER),
        whole(row.get("type")),
    )


def inbound(row: Row, zone: tzinfo = GATEWAY_ZONE) -> Inbound | None:
    """One reply; None where neither a number nor a message that it answers is named. A missing text is ""."""
    gateway_id, reference, number_raw = first(row, _ID), first(row, _REFERENCE), first(row, _NUMBER)
    if not (number_raw or gateway_id or reference):
        return None
    at_raw = first(row, _CAME_AT)
    return Inbound(
        gateway_id,
        reference,
        number_of(number_raw),
        number_raw,
        next((text for name in _CONTENT if (text := text_of(row.get(name)))), ""),
        moment(at_raw, zone),
        at_raw,
        first(row, _CARRIER),
        whole(row.get("type")),
    )


# The newer names stand in place of, or beside, the numbered purses.
_PURSE_KEYS: dict[int, Sequence[str]] = {
    1: ("balance_1", "sms"),
    2: ("balance_2",),
    3: ("balance_3",),
    4: ("balance_4", "whatsapp"),
}


def read_balance(body: bytes, zone: tzinfo = GATEWAY_ZONE) -> Balance:
    """The answer of balance. A purse that is not there is unknown, never 0. Raises the typed errors."""
    answer = _found(body)
    inner = answer.get("data")
    row = {**inner, **answer} if isinstance(inner, dict) else answer
    purses = {
        number: next((amount for key in keys if (amount := whole(row.get(key))) is not None), None)
        for number, keys in _PURSE_KEYS.items()
    }
    return Balance(purses, moment(row.get("activation"), zone), moment(row.get("expiration"), zone), redacted(body))


# Callbacks


def is_reply(params: Row) -> bool:
    """Whether a callback brings a reply: status 4, or a text (an empty one beside a delivery status is no reply)."""
    status = status_code(first(params, _STATUS)[:40])
    if status == INBOUND or "content" not in params:
        return status == INBOUND
    return bool(text_of(params["content"]).strip()) or status not in STATUSES


def receipt_from_query(params: Row, zone: tzinfo = GATEWAY_ZONE) -> Receipt | None:
    """A delivery callback's parameters (`parse_query`); None where they name no message."""
    return receipt(params, zone)


def inbound_from_query(params: Row, zone: tzinfo = GATEWAY_ZONE) -> Inbound | None:
    """A reply callback's parameters (`parse_query`); None where they name nobody."""
    return inbound(params, zone)

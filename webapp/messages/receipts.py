"""What the gateway says became of messages, from callbacks and look-ups alike: one function, forward only.

Lock order in every transaction of this package: batches, then messages by key, then counters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.phone import canonical
from webapp.gateway import codes, wire
from webapp.messages import outbox, reference
from webapp.messages.counters import Changes, Place
from webapp.messages.models import Batch, Message, Receipt, Run
from webapp.messages.states import BatchState, RowState
from webapp.optouts import erased

FUTURE = timedelta(hours=26)  # no zone explains a date that lies further ahead
OLD = timedelta(days=400)
CHUNK = 5000  # keys in one IN (…)


@dataclass(frozen=True, slots=True)
class Heard:
    """One piece of news with the bytes it came in (callbacks only)."""

    receipt: wire.Receipt
    raw: str | None = None


@dataclass(slots=True)
class Applied:
    """What became of a pile of news."""

    rows: int = 0  # read
    found: int = 0  # about messages of ours
    new: int = 0  # messages accepted by this, or sent by other systems and seen for the first time
    changed: int = 0  # messages that moved forward
    dropped: int = 0  # of others, about people who were erased since: nothing of them is kept
    keys: frozenset[int] = frozenset()  # of ours, that the gateway knows


class _Row(NamedTuple):
    id: int
    run_id: int
    number: int
    type: int | None
    state: str
    reason: str | None
    status: str | None
    status_at: datetime | None
    carrier: str | None
    credits: int | None
    at: datetime
    gateway_id: str | None
    token: str

    @property
    def place(self) -> Place:
        return Place(self.run_id, self.state, self.reason, self.status, self.carrier, self.type, self.at, self.credits)


_COLUMNS = (
    Message.id, Message.run_id, Message.number, Message.type, Message.state, Message.reason, Message.status,
    Message.status_at, Message.carrier, Message.credits, Message.at, Message.gateway_id, Run.token,
)  # fmt: skip


def apply(session: Session, heard: Sequence[wire.Receipt | Heard], source: str) -> Applied:
    """Take news in: each status forward only, pending rows that the gateway knows accepted, counters with them.

    `source` is callback, mt_id or mt_date. Of mt_date, what is not ours is kept as sent by other systems; of a callback
    the raw receipt is kept whatever it says.
    """
    news = [item if isinstance(item, Heard) else Heard(item) for item in heard]
    now = clock.now()
    matched, others = _match(session, news)
    result = Applied(rows=len(news), found=sum(map(len, matched.values())), keys=frozenset(matched))
    rows = _locked_rows(session, matched)
    changes, writes, kept, accepted = Changes(), [], [], []
    for key, row in rows.items():
        after, told = _fold(row, matched[key], now)
        if after != row:
            changes.move(row.place, after.place)
            writes.append(_write_of(after))
            result.changed += 1
            if row.state != RowState.ACCEPTED:
                result.new += 1
                if row.state == RowState.PENDING:
                    accepted.append(row)
        told = [(_without_raw(item), is_news) for item, is_news in told] if row.number < 0 else told
        kept += [_kept(item, source, now, key) for item, is_news in told if is_news or source == "callback"]
    stones = erased.load(session) if others else None
    if source == "callback":
        if stones:
            others = [_without_raw(each) if stones.is_old(*_whose(each)) else each for each in others]
        kept += [_kept(item, source, now, None) for item in others]
    elif source == "mt_date":
        _outside(session, [item.receipt for item in others], now, changes, result, stones)
    if writes:
        session.connection().execute(_UPDATE, writes)
    if kept:
        session.execute(insert(Receipt), kept)
    _count_down(session, accepted)
    changes.write(session)
    return result


def _without_raw(item: Heard) -> Heard:
    """The same news without the bytes, in which the number of somebody stands who was erased."""
    return Heard(item.receipt)


def _whose(item: Heard) -> tuple[int | None, datetime | None]:
    at = item.receipt.at
    return item.receipt.number, clock.naive(at) if at else None


def _match(session: Session, news: Iterable[Heard]) -> tuple[dict[int, list[Heard]], list[Heard]]:
    """News by the key of our message, and news about nothing of ours: reference, random part and number must agree.

    Of a person who was erased no number is left to agree with, and the reference alone decides.
    """
    by_key: dict[int, list[tuple[str, Heard]]] = {}
    others = []
    for item in news:
        decoded = reference.decode(item.receipt.reference)
        if decoded:
            by_key.setdefault(decoded[1], []).append((decoded[0], item))
        else:
            others.append(item)
    known: dict[int, tuple[str, int]] = {}
    for chunk in _chunks(sorted(by_key)):
        known |= {
            key: (token, number)
            for key, token, number in session.execute(
                select(Message.id, Run.token, Message.number)
                .join(Run, Run.id == Message.run_id)
                .where(Message.id.in_(chunk))
            )
        }
    matched: dict[int, list[Heard]] = {}
    for key, items in by_key.items():
        token, number = known.get(key, ("", 0))
        for given, item in items:
            right = given == token and (number < 0 or item.receipt.number in (None, number, canonical(number)))
            if right:
                matched.setdefault(key, []).append(item)
            else:
                others.append(item)
    return matched, others


def _locked_rows(session: Session, keys: Iterable[int]) -> dict[int, _Row]:
    """The rows, locked: the batches of pending ones first, so that no send is recorded between."""
    wanted = sorted(keys)
    if session.get_bind().dialect.name == "postgresql":
        for chunk in _chunks(wanted):
            session.execute(
                select(Batch.id)
                .where(
                    Batch.id.in_(
                        select(Batch.id)
                        .join(Message, Message.id.between(Batch.first_key, Batch.last_key))
                        .where(Message.id.in_(chunk), Message.state == RowState.PENDING)
                    )
                )
                .order_by(Batch.id)
                .with_for_update()
            )
    found: dict[int, _Row] = {}
    for chunk in _chunks(wanted):
        rows = session.execute(
            select(*_COLUMNS)
            .join(Run, Run.id == Message.run_id)
            .where(Message.id.in_(chunk))
            .order_by(Message.id)
            .with_for_update(of=Message)
        )
        found |= {row[0]: _Row._make(row) for row in rows}
    return found


def _fold(row: _Row, news: Iterable[Heard], now: datetime) -> tuple[_Row, list[tuple[Heard, bool]]]:
    """The row after all of its news, and which of them told something new."""
    told = []
    for item in news:
        after = _step(row, item.receipt, now)
        told.append((item, after != row))
        row = after
    return row, told


def _step(row: _Row, receipt: wire.Receipt, now: datetime) -> _Row:
    """One piece of news. A receipt proves acceptance; a status counts only where it ranks above what was heard."""
    if row.state != RowState.ACCEPTED:
        row = row._replace(state=RowState.ACCEPTED, reason=None, at=now)
    if receipt.gateway_id and not row.gateway_id:
        row = row._replace(gateway_id=receipt.gateway_id[:40])
    forward = receipt.status is not None and codes.rank(receipt.status) > codes.rank(row.status)
    if forward and receipt.status is not None:
        at = clock.naive(receipt.at) if receipt.at and not odd_date(receipt.at, now) else now
        row = row._replace(status=receipt.status[:8], status_at=at)
    if receipt.carrier and (row.carrier is None or (forward and receipt.carrier[:60] != row.carrier)):
        row = row._replace(carrier=receipt.carrier[:60])
    return row


def odd_date(at: datetime, now: datetime) -> bool:
    """Whether a date can not be one of a message of ours: far ahead or far back."""
    moment = clock.naive(at)
    return moment > now + FUTURE or moment < now - OLD


_UPDATE = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(Message.__table__.c.id == bindparam("key"))
    .values(
        state=bindparam("new_state"), reason=bindparam("new_reason"), status=bindparam("new_status"),
        status_at=bindparam("new_status_at"), carrier=bindparam("new_carrier"), at=bindparam("new_at"),
        gateway_id=bindparam("new_gateway_id"),
    )
)  # fmt: skip


def _write_of(row: _Row) -> dict[str, Any]:
    names = ("state", "reason", "status", "status_at", "carrier", "at", "gateway_id")
    return {"key": row.id, **{f"new_{name}": getattr(row, name) for name in names}}


def _kept(item: Heard, source: str, now: datetime, key: int | None) -> dict[str, Any]:
    receipt = item.receipt
    if key is None:
        problem = "unknown_reference"
    elif receipt.status is not None and receipt.status not in codes.STATUSES:
        problem = "unknown_status"
    elif (receipt.at is None and receipt.at_raw) or (receipt.at and odd_date(receipt.at, now)):
        problem = "odd_date"
    else:
        problem = None
    sane = receipt.at is not None and not odd_date(receipt.at, now)
    return {
        "message_id": key, "heard_at": now, "source": source, "raw": item.raw,
        "reference": receipt.reference[:60] or None, "gateway_id": receipt.gateway_id[:40] or None,
        "status": receipt.status[:8] if receipt.status else None,
        "status_at": clock.naive(receipt.at) if sane and receipt.at else None,
        "carrier": receipt.carrier[:60] or None, "problem": problem,
    }  # fmt: skip


def _count_down(session: Session, accepted: Sequence[_Row]) -> None:
    """Rows that a receipt accepted are no longer pending in their batches."""
    for row in accepted:
        batch = session.scalar(
            select(Batch)
            .where(Batch.first_key <= row.id, Batch.run_id == row.run_id)
            .order_by(Batch.first_key.desc())
            .limit(1)
        )
        if batch and batch.last_key >= row.id:
            batch.pending -= 1
            if batch.pending == 0 and batch.state != BatchState.SENDING:
                batch.state = BatchState.DONE
    if accepted:
        session.flush()
        for run_id in {row.run_id for row in accepted}:
            outbox.finish_if_done(session, run_id)


def _outside(
    session: Session,
    receipts: Sequence[wire.Receipt],
    now: datetime,
    changes: Changes,
    result: Applied,
    stones: erased.Tombstones | None,
) -> None:
    """Messages of the account that we did not send: one row each, found again by the gateway's id."""
    latest: dict[str, wire.Receipt] = {}
    for receipt in receipts:
        if receipt.gateway_id and receipt.number:
            before = latest.get(receipt.gateway_id)
            if before is None or codes.rank(receipt.status) > codes.rank(before.status):
                latest[receipt.gateway_id] = receipt
    known: dict[str, Message] = {}
    for chunk in _chunks(sorted(latest)):
        rows = session.scalars(select(Message).where(Message.run_id.is_(None), Message.gateway_id.in_(chunk)))
        known |= {str(row.gateway_id): row for row in rows}
    fresh = [receipt for gateway_id, receipt in latest.items() if gateway_id not in known]
    if stones:
        new = [each for each in fresh if not stones.is_old(*_whose(Heard(each)))]
        result.dropped += len(fresh) - len(new)
        fresh = new
    first = outbox.reserve_keys(session, len(fresh)) if fresh else 0
    for place, receipt in enumerate(fresh):
        row = _outside_row(first + place, receipt, now)
        session.add(row)
        changes.add(_place(row))
        result.new += 1
    for gateway_id, row in known.items():
        told = latest[gateway_id]
        if codes.rank(told.status) > codes.rank(row.status):
            old = _place(row)
            row.status, row.status_at = told.status, now
            row.carrier = told.carrier[:60] or row.carrier
            changes.move(old, _place(row))
            result.changed += 1
    session.flush()


def _outside_row(key: int, receipt: wire.Receipt, now: datetime) -> Message:
    assert receipt.number is not None
    at = clock.naive(receipt.at) if receipt.at and not odd_date(receipt.at, now) else now
    return Message(
        id=key, run_id=None, number=receipt.number, type=receipt.type, text=None, state=RowState.ACCEPTED, at=at,
        gateway_id=receipt.gateway_id, status=receipt.status, status_at=at, carrier=receipt.carrier[:60] or None,
        reference=receipt.reference[:60] or None,
    )  # fmt: skip


def _place(row: Message) -> Place:
    return Place(row.run_id, row.state, row.reason, row.status, row.carrier, row.type, row.at, row.credits)


def _chunks(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (keys[at : at + CHUNK] for at in range(0, len(keys), CHUNK))

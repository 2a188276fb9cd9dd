"""Messages of the account that other systems sent: one row each, found again by the gateway's id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.gateway import codes, wire
from webapp.messages import outbox
from webapp.messages.counters import Changes, Place
from webapp.messages.forward import told
from webapp.messages.models import Message
from webapp.messages.states import RowState
from webapp.optouts.erased import Tombstones

CHUNK = 5000  # ids in one IN (…)


@dataclass(slots=True)
class Seen:
    """Messages seen for the first time, moved forward, and dropped because their people were erased since."""

    new: int = 0
    changed: int = 0
    dropped: int = 0


def take(
    session: Session, receipts: Sequence[wire.Receipt], now: datetime, changes: Changes, stones: Tombstones | None
) -> Seen:
    """Keep each as a message without a run, its status forward only; `changes` are the caller's to write."""
    latest = _latest(receipts)
    known: dict[str, Message] = {}
    ids = sorted(latest)
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        rows = session.scalars(select(Message).where(Message.run_id.is_(None), Message.gateway_id.in_(some)))
        known |= {str(row.gateway_id): row for row in rows}
    fresh = [receipt for gateway_id, receipt in latest.items() if gateway_id not in known]
    seen = Seen()
    if stones:
        new = [each for each in fresh if not stones.is_old(each.number, clock.naive(each.at) if each.at else None)]
        seen.dropped = len(fresh) - len(new)
        fresh = new
    first = outbox.reserve_keys(session, len(fresh)) if fresh else 0
    for place, receipt in enumerate(fresh):
        row = _row(first + place, receipt, now)
        session.add(row)
        changes.add(_place(row))
        seen.new += 1
    for gateway_id, row in known.items():
        seen.changed += _move(row, latest[gateway_id], now, changes)
    session.flush()
    return seen


def _latest(receipts: Sequence[wire.Receipt]) -> dict[str, wire.Receipt]:
    """The highest status of each id, ids and statuses as long as their columns: the gateway may write what it likes."""
    latest: dict[str, wire.Receipt] = {}
    for receipt in receipts:
        if receipt.gateway_id and receipt.number:
            gateway_id, status = receipt.gateway_id[:40], receipt.status[:8] if receipt.status else None
            before = latest.get(gateway_id)
            if before is None or codes.rank(status) > codes.rank(before.status):
                latest[gateway_id] = replace(receipt, gateway_id=gateway_id, status=status)
    return latest


def _move(row: Message, told: wire.Receipt, now: datetime, changes: Changes) -> bool:
    if codes.rank(told.status) <= codes.rank(row.status):
        return False
    old = _place(row)
    row.status, row.status_at = told.status, now
    row.carrier = told.carrier[:60] or row.carrier
    changes.move(old, _place(row))
    return True


def _row(key: int, receipt: wire.Receipt, now: datetime) -> Message:
    assert receipt.number is not None
    at = told(receipt, now).at or now
    return Message(
        id=key, run_id=None, number=receipt.number, type=receipt.type, text=None, state=RowState.ACCEPTED, at=at,
        gateway_id=receipt.gateway_id, status=receipt.status, status_at=at, carrier=receipt.carrier[:60] or None,
        reference=receipt.reference[:60] or None,
    )  # fmt: skip


def _place(row: Message) -> Place:
    return Place(row.run_id, row.state, row.reason, row.status, row.carrier, row.type, row.at, row.credits)

"""The bytes of status callbacks hold numbers: they live as long as those of replies, and what they said stays."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import Database
from webapp.messages.models import Cursor, Receipt

RAW_DAYS = 40
SECONDS = 3600.0  # between two sweeps
CHUNK = 5000  # receipts a transaction
_CURSOR = "receipts.forget"


def forget_old(db: Database, *, now: datetime | None = None) -> int:
    """Drop the bytes of callbacks that are older than 40 days, some thousands a transaction; returns how many."""
    before, gone = (now or clock.now()) - timedelta(days=RAW_DAYS), 0
    while True:
        with db.writing(durable=False) as session:
            done = _forget_chunk(session, before)
        if done is None:
            return gone
        gone += done


def _forget_chunk(session: Session, before: datetime) -> int | None:
    """The next receipts, from where the last sweep stood: no sweep walks over those of all the years. None: no more."""
    cursor = session.get(Cursor, _CURSOR) or Cursor(name=_CURSOR, rows=0, differences=0)
    begin = cursor.until or session.scalar(select(func.min(Receipt.heard_at)))
    if begin is None or begin >= before:
        return None
    # All of one moment in one go: moments are what the cursor counts by.
    ahead = select(Receipt.heard_at).where(Receipt.heard_at >= begin, Receipt.heard_at < before)
    until = session.scalar(ahead.order_by(Receipt.heard_at).offset(CHUNK).limit(1)) or before
    until = max(until, begin + timedelta(microseconds=1))
    done = session.execute(
        update(Receipt)
        .where(Receipt.heard_at >= begin, Receipt.heard_at < until, Receipt.raw.is_not(None))
        .values(raw=None)
    ).rowcount  # type: ignore[attr-defined]
    cursor.until, cursor.ran_at = until, clock.now()
    session.add(cursor)
    return int(done)

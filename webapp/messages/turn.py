"""One worker asks about statuses at a time: a lease in the database, renewed before each call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from webapp.core import leases
from webapp.core.db import Database, insert_for, moment
from webapp.messages.models import Cursor

NAME = "mt_date"
MARGIN = 30.0  # seconds beyond the longest call


@dataclass(slots=True)
class Turn:
    """The right to ask, until `until` by the database's clock."""

    db: Database
    length: timedelta
    until: datetime

    def renew(self) -> bool:
        """Hold on to it before the next call. False where it has become somebody else's."""
        with self.db.writing(durable=False) as session:
            until = moment(session) + self.length
            still = _move(session, until, Cursor.held_until == self.until)
        self.until = until
        return still

    def give_up(self) -> None:
        """The next one may ask at once."""
        with self.db.writing(durable=False) as session:
            _move(session, None, Cursor.held_until == self.until)


def _move(session: Session, until: datetime | None, *conditions: object) -> bool:
    moved = update(Cursor).where(Cursor.name == NAME, *conditions).values(held_until=until)  # type: ignore[arg-type]
    return bool(session.execute(moved).rowcount)  # type: ignore[attr-defined]


def take(db: Database, timeout: float) -> Turn | None:
    """The turn, if nobody has it; `timeout` is that of one call in seconds."""
    length = timedelta(seconds=timeout + MARGIN)
    with db.writing(durable=False) as session:
        made = insert_for(session, Cursor).values(name=NAME, rows=0, differences=0)
        session.execute(made.on_conflict_do_nothing())
        now = moment(session)
        free = or_(Cursor.held_until.is_(None), leases.over(Cursor.held_until, now, length))
        return Turn(db, length, now + length) if _move(session, now + length, free) else None


@contextmanager
def taken(db: Database, timeout: float) -> Iterator[Turn | None]:
    """The turn while the block lasts, or None."""
    turn = take(db, timeout)
    try:
        yield turn
    finally:
        if turn is not None:
            turn.give_up()

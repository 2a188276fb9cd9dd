"""Who must not be written to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from webapp.accounts.models import Person
from webapp.core.db import one_of
from webapp.core.paging import Page, page_of
from webapp.optouts import erased
from webapp.optouts.models import ASKED, EVERY_CHANNEL, OptOut, OptOutEvent

_CHUNK = 5000
COUNTED = 500_000  # rows that are counted while somebody waits


def _among(session: Session, numbers: Iterable[int], channels: list[str]) -> set[int]:
    wanted = list(numbers)
    found: set[int] = set()
    for start in range(0, len(wanted), _CHUNK):
        chunk = [int(number) for number in wanted[start : start + _CHUNK]]
        query = select(OptOut.number).where(one_of(session, OptOut.number, chunk), OptOut.channel.in_(channels))
        found.update(session.scalars(query))
    return found


def exactly(session: Session, numbers: Iterable[int], channel: str) -> set[int]:
    """Those of the numbers that are opted out under exactly this channel's name."""
    return _among(session, numbers, [channel])


def recorded(session: Session, numbers: Iterable[int], channel: str = EVERY_CHANNEL) -> set[int]:
    """Those of the numbers that opted out of a channel or of all: by their own rows, erased people not looked at."""
    return _among(session, numbers, list({EVERY_CHANNEL, channel}))


def opted_out(session: Session, numbers: Iterable[int], channel: str = EVERY_CHANNEL) -> set[int]:
    """Those of the numbers that must not be written to on a channel (`all`: those who left altogether)."""
    wanted = list(numbers)
    return recorded(session, wanted, channel) | erased.suppressed(session, wanted)


def is_opted_out(session: Session, number: int, channel: str = EVERY_CHANNEL) -> bool:
    """Whether one person must not be written to on a channel."""
    return bool(opted_out(session, [number], channel))


def of_person(session: Session, number: int) -> list[OptOut]:
    """The opt-outs of one person, over all channels."""
    return list(session.scalars(select(OptOut).where(OptOut.number == number).order_by(OptOut.channel)))


def history(session: Session, number: int) -> list[OptOutEvent]:
    """Everything that happened to a person's opt-outs, the latest first."""
    wanted = select(OptOutEvent).where(OptOutEvent.number == number)
    return list(session.scalars(wanted.order_by(OptOutEvent.at.desc(), OptOutEvent.id.desc())))


def names_of(session: Session, people: Iterable[int]) -> dict[int, str]:
    """Names of the colleagues who made changes, by id."""
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_(set(people))))
    return {row[0]: row[1] for row in rows}


def is_out(number: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """A condition on a column of numbers: who left altogether."""
    return select(OptOut.number).where(OptOut.number == number, OptOut.channel == EVERY_CHANNEL).exists()


def latest_event(session: Session) -> int:
    """The id of the latest change of anybody's opt-out; 0 where there was none."""
    return session.scalar(select(func.max(OptOutEvent.id))) or 0


def settled_event(session: Session) -> int:
    """The id of an event before which no other one can turn up any more; 0 where that cannot be told now.

    PostgreSQL gives ids in one order and shows them in another: who got a lower one may still be writing. Then they
    hold a lock on the table, which nobody does who only reads; it is looked for after the event was seen.
    """
    latest = latest_event(session)
    if session.get_bind().dialect.name != "postgresql":
        return latest
    writing = session.scalar(text(
        "SELECT count(*) FROM pg_locks WHERE relation = 'optout_event'::regclass AND mode = 'RowExclusiveLock' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ))  # fmt: skip
    return 0 if writing else latest


def changed_since(session: Session, event: int, limit: int) -> list[int] | None:
    """Numbers whose opt-outs changed after an event, each once; None where there were more events than `limit`."""
    wanted = select(OptOutEvent.number).where(OptOutEvent.id > event).order_by(OptOutEvent.id).limit(limit + 1)
    found = list(session.scalars(wanted))
    return None if len(found) > limit else list(dict.fromkeys(found))


def count(session: Session, limit: int = COUNTED) -> int:
    """How many opt-outs there are; `limit` + 1 where there are more than that, which nobody waits for to be counted."""
    return session.scalar(select(func.count()).select_from(select(OptOut.number).limit(limit + 1).subquery())) or 0


def count_since(session: Session, moment: datetime) -> int:
    """How many people asked to be left alone since a moment (naive UTC); those of a list that came in do not count."""
    return session.scalar(select(func.count()).select_from(OptOut).where(OptOut.since >= moment, ASKED)) or 0


@dataclass(frozen=True, slots=True)
class Filter:
    """What the opt-out page shows: one origin, numbers that end in some digits, one channel."""

    origin: str = ""
    digits: str = ""
    channel: str = ""


def page(session: Session, wanted: Filter, after: str | None, size: int = 50) -> Page[OptOut]:
    """Opt-outs, the latest first. `after` is the `next` of the page before."""
    query = select(OptOut).order_by(OptOut.since.desc(), OptOut.number.desc(), OptOut.channel.desc()).limit(size + 1)
    if wanted.origin:
        query = query.where(OptOut.origin == wanted.origin)
    if wanted.channel:
        query = query.where(OptOut.channel == wanted.channel)
    if wanted.digits:
        digits = wanted.digits[-15:]
        # read through in the index of numbers alone: the rows are four times as long
        ends = select(OptOut.number).where(OptOut.number % 10 ** len(digits) == int(digits))
        query = query.where(OptOut.number.in_(ends))
    if after and (behind := _position(after)):
        query = query.where(tuple_(OptOut.since, OptOut.number, OptOut.channel) < behind)
    return page_of(session.scalars(query).all(), size, _cursor)


def _cursor(row: OptOut) -> str:
    return f"{row.since.isoformat()}~{row.number}~{row.channel}"


def _position(cursor: str) -> tuple[datetime, int, str] | None:
    try:
        since, number, channel = cursor.split("~")
        return datetime.fromisoformat(since), int(number), channel
    except ValueError:
        return None

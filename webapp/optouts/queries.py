"""Who must not be written to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.core.db import one_of
from webapp.core.paging import Page, page_of
from webapp.optouts import erased
from webapp.optouts.models import EVERY_CHANNEL, OptOut, OptOutEvent

_CHUNK = 5000


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


def count(session: Session) -> int:
    """How many opt-outs there are."""
    return session.scalar(select(func.count()).select_from(OptOut)) or 0


def count_since(session: Session, moment: datetime) -> int:
    """How many people opted out since a moment (naive UTC)."""
    return session.scalar(select(func.count()).select_from(OptOut).where(OptOut.since >= moment)) or 0


@dataclass(frozen=True, slots=True)
class Filter:
    """What the opt-out page shows: one origin, numbers that end in some digits."""

    origin: str = ""
    digits: str = ""


def page(session: Session, wanted: Filter, after: str | None, size: int = 50) -> Page[OptOut]:
    """Opt-outs, the latest first. `after` is the `next` of the page before."""
    query = select(OptOut).order_by(OptOut.since.desc(), OptOut.number.desc(), OptOut.channel.desc()).limit(size + 1)
    if wanted.origin:
        query = query.where(OptOut.origin == wanted.origin)
    if wanted.digits:
        digits = wanted.digits[-15:]
        query = query.where(OptOut.number % 10 ** len(digits) == int(digits))
    if after and (behind := _position(after)):
        since, number, channel = behind
        query = query.where(
            or_(
                OptOut.since < since,
                (OptOut.since == since) & (OptOut.number < number),
                (OptOut.since == since) & (OptOut.number == number) & (OptOut.channel < channel),
            )
        )
    return page_of(session.scalars(query).all(), size, _cursor)


def _cursor(row: OptOut) -> str:
    return f"{row.since.isoformat()}~{row.number}~{row.channel}"


def _position(cursor: str) -> tuple[datetime, int, str] | None:
    try:
        since, number, channel = cursor.split("~")
        return datetime.fromisoformat(since), int(number), channel
    except ValueError:
        return None

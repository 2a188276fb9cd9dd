"""How often the gateway is asked about messages: often for the young, rarely for the old, never past 31 days.

Where callbacks come in, they tell; then only what is hours old is looked at, as rarely as it takes to find what they
missed (`audit` looks at everything, once), and hours of which nobody told anything are asked about as in silence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.settings import Settings
from webapp.gateway.client import IDS_PER_CALL
from webapp.messages import hearing, hours
from webapp.messages.hours import Hour
from webapp.messages.models import Cursor

AHEAD = timedelta(minutes=5)  # the gateway's clock need not be ours, nor another machine's
WINDOW_WORTH = 2_000  # rows of a window that are as much work as one call about 100 references
REFERENCES = 1_000  # of quiet hours that are asked about together
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Age:
    """Messages from `younger` to `older` old, asked about every so many polls, though at least every `most`.

    `hearing` is how often while callbacks come in; None: not at all, they tell.
    """

    name: str
    younger: timedelta
    older: timedelta
    polls: int
    most: timedelta
    hearing: timedelta | None

    def interval(self, settings: Settings) -> timedelta:
        """From one round to the next while callbacks are silent."""
        poll = timedelta(seconds=settings.poll_seconds)
        return max(poll, min(poll * self.polls, self.most))

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """When messages of that age were accepted (naive UTC)."""
        return now - self.older, now - self.younger if self.younger else now + AHEAD


AGES = (
    Age("fresh", timedelta(0), _HOUR / 6, 1, timedelta(0), None),
    Age("young", _HOUR / 6, 2 * _HOUR, 10, _HOUR / 6, None),
    Age("today", 2 * _HOUR, _DAY, 60, _HOUR, 6 * _HOUR),
    Age("week", _DAY, 4 * _DAY, 360, 6 * _HOUR, _DAY),
    Age("month", 4 * _DAY, 31 * _DAY, 1440, _DAY, 7 * _DAY),
)
OLDEST = AGES[-1].older


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a period (naive UTC): a window of `mt_date`, or what is open in it by our references.

    `hours` are those that it was joined from: between them may lie hours full of messages that are done with.
    """

    start: datetime
    end: datetime
    by_reference: bool
    open: int
    hours: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Messages of one age and one type to ask about; `since` is where an earlier round left off, if it did."""

    name: str
    type: int
    since: datetime
    until: datetime
    hours: Sequence[Hour]

    def steps(self) -> Iterator[Step]:
        """What is left to do, the oldest first: by reference where that is less work than the windows."""
        waiting: Step | None = None
        for hour in self.hours:
            start, end = max(hour.start, self.since), min(hour.end, self.until)
            if start >= end or not hour.open:
                continue
            step = Step(start, end, is_for_references(hour), hour.open, ((start, end),))
            if waiting is not None and (joined := _joined(waiting, step)):
                waiting = joined
                continue
            if waiting is not None:
                yield waiting
            waiting = step
        if waiting is not None:
            yield waiting


def is_for_references(hour: Hour) -> bool:
    """Whether what is open in an hour is asked about by references: few calls, where the hour's rows would be many."""
    return -(-hour.open // IDS_PER_CALL) <= max(1, hour.total // WINDOW_WORTH)


def _joined(one: Step, other: Step) -> Step | None:
    """Two steps as one: windows that touch, or references that fit into a few calls together."""
    fit = one.open + other.open <= REFERENCES if one.by_reference else one.end >= other.start
    if one.by_reference != other.by_reference or not fit:
        return None
    return Step(one.start, other.end, one.by_reference, one.open + other.open, one.hours + other.hours)


@dataclass(frozen=True, slots=True)
class Round:
    """What of an age is to be asked about now, by type. `begins`: it is a new round, no rest of an earlier one."""

    name: str
    begins: bool
    tasks: Sequence[Task]


def due(session: Session, settings: Settings, now: datetime, age: Age, told: bool) -> list[Round]:
    """The rounds that are to begin or to go on. `told`: callbacks come in.

    A round's cursor says when it began; that of each of its types how far it has come (`until`; None: to the end).
    """
    name, silent = f"mt_date.{age.name}", age.interval(settings)
    if not told:
        rounds = [_round(session, settings, now, age, name, silent)]
    else:
        rounds = [_round(session, settings, now, age, f"{name}.untold", silent, untold=True)]
        if age.hearing is not None:
            rounds.append(_round(session, settings, now, age, name, age.hearing))
    return [each for each in rounds if each is not None]


def _round(
    session: Session, settings: Settings, now: datetime, age: Age, name: str, interval: timedelta,
    *, untold: bool = False,
) -> Round | None:  # fmt: skip
    rows = session.scalars(select(Cursor).where(Cursor.name.like(f"{name}%"))).all()
    cursors = {row.name: row for row in rows}
    began = cursors[name].ran_at if name in cursors else None
    begins = began is None or not now - interval < began <= now
    left = {row.name: row.until for row in rows if row.until is not None and row.name.rpartition(".")[0] == name}
    if not begins and not left:
        return None
    since, until = age.period(now)
    found: dict[str, list[Hour]] = {each: [] for each in left}
    for hour in hours.between(session, since, until):
        told_late = hour.untold and hour.end < now - hearing.patience(settings)
        task = f"{name}.{hour.type}"
        if hour.open and (told_late or not untold) and (begins or task in left):
            found.setdefault(task, []).append(hour)
    tasks = [
        Task(task, int(task.rpartition(".")[2]), max(left.get(task, since), since), until, those)
        for task, those in found.items()
    ]
    # What went wrong last time comes last, so that it is in nobody's way.
    return Round(
        name, begins, sorted(tasks, key=lambda task: bool(task.name in cursors and cursors[task.name].problem))
    )

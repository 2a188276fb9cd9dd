"""Messages counted anew, as their counters should have it: some runs or some hours of a day, each in one still moment.

Who changes a message changes its counters in the same transaction. So what rows and counters differ by in one moment
is what they differ by in every other: it may be added to the counters later, whatever is sent and heard meanwhile.

A snapshot is never held for long: SQLite could not write its log back, and PostgreSQL not clean up. What takes more
than one to count is counted piece by piece, and only believed where its counters stood still from the first piece to
the last: statuses move forward only, so counters that are the same again never moved.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.db import Database, one_of
from webapp.messages import counters
from webapp.messages.counters import DayKey, RunKey
from webapp.messages.models import Batch, CountDrift, DayCount, Message, RunCount
from webapp.messages.states import OPEN_BATCHES, RowState

PIECE = 500_000  # messages counted in one snapshot, where it can be chosen: a second at the most
WHOLE = 2_000_000  # of one run or one hour all the same, as they hardly ever stand still: a few seconds
Key = RunKey | DayKey
Tally = dict[Key, tuple[int, int]]  # messages and credits by counter
NOTHING = (0, 0)
QUARTER = timedelta(minutes=15)  # every zone is a whole number of these away from UTC
HOURS = 24


class Stretch(Protocol):
    """What is compared at once: counters, and the messages that they count."""

    def pieces(self) -> Sequence[Any]:
        """What is counted in one snapshot each."""

    def held(self, session: Session) -> Tally:
        """What the counters say."""

    def counted(self, session: Session, piece: Any) -> Tally:
        """What the messages of a piece say."""


class Span(NamedTuple):
    """Messages of an hour that were accepted from one moment (naive UTC) until before another one."""

    day: date
    hour: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs whose keys lie close together; `first_key` and `last_key` are those of all of them."""

    ids: tuple[int, ...]
    first_key: int
    last_key: int

    def pieces(self) -> Sequence[tuple[int, int]]:
        """Ranges of keys, both ends included."""
        if self.last_key - self.first_key < WHOLE:
            return [(self.first_key, self.last_key)]
        starts = range(self.first_key, self.last_key + 1, PIECE)
        return [(start, min(start + PIECE - 1, self.last_key)) for start in starts]

    def held(self, session: Session) -> Tally:
        """What the counters of the runs say."""
        table = RunCount.__table__.c
        rows = session.connection().execute(
            select(*(table[name] for name in RunKey._fields), table.n, table.credits).where(
                one_of(session, table.run_id, self.ids)
            )
        )
        return {RunKey(*row[:5]): (row.n, row.credits) for row in rows if row.n or row.credits}

    def counted(self, session: Session, piece: tuple[int, int]) -> Tally:
        """What the messages say. "+ 0": the range of keys is walked in the table itself, not by an index's detour."""
        table = Message.__table__.c
        cell = (table.run_id, table.state, table.reason, table.status, table.carrier)
        rows = session.connection().execute(
            select(*cell, func.count().label("n"), func.coalesce(func.sum(table.credits), 0).label("credits"))
            .where(table.id.between(*piece), one_of(session, table.run_id + 0, self.ids))
            .group_by(*cell)
        )
        found: Tally = {}
        for run_id, state, reason, status, carrier, n, credits in rows:
            why = "" if state == RowState.PENDING else reason or ""
            _add(found, RunKey(run_id, state, why, status or "", carrier or ""), n, credits)
        return found


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of one day of the installation's zone, the first and the last included. `parts`: pieces of each hour."""

    day: date
    first: int = 0
    last: int = HOURS - 1
    parts: int = 1

    def pieces(self) -> Sequence[list[Span]]:
        """Moments from and until which messages are counted."""
        spans = [span for span in spans_of(self.day) if self.first <= span.hour <= self.last]
        if self.parts == 1:
            return [spans]
        return [[part] for span in spans for part in _cut(span, self.parts)]

    def held(self, session: Session) -> Tally:
        """What the counters of the hours say."""
        table = DayCount.__table__.c
        rows = session.connection().execute(
            select(*(table[name] for name in DayKey._fields), table.n, table.credits).where(
                table.day == self.day, table.hour.between(self.first, self.last)
            )
        )
        return {DayKey(*row[:5]): (row.n, row.credits) for row in rows if row.n or row.credits}

    def counted(self, session: Session, piece: list[Span]) -> Tally:
        """What the messages say."""
        table = Message.__table__.c
        cell = (table.type, table.carrier, table.status)
        question = select(*cell, func.count().label("n"), func.coalesce(func.sum(table.credits), 0).label("credits"))
        found: Tally = {}
        for day, hour, start, end in piece:
            rows = session.connection().execute(
                question.where(table.at >= start, table.at < end, table.state == RowState.ACCEPTED).group_by(*cell)
            )
            for kind, carrier, status, n, credits in rows:
                key = DayKey(day, hour, -1 if kind is None else kind, carrier or "", status or "")
                _add(found, key, n, credits)
        return found


def _add(tally: Tally, key: Key, n: int, credits: int) -> None:
    had = tally.get(key, NOTHING)
    tally[key] = had[0] + int(n), had[1] + int(credits)


def spans_of(day: date) -> Iterator[Span]:
    """The hours of a day of the installation's zone; one that clocks skip has none, one that they repeat is longer."""
    moment = datetime.combine(day, datetime.min.time()) - timedelta(days=1)
    end = moment + timedelta(days=3)
    span: Span | None = None
    while moment < end:
        here = counters.day_and_hour(moment)
        if span is not None and here == (span.day, span.hour):
            span = span._replace(end=moment + QUARTER)
        else:
            if span is not None:
                yield span
            span = Span(*here, moment, moment + QUARTER) if here[0] == day else None
        moment += QUARTER
    if span is not None:
        yield span


def _cut(span: Span, parts: int) -> Iterator[Span]:
    step = (span.end - span.start) / parts
    bounds = [span.start + step * place for place in range(parts)] + [span.end]
    for start, end in pairwise(bounds):
        yield span._replace(start=start, end=end)


def hours_of(session: Session, day: date) -> list[Hours]:
    """A day in stretches that one snapshot each can count: the whole of it, or hour by hour where much was sent."""
    rows = session.execute(
        select(DayCount.hour, func.sum(DayCount.n)).where(DayCount.day == day).group_by(DayCount.hour)
    ).all()
    by_hour = {hour: max(int(n), 0) for hour, n in rows}
    if sum(by_hour.values()) <= PIECE:
        return [Hours(day)]
    return [Hours(day, hour, hour, _parts(by_hour.get(hour, 0))) for hour in range(HOURS)]


def _parts(messages: int) -> int:
    return 1 if messages <= WHOLE else messages // PIECE + 1


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing a stretch came to. `off`: what its messages have more than its counters, by counter.

    `seen` is the newest record of a drift in that moment: where there is a newer one, somebody has mended since.
    """

    messages: int
    off: Tally
    seen: int


def compare(db: Database, stretch: Stretch) -> Compared | None:
    """Count a stretch and hold it against its counters. None where these moved before all of it was counted."""
    before: Tally | None = None
    counted: Tally = {}
    seen = 0
    for piece in stretch.pieces():
        with db.still() as session:
            held = stretch.held(session)
            if before is not None and held != before:
                return None
            before = held
            seen = newest_record(session)
            for key, (n, credits) in stretch.counted(session, piece).items():
                _add(counted, key, n, credits)
    messages = sum(n for n, _ in counted.values())
    return Compared(messages, difference(counted, before or {}), seen)


def difference(counted: Tally, held: Tally) -> Tally:
    """What is counted less what is held, where that is not nothing."""
    off: Tally = defaultdict(lambda: NOTHING)
    for key in counted.keys() | held.keys():
        (n, credits), (had, had_credits) = counted.get(key, NOTHING), held.get(key, NOTHING)
        if (n, credits) != (had, had_credits):
            off[key] = n - had, credits - had_credits
    return dict(off)


def newest_record(session: Session) -> int:
    """The number of the last drift that was written down."""
    return session.scalar(select(func.max(CountDrift.id))) or 0


def odd_batches(session: Session, runs: Runs) -> list[int]:
    """Batches of the runs whose `pending` is not what their rows say.

    Only those that something may leave from are counted, unless a run has more rows waiting than these hold.
    """
    of_these = one_of(session, Batch.run_id, runs.ids)
    may_leave = Batch.state.in_(OPEN_BATCHES) | (Batch.pending != 0)
    rows = session.execute(_batches().where(of_these, may_leave)).all()
    waiting = session.scalar(
        select(func.sum(RunCount.n)).where(
            one_of(session, RunCount.run_id, runs.ids), RunCount.state == RowState.PENDING
        )
    )
    if sum(counted for _, _, counted in rows) != (waiting or 0):
        rows = session.execute(_batches().where(of_these)).all()
    return [batch_id for batch_id, pending, counted in rows if pending != counted]


def pending_of(session: Session, batch: Batch) -> int:
    """How many rows of a batch are pending."""
    return session.execute(_batches().where(Batch.id == batch.id)).one()[2]  # type: ignore[no-any-return]


def _batches() -> Any:
    rows = (
        select(func.count())
        .where(Message.id.between(Batch.first_key, Batch.last_key), Message.run_id + 0 == Batch.run_id)
        .where(Message.state == RowState.PENDING)
        .correlate(Batch)
        .scalar_subquery()
    )
    return select(Batch.id, Batch.pending, rows)


def local_day(at: datetime) -> date:
    """The day of the installation's zone in which a moment (naive UTC) lies."""
    return counters.day_and_hour(at)[0]


def beginning_of(day: date) -> datetime:
    """When a day of the installation's zone begins (naive UTC)."""
    return next(spans_of(day)).start

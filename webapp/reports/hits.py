"""What counters know of a view: how many hits it has, in which hours they lie, which of its filters is the rarest."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.messages import counters
from webapp.messages.models import DayCount, Run, RunCount
from webapp.messages.states import RowState
from webapp.reports.filters import MessageFilter
from webapp.reports.standing import GROUPS
from webapp.reports.streams import accepted_only, counted

WINDOW = timedelta(days=31)  # counters read at once
CLOSED = 50  # one row of so many, about, never left
COUNTED_DAYS = 400  # counters of longer periods are not summed up for a page
Span = tuple[datetime | None, datetime | None]  # naive UTC, the end excluded; None = without end


def _conditions(wanted: MessageFilter) -> dict[str, ColumnElement[bool]]:
    found: dict[str, ColumnElement[bool]] = {}
    if wanted.type is not None:
        found["type"] = DayCount.type == wanted.type
    if wanted.carrier:
        found["carrier"] = DayCount.carrier == wanted.carrier
    if wanted.status:
        found["status"] = DayCount.status.in_(counted(wanted.status)[0])
    return found


def rarest(session: Session, wanted: MessageFilter, names: list[str]) -> str:
    """Which of these dimensions has the fewest rows in the newest part of the period. They are told, not searched."""
    known = {name: each for name, each in _conditions(wanted).items() if name in names}
    closed = bool(wanted.status) and not counted(wanted.status)[1]  # rows that counters of days do not know
    until = wanted.until or clock.now()
    since = max(wanted.since or datetime.min, until - WINDOW)
    sums = [func.coalesce(func.sum(case((each, DayCount.n), else_=0)), 0) for each in known.values()]
    told = session.execute(select(func.coalesce(func.sum(DayCount.n), 0), *sums).where(*_days(since, until))).one()
    rows = {name: int(n) for name, n in zip(known, told[1:], strict=True)}
    if closed:
        rows["status"] = int(told[0]) // CLOSED
    return min(names, key=lambda name: rows.get(name, 0))


def carriers(session: Session, wanted: MessageFilter) -> list[str]:
    """The carriers of the hits in the newest part of the period ('' = not told)."""
    until = wanted.until or clock.now()
    since = max(wanted.since or datetime.min, until - WINDOW)
    query = select(DayCount.carrier).where(*_days(since, until), DayCount.n > 0, *_conditions(wanted).values())
    return list(session.scalars(query.distinct()))


def spans(session: Session, wanted: MessageFilter, behind: datetime | None) -> Iterator[Span]:
    """The parts of the period that can hold hits, the newest first: hours without any are left out where counters tell.

    `behind` is where the search goes on.
    """
    if not accepted_only(wanted):
        yield wanted.since, wanted.until
        return
    oldest = session.scalar(select(func.min(DayCount.day)))
    if oldest is None:
        return
    first = max(wanted.since or datetime.min, _moment(oldest, 0, 0))
    until = min(wanted.until or datetime.max, _after_everything(session))
    until = min(until, behind + timedelta(microseconds=1)) if behind else until
    while until > first:
        since = max(first, until - WINDOW)
        for start, end in _hours(session, wanted, since, until):
            yield max(start, since), min(end, until)
        until = since


def _after_everything(session: Session) -> datetime:
    newest = session.scalar(select(func.max(DayCount.day)))
    assert newest is not None
    return _moment(newest + timedelta(days=1), 0, 1)


def _hours(
    session: Session, wanted: MessageFilter, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Stretches of hours with hits, the newest first."""
    query = (
        select(DayCount.day, DayCount.hour)
        .where(*_days(since, until), DayCount.n > 0, *_conditions(wanted).values())
        .distinct()
        .order_by(DayCount.day.desc(), DayCount.hour.desc())
    )
    found: list[tuple[datetime, datetime]] = []
    for day, hour in session.execute(query):
        start, end = _moment(day, hour, 0), _moment(day, hour, 1) + timedelta(hours=1)
        if start >= until or end <= since:
            continue
        if found and found[-1][0] <= end:
            found[-1] = (start, found[-1][1])
        else:
            found.append((start, end))
    return found


def _days(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Counters of the days that a stretch of time touches."""
    return DayCount.day >= counters.day_and_hour(since)[0], DayCount.day <= counters.day_and_hour(until)[0]


def _moment(day: date, hour: int, fold: int) -> datetime:
    """When an hour of the counters' zone began (naive UTC); where clocks go back, for the first or the last time."""
    local = datetime.combine(day, time(hour, fold=fold), counters.day_zone())
    return clock.naive(local.astimezone(UTC))


def counts_all(wanted: MessageFilter) -> bool:
    """Whether `count` is of all hits, and not only of those that the gateway accepted."""
    return accepted_only(wanted) or wanted.campaign is not None


def count(session: Session, wanted: MessageFilter) -> int | None:
    """How many hits a view has, None where counters do not know. Without status or carrier: of the accepted ones."""
    if wanted.number is not None or wanted.digits or wanted.people or wanted.source:
        return None
    return _of_period(session, wanted) if wanted.campaign is None else _of_campaign(session, wanted)


def _of_period(session: Session, wanted: MessageFilter) -> int | None:
    group = GROUPS.get(wanted.status)
    if group and group.states:
        return None
    since, until = wanted.since, wanted.until or clock.now()
    if since is None or until - since > timedelta(days=COUNTED_DAYS):
        return None
    if any(_splits_hour(moment) for moment in (since, wanted.until) if moment is not None):
        return None
    (first, first_hour), (last, last_hour) = counters.day_and_hour(since), counters.day_and_hour(until)
    place = DayCount.day > first, DayCount.hour >= first_hour
    query = select(func.sum(DayCount.n)).where(*_days(since, until), place[0] | place[1], *_conditions(wanted).values())
    if wanted.until is not None:
        query = query.where((DayCount.day < last) | (DayCount.hour < last_hour))
    return int(session.scalar(query) or 0)


def _splits_hour(moment: datetime) -> bool:
    """Whether a moment lies within an hour of the counters' zone (the reader's zone is half an hour off)."""
    local = clock.aware(moment).astimezone(counters.day_zone())
    return bool(local.minute or local.second)


def _of_campaign(session: Session, wanted: MessageFilter) -> int | None:
    if wanted.since is not None or wanted.until is not None or wanted.status in {"pending", "unknown"}:
        return None
    run = run_of(session, wanted)
    return sum(places(session, wanted, run).values()) if run else 0


def run_of(session: Session, wanted: MessageFilter) -> Run | None:
    """The run of the campaign that a view is of; None where it has none, or one of another type than is asked for."""
    run = session.scalar(select(Run).join(Campaign, Campaign.run_id == Run.id).where(Campaign.id == wanted.campaign))
    return run if run is not None and wanted.type in {None, run.type} else None


def places(session: Session, wanted: MessageFilter, run: Run) -> dict[tuple[str, str], int]:
    """How many rows of a run fit status and carrier of a view, at all times, by state and status ('' = none)."""
    query = select(RunCount.state, RunCount.status, func.sum(RunCount.n)).where(RunCount.run_id == run.id)
    if wanted.carrier:
        query = query.where(RunCount.carrier == wanted.carrier)
    if wanted.status:
        group, (statuses, any_accepted) = GROUPS.get(wanted.status), counted(wanted.status)
        fits: ColumnElement[bool] = RunCount.state.in_(group.states if group else ())
        if any_accepted:
            fits = or_(fits, and_(RunCount.state == RowState.ACCEPTED, RunCount.status.in_(statuses)))
        query = query.where(fits)
    found = session.execute(query.group_by(RunCount.state, RunCount.status))
    return {(state, status): int(n) for state, status, n in found if n}

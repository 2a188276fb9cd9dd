"""Periods and campaigns, from counters alone: what was sent, what arrived, what it cost."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.core.paging import Page, page_of
from webapp.messages.models import DayCount, Run, RunCount
from webapp.messages.queries import public_state
from webapp.messages.rates import Cell, Tally
from webapp.messages.states import RowState
from webapp.reports.browsing import campaigns_of
from webapp.reports.standing import LOOK_ORDER, look_of


@dataclass(slots=True)
class Period:
    """What the days' counters say, cut every way the pages need."""

    total: Tally = field(default_factory=Tally)
    by_day: dict[date, Tally] = field(default_factory=lambda: defaultdict(Tally))
    by_type: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    by_carrier: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    by_look: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LOOK_ORDER, 0))
    by_status: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def types(self) -> list[tuple[int, Tally]]:
        """Service types, the busiest first."""
        return sorted(self.by_type.items(), key=lambda item: -item[1].sent)

    @property
    def carriers(self) -> list[tuple[str, Tally]]:
        """Carriers, the busiest first; '' where nobody said which."""
        return sorted(self.by_carrier.items(), key=lambda item: -item[1].sent)


def period(session: Session, first: date, last: date) -> Period:
    """The counters of days of the installation's zone, both ends included."""
    found = Period()
    columns = (DayCount.day, DayCount.type, DayCount.carrier, DayCount.status)
    rows = session.execute(
        select(*columns, func.sum(DayCount.n), func.sum(DayCount.credits))
        .where(DayCount.day >= first, DayCount.day <= last)
        .group_by(*columns)
    )
    for day, kind, carrier, status, n, credits in rows:
        cell: Cell = (kind, carrier, status, int(n), int(credits))
        found.total.add(cell)
        found.by_day[day].add(cell)
        found.by_type[kind].add(cell)
        found.by_carrier[carrier].add(cell)
        found.by_look[look_of(status)] += int(n)
        found.by_status[status] += int(n)
    return found


def total(session: Session, first: date, last: date) -> Tally:
    """Everything of those days together, for live figures: they ask for no more."""
    columns = (DayCount.type, DayCount.carrier, DayCount.status)
    rows = session.execute(
        select(*columns, func.sum(DayCount.n), func.sum(DayCount.credits))
        .where(DayCount.day >= first, DayCount.day <= last)
        .group_by(*columns)
    )
    found = Tally()
    for kind, carrier, status, n, credits in rows:
        found.add((kind, carrier, status, int(n), int(credits)))
    return found


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a day: messages by look."""

    hour: int
    looks: dict[str, int]


def hours(session: Session, day: date) -> list[Hour]:
    """A day's hours from the first to the last with messages."""
    found: dict[int, dict[str, int]] = {}
    rows = session.execute(
        select(DayCount.hour, DayCount.status, func.sum(DayCount.n))
        .where(DayCount.day == day)
        .group_by(DayCount.hour, DayCount.status)
    )
    for hour, status, n in rows:
        looks = found.setdefault(hour, dict.fromkeys(LOOK_ORDER, 0))
        looks[look_of(status)] += int(n)
    if not found:
        return []
    empty = dict.fromkeys(LOOK_ORDER, 0)
    return [Hour(hour, found.get(hour, empty)) for hour in range(min(found), max(found) + 1)]


def sent_on(session: Session, day: date, until_hour: int = 23) -> int:
    """Messages accepted on a day, up to the end of an hour."""
    query = select(func.sum(DayCount.n)).where(DayCount.day == day, DayCount.hour <= until_hour)
    return int(session.scalar(query) or 0)


def sent_between(session: Session, first: date, last: date) -> int:
    """Messages accepted on those days, both included."""
    query = select(func.sum(DayCount.n)).where(DayCount.day >= first, DayCount.day <= last)
    return int(session.scalar(query) or 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One campaign in a list."""

    run: Run
    campaign_id: int | None
    person: str
    state: str
    tally: Tally
    states: dict[str, int]

    @property
    def handed(self) -> int:
        """Messages that the gateway took."""
        return self.states.get(RowState.ACCEPTED, 0)

    @property
    def done(self) -> int:
        """Messages whose fate, as far as sending goes, is known."""
        return sum(n for state, n in self.states.items() if state != RowState.PENDING)


def lines(session: Session, runs: Iterable[Run], now: datetime) -> list[Line]:
    """Runs with their campaigns, authors and counters: three questions, however many runs."""
    wanted = list(runs)
    keys = [run.id for run in wanted]
    if not keys:
        return []
    campaigns = campaigns_of(session, keys)
    authors = {run.created_by for run in wanted if run.created_by}
    names = {row.id: row.name for row in session.execute(select(Person.id, Person.name).where(Person.id.in_(authors)))}
    kinds = {run.id: run.type for run in wanted}
    tallies: dict[int, Tally] = defaultdict(Tally)
    states: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in session.scalars(select(RunCount).where(RunCount.run_id.in_(keys), RunCount.n != 0)):
        states[row.run_id][row.state] += row.n
        if row.state == RowState.ACCEPTED:
            tallies[row.run_id].add((kinds[row.run_id], row.carrier, row.status, row.n, row.credits))
    return [
        Line(run, campaigns.get(run.id), names.get(run.created_by or 0, ""), public_state(run, now), tallies[run.id],
             dict(states[run.id]))
        for run in wanted
    ]  # fmt: skip


def campaigns(
    session: Session, since: datetime | None, until: datetime | None, after: int | None, now: datetime, size: int = 30
) -> Page[Line]:
    """Campaigns launched in a period, the newest first."""
    query = select(Run).where(Run.kind == "campaign").order_by(Run.id.desc()).limit(size + 1)
    if since is not None:
        query = query.where(Run.created_at >= since)
    if until is not None:
        query = query.where(Run.created_at < until)
    if after is not None:
        query = query.where(Run.id < after)
    found = page_of(session.scalars(query).all(), size, lambda run: str(run.id))
    return Page(lines(session, found.rows, now), found.next)


@dataclass(frozen=True, slots=True)
class Spend:
    """Credits of a period."""

    by_campaign: list[tuple[str, int | None, int]]  # name, campaign, credits
    by_person: list[tuple[str, int]]
    reserved: int  # forecast of what still has to leave


def spend(session: Session, since: datetime, most: int = 10) -> Spend:
    """What was debited for launches since a moment, by campaign and by author, and what waiting campaigns will take."""
    debited = func.sum(RunCount.credits)
    rows = session.execute(
        select(Run.id, Run.name, Run.kind, Person.name.label("person"), debited.label("credits"))
        .join(RunCount, RunCount.run_id == Run.id)
        .outerjoin(Person, Person.id == Run.created_by)
        .where(Run.created_at >= since)
        .group_by(Run.id, Run.name, Run.kind, Person.name)
        .having(debited > 0)
    ).all()
    people: dict[str, int] = defaultdict(int)
    for row in rows:
        people[row.person or ""] += int(row.credits)
    dear = sorted((row for row in rows if row.kind == "campaign"), key=lambda row: -row.credits)[:most]
    links = campaigns_of(session, [row.id for row in dear])
    by_campaign = [(row.name, links.get(row.id), int(row.credits)) for row in dear]
    return Spend(by_campaign, sorted(people.items(), key=lambda item: -item[1])[:most], reserved(session))


def reserved(session: Session) -> int:
    """Credits that launched campaigns still need: their forecast, by the share that has not left."""
    pending = func.sum(RunCount.n)
    rows = session.execute(
        select(Run.forecast, Run.total, pending)
        .join(RunCount, RunCount.run_id == Run.id)
        .where(Run.state.in_(("launching", "running", "paused")), RunCount.state == RowState.PENDING)
        .group_by(Run.id, Run.forecast, Run.total)
    )
    return sum(round(forecast * int(n) / total) for forecast, total, n in rows if total)

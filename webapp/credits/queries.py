"""What the purses hold, how fast they empty, and how long they last."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.paging import Page, page_of
from webapp.credits.models import BalanceReading, Threshold
from webapp.gateway.codes import DIALECTS, Purse

PURSES = (1, 2, 3, 4)
DEFAULT_THRESHOLDS = {"1": 1000, "2": 100, "3": 100, "4": 100, "days": 15}
PACE_DAYS = 7  # over which the pace is taken
_VALUES = (BalanceReading.balance_1, BalanceReading.balance_2, BalanceReading.balance_3, BalanceReading.balance_4)

Values = tuple[int | None, int | None, int | None, int | None]
Reading = tuple[datetime, Values]


@dataclass(frozen=True, slots=True)
class PurseState:
    """One purse now. `credits` None = unknown; `per_day` credits a day of late; `days_left` None = no pace to tell by.

    `used` is false for a purse that never held anything: most accounts buy one or two channels.
    """

    purse: Purse
    credits: int | None
    per_day: float
    days_left: float | None
    threshold: int
    low: bool
    used: bool


@dataclass(frozen=True, slots=True)
class DayEnd:
    """What the purses held at the end of a day."""

    day: date
    values: Values


def latest(session: Session) -> BalanceReading | None:
    """The last reading, None before the first."""
    return session.scalar(select(BalanceReading).order_by(BalanceReading.id.desc()).limit(1))


def thresholds(session: Session) -> dict[str, int]:
    """What people set, over the defaults; 0 switches a warning off."""
    kept = {row.name: row.value for row in session.scalars(select(Threshold))}
    return DEFAULT_THRESHOLDS | kept


def readings(session: Session, since: datetime) -> list[Reading]:
    """The readings since a moment (naive UTC), oldest first, and the last one before it where there is one."""
    before = session.scalar(
        select(BalanceReading.id).where(BalanceReading.at < since).order_by(BalanceReading.id.desc()).limit(1)
    )
    wanted = select(BalanceReading.at, *_VALUES).order_by(BalanceReading.id)
    wanted = wanted.where(BalanceReading.id >= before) if before else wanted.where(BalanceReading.at >= since)
    return [(at, (one, two, three, four)) for at, one, two, three, four in session.execute(wanted)]


def pace(found: list[Reading], since: datetime, now: datetime) -> dict[int, float]:
    """Credits a day that left each purse. Top-ups do not count; less than a day of readings counts as a day.

    Of what left between the reading before `since` and the next one, only the share of the time after `since` counts.
    """
    if not found:
        return dict.fromkeys(PURSES, 0.0)
    days = max((now - max(found[0][0], since)) / timedelta(days=1), 1.0)
    return {number: _left(found, number, since) / days for number in PURSES}


def _left(found: list[Reading], number: int, since: datetime) -> float:
    known = [(at, values[number - 1]) for at, values in found]
    amounts = [(at, amount) for at, amount in known if amount is not None]
    total = 0.0
    for (begin, before), (end, after) in pairwise(amounts):
        inside = (end - since) / (end - begin) if begin < since < end else float(end > since)
        total += max(before - after, 0) * inside
    return total


def purses(session: Session, dialect: str, now: datetime | None = None) -> list[PurseState]:
    """Every purse of the account, whatever is known of it."""
    now = now or clock.now()
    since = now - timedelta(days=PACE_DAYS)
    found = readings(session, since)
    limits, speed, ever = thresholds(session), pace(found, since, now), _most_ever(session)
    current: Values = found[-1][1] if found else (None, None, None, None)
    return [
        _state(purse, current[purse.number - 1], speed[purse.number], limits, ever[purse.number - 1])
        for purse in DIALECTS[dialect].purses.values()
    ]


def _state(purse: Purse, credits: int | None, per_day: float, limits: dict[str, int], ever: int | None) -> PurseState:
    limit, used = limits[str(purse.number)], bool(ever)
    left = credits / per_day if credits is not None and per_day else None
    low = credits is not None and used and credits < limit
    return PurseState(purse, credits, per_day, left, limit, low, used)


def _most_ever(session: Session) -> Values:
    one, two, three, four = (func.max(column) for column in _VALUES)
    row = session.execute(select(one, two, three, four)).one()
    found: Values = (row[0], row[1], row[2], row[3])
    return found


def daily(session: Session, days: int, zone: ZoneInfo, now: datetime | None = None) -> list[DayEnd]:
    """What the purses held at the end of each of the last days; days without a reading carry the one before."""
    now = now or clock.now()
    today = clock.aware(now).astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    since = clock.naive(datetime(first.year, first.month, first.day, tzinfo=zone))
    ends: dict[date, Values] = {}
    last: Values | None = None
    for at, values in readings(session, since):
        if at < since:
            last = values
        else:
            ends[clock.aware(at).astimezone(zone).date()] = values
    filled = []
    for step in range(days):
        day = first + timedelta(days=step)
        last = ends.get(day, last)
        if last is not None:
            filled.append(DayEnd(day, last))
    return filled


def page(session: Session, after: int | None, size: int = 30) -> Page[BalanceReading]:
    """Readings, the latest first."""
    wanted = select(BalanceReading).order_by(BalanceReading.id.desc()).limit(size + 1)
    if after is not None:
        wanted = wanted.where(BalanceReading.id < after)
    return page_of(session.scalars(wanted).all(), size, lambda row: str(row.id))

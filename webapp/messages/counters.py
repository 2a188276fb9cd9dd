"""Counters: changed in the transaction that changes the rows, by what really changed and never by what was offered."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Table
from sqlalchemy.orm import Session

from webapp.core import bulk, clock
from webapp.messages.models import DayCount, RunCount
from webapp.messages.states import RowState


class RunKey(NamedTuple):
    """A run's counter: '' where a row has no reason, status or carrier."""

    run_id: int
    state: str
    reason: str
    status: str
    carrier: str


class DayKey(NamedTuple):
    """A day's counter, in the installation's zone. `type` is -1 for messages whose kind nobody told us."""

    day: date
    hour: int
    type: int
    carrier: str
    status: str


class Place(NamedTuple):
    """Everything of a row that counters depend on."""

    run_id: int | None
    state: str
    reason: str | None
    status: str | None
    carrier: str | None
    type: int | None
    at: datetime
    credits: int | None


_day_zone = ZoneInfo("America/Sao_Paulo")


def set_zone(name: str) -> None:
    """The installation's zone, in which days begin; set once when the services are made."""
    global _day_zone
    _day_zone = ZoneInfo(name)


def day_zone() -> ZoneInfo:
    """The installation's zone."""
    return _day_zone


def day_and_hour(at: datetime) -> tuple[date, int]:
    """The calendar day and hour of a stored moment in the installation's zone."""
    return _day_and_hour(at, _day_zone)


@lru_cache(maxsize=4096)  # a batch has one moment, and each move asks twice
def _day_and_hour(at: datetime, zone: ZoneInfo) -> tuple[date, int]:
    local = clock.aware(at).astimezone(zone)
    return local.date(), local.hour


def hour_span(day: date, hour: int) -> tuple[datetime, datetime]:
    """From when to when (naive UTC) a counter's hour lasts: two hours long where the zone's clock shows it twice."""
    wall = datetime(day.year, day.month, day.day, hour, tzinfo=_day_zone)
    return clock.naive(wall), clock.naive(wall.replace(fold=1)) + timedelta(hours=1)


@dataclass
class Changes:
    """Differences gathered over one transaction and written at its end, in one order (so no two deadlock)."""

    runs: dict[RunKey, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    days: dict[DayKey, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def add(self, place: Place, n: int = 1, credits: int | None = None) -> None:
        """Count `n` rows at a place (negative: no longer); `credits` in all, by default the place's own each."""
        total = (place.credits or 0) * n if credits is None else credits
        if place.run_id is not None:
            reason = "" if place.state == RowState.PENDING else place.reason or ""
            key = RunKey(place.run_id, place.state, reason, place.status or "", place.carrier or "")
            _bump(self.runs[key], n, total)
        if place.state == RowState.ACCEPTED:
            day, hour = day_and_hour(place.at)
            kind = -1 if place.type is None else place.type
            _bump(self.days[DayKey(day, hour, kind, place.carrier or "", place.status or "")], n, total)

    def move(self, before: Place, after: Place) -> None:
        """One row went from one place to another."""
        if before != after:
            self.add(before, -1)
            self.add(after, 1)

    def write(self, session: Session) -> None:
        """Apply everything to the tables; the caller commits."""
        _write(session, RunCount.__table__, RunKey._fields, self.runs)  # type: ignore[arg-type]
        _write(session, DayCount.__table__, DayKey._fields, self.days)  # type: ignore[arg-type]
        self.runs.clear()
        self.days.clear()


def _bump(cell: list[int], n: int, credits: int) -> None:
    cell[0] += n
    cell[1] += credits


def _write(session: Session, table: Table, names: tuple[str, ...], changes: dict[Any, list[int]]) -> None:
    rows = [(*key, n, credits) for key, (n, credits) in sorted(changes.items()) if n or credits]
    bulk.add(session, table, names, ("n", "credits"), rows)

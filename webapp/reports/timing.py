"""How fast messages reach phones: from the moments of acceptance and of the handset's word.

A campaign of up to `MOST` people is read whole; of a larger one, stretches evenly spread over its keys, so the page
costs the same for a million people, and says that it shows a sample.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.gateway.codes import DELIVERED
from webapp.messages.models import Message, Run

MOST = 10_000
STRETCHES = 40
STEPS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86_400)  # seconds between two points of the curve
POINTS = 24


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds from acceptance to the phone, for half and for nearly all of those delivered."""

    carrier: str
    delivered: int
    half: float
    nearly_all: float


@dataclass(slots=True)
class Timing:
    """The curve of deliveries and the speeds. `share` is the part of the people that was looked at (1.0 = everyone)."""

    curve: list[tuple[datetime, int]] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)
    share: float = 1.0


def timing(session: Session, run: Run) -> Timing:
    """When a run's messages reached phones. Empty while none has."""
    span = run.last_key - run.first_key + 1
    whole = span <= MOST
    rows = list(_rows(session, run, 1 if whole else STRETCHES))
    moments = sorted(status_at for _, _, status_at in rows)
    if not moments:
        return Timing()
    share = 1.0 if whole else MOST / span
    waits: dict[str, list[float]] = defaultdict(list)
    for carrier, at, status_at in rows:
        waits[carrier].append(max((status_at - at).total_seconds(), 0.0))
    speeds = [_speed(carrier, sorted(found)) for carrier, found in waits.items()]
    return Timing(_curve(moments, share), sorted(speeds, key=lambda speed: -speed.delivered), share)


def _rows(session: Session, run: Run, stretches: int) -> Iterator[tuple[str, datetime, datetime]]:
    """(carrier, accepted, reached the phone) of delivered messages."""
    span = run.last_key - run.first_key + 1
    length = span if stretches == 1 else MOST // stretches
    columns = (Message.carrier, Message.at, Message.status_at)
    for place in range(stretches):
        start = run.first_key + place * span // stretches
        query = select(*columns).where(
            Message.id.between(start, start + length - 1), Message.run_id == run.id, Message.status.in_(DELIVERED)
        )
        for carrier, at, status_at in session.execute(query):
            if status_at is not None:
                yield carrier or "", at, status_at


def _speed(carrier: str, waits: list[float]) -> Speed:
    return Speed(carrier, len(waits), _quantile(waits, 0.5), _quantile(waits, 0.95))


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def _curve(moments: list[datetime], share: float) -> list[tuple[datetime, int]]:
    """How many had been reached by each of up to `POINTS` moments."""
    first, last = moments[0], moments[-1]
    seconds = max((last - first).total_seconds(), 1.0)
    step = next((size for size in STEPS if seconds / size <= POINTS), None) or seconds / POINTS
    start = first.replace(second=0, microsecond=0)
    points = []
    moment = start
    while moment < last:
        moment += timedelta(seconds=step)
        points.append((moment, round(bisect_right(moments, moment) / share)))
    return [(start, 0), *points]

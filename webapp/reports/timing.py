"""How fast messages reach phones: from the moments of acceptance and of the handset's word.

A campaign of up to `MOST` keys is read whole; of a larger one `SAMPLE` keys in stretches evenly spread over all, so the
page costs the same for a million people, and says that it shows a sample. Keys follow the launch, not the carriers.

Only callbacks tell when the phone had it. A look-up (`mt_date`, `mt_id`) brings the moment of sending with the status:
a moment no later than our own acceptance is such a one, and tells nothing of the phone.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.db import one_of
from webapp.gateway.codes import DELIVERED
from webapp.messages.models import Message, Receipt, Run
from webapp.messages.states import RowState

MOST = 10_000
SAMPLE = 4_000
STRETCHES = 20
STEPS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86_400)  # seconds between two points of the curve
POINTS = 24
READ = "2"  # the phone had it before the person read it


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds from acceptance (or the scheduled time) to the phone, for half and for 95 in 100 of those delivered.

    `delivered` is how many were looked at.
    """

    carrier: str
    delivered: int
    half: float
    nearly_all: float


@dataclass(slots=True)
class Timing:
    """The curve of deliveries and the speeds. `share` is the part of the people that was looked at (1.0 = everyone).

    `unpriced`: accepted messages of which the gateway has not said what they cost; `untimed`: delivered ones of which
    it has not said when. Both are scaled up like the curve.
    """

    curve: list[tuple[datetime, int]] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)
    overall: Speed | None = None
    share: float = 1.0
    unpriced: int = 0
    untimed: int = 0


class _Accepted(NamedTuple):
    id: int
    carrier: str | None
    at: datetime
    status_at: datetime | None
    status: str | None
    credits: int | None


def timing(session: Session, run: Run) -> Timing:
    """When a run's messages reached phones. Its curve is empty while none has."""
    span = run.last_key - run.first_key + 1
    share = 1.0 if span <= MOST else SAMPLE / span
    accepted = [row for first, last in _stretches(run, span) for row in _accepted(session, run, first, last)]
    made = Timing(share=share, unpriced=round(sum(row.credits is None for row in accepted) / share))
    rows = [row for row in accepted if row.status in DELIVERED and row.status_at is not None]
    if not rows:
        return made
    reached = _when_the_phone_had_it(session, rows)
    waits: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.id in reached:
            begun = max(row.at, run.deliver_at) if run.deliver_at else row.at
            waits[row.carrier or ""].append(max((reached[row.id] - begun).total_seconds(), 0.0))
    made.untimed = round((len(rows) - len(reached)) / share)
    made.curve = _curve(sorted(reached.values()), share) if reached else []
    speeds = [_speed(carrier, sorted(found)) for carrier, found in waits.items()]
    made.speeds = sorted(speeds, key=lambda speed: -speed.delivered)
    everyone = sorted(wait for found in waits.values() for wait in found)
    made.overall = _speed("", everyone) if everyone else None
    return made


def _stretches(run: Run, span: int) -> Iterator[tuple[int, int]]:
    """First and last keys of what is looked at."""
    count = 1 if span <= MOST else STRETCHES
    length = span if count == 1 else SAMPLE // count
    for place in range(count):
        first = run.first_key + place * span // count
        yield first, first + length - 1


def _accepted(session: Session, run: Run, first: int, last: int) -> Iterator[_Accepted]:
    query = select(Message.id, Message.carrier, Message.at, Message.status_at, Message.status, Message.credits).where(
        Message.id.between(first, last), Message.run_id == run.id, Message.state == RowState.ACCEPTED
    )
    return map(_Accepted._make, session.execute(query))


def _when_the_phone_had_it(session: Session, rows: Sequence[_Accepted]) -> dict[int, datetime]:
    """By key. Of a message that was read only the receipt before it tells; where that never came, nobody knows."""
    at = {row.id: row.at for row in rows}
    found = {row.id: row.status_at for row in rows if row.status != READ and row.status_at and row.status_at > row.at}
    read = [row.id for row in rows if row.status == READ]
    if read:
        earlier = (
            select(Receipt.message_id, func.min(Receipt.status_at))
            .where(one_of(session, Receipt.message_id, read), Receipt.status.in_(DELIVERED - {READ}))
            .where(Receipt.status_at.is_not(None))
            .group_by(Receipt.message_id)
        )
        for key, moment in session.execute(earlier):
            if key is not None and moment is not None and moment > at[key]:
                found[key] = moment
    return found


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
    points: list[tuple[datetime, int]] = []
    moment = start
    while not points or moment < last:
        moment += timedelta(seconds=step)
        points.append((moment, round(bisect_right(moments, moment) / share)))
    return [(start, 0), *points]

"""A batch whose outcome is unknown: when the gateway is asked about it, and from when on its silence counts.

What the gateway knows counts whenever it says so; its "never heard of it" only once the outcome had time to settle.
"""

from datetime import datetime, timedelta

from webapp.core.settings import Settings
from webapp.messages.models import Batch
from webapp.messages.states import BatchState

FIRST_GAP = timedelta(seconds=15)  # between the first two looks at a fresh doubt; then twice as long each time
PERSON_AFTER = timedelta(days=1)  # an outcome unknown that long after it should have settled is a person's to decide


def begin(batch: Batch, settings: Settings, now: datetime, deliver_at: datetime | None) -> None:
    """The batch is unknown from now on and may be asked about at once. Times are naive UTC.

    `deliver_at` is the schedule it travelled with: until then the gateway may not show what it has.
    """
    visible = max(now, deliver_at) if deliver_at else now
    batch.state, batch.lease_until, batch.looks = BatchState.UNKNOWN, None, 0
    batch.doubts += 1
    batch.unknown_since = batch.look_at = now
    batch.settle_at = visible + timedelta(seconds=settings.settle_seconds)


def end(batch: Batch, state: BatchState) -> None:
    """The outcome is known, or a person decided."""
    batch.state, batch.looks = state, 0
    batch.settle_at = batch.look_at = batch.unknown_since = None


def _gap(settings: Settings) -> timedelta:
    """Between two looks whose silence counts."""
    return timedelta(seconds=min(max(settings.settle_seconds / 4, 0.5), 120))


def look(batch: Batch, settings: Settings, now: datetime) -> bool:
    """Put the next look off, whoever makes this one; returns whether "never heard of it" counts in this one."""
    age = now - (batch.unknown_since or now)
    settle_at = batch.settle_at or now
    if now >= settle_at:
        batch.look_at = now + max(_gap(settings), age / 20)
        return True
    batch.look_at = min(settle_at, now + max(min(_gap(settings), FIRST_GAP), age))
    return False


def is_old(batch: Batch, now: datetime) -> bool:
    """Whether it stayed unknown for so long that a person is to decide."""
    return batch.settle_at is not None and now - batch.settle_at > PERSON_AFTER


def clock_went_back(batch: Batch, now: datetime) -> None:
    """Move the times of a doubt that began "later than now" by as much as the clock was set back."""
    if batch.unknown_since is None or batch.unknown_since <= now:
        return
    back = batch.unknown_since - now
    batch.unknown_since = now
    batch.look_at = batch.look_at - back if batch.look_at else now
    batch.settle_at = batch.settle_at - back if batch.settle_at else None

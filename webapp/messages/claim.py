"""Which batch leaves next, and for whom: one conditional UPDATE decides, over all workers."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.core.db import moment
from webapp.core.settings import Settings
from webapp.gateway.models import Account
from webapp.messages import liveness, outbox
from webapp.messages.models import Batch, Dispatch, Run, WorkerSeen
from webapp.messages.states import BatchState, RunState

LEASE_MARGIN = 5.0  # seconds that a lease lasts beyond the longest call
SOON = timedelta(minutes=1)  # a schedule that near, or past, does not travel
LONGEST_REST = 60.0  # seconds between tries while the gateway is out of reach
RATE_SECONDS = 10.0  # a batch holds at most what the rate lets out in that time


@dataclass(frozen=True, slots=True)
class Claimed:
    """A batch that only we send, until the lease runs out. Times are naive UTC."""

    batch_id: int
    run_id: int
    attempt: int
    first_key: int
    last_key: int
    kind: str
    type: int
    token: str
    text: str
    caption: str
    ignores_window: bool
    deliver_at: datetime | None  # the schedule that travels with this attempt
    deliver_zone: str | None


def something_due(session: Session) -> bool:
    """A cheap look without a lock: is there a batch that could leave now?"""
    now = moment(session)
    if session.scalar(select(Account.id).where(Account.stopped_code.is_not(None))):
        return False
    return session.scalar(_due(now).limit(1)) is not None


def _due(now: datetime):  # type: ignore[no-untyped-def]
    return (
        select(Batch.id)
        .join(Run, Run.id == Batch.run_id)
        .where(Batch.state == BatchState.QUEUED, Batch.not_before <= now)
        .where(Run.state == RunState.RUNNING, Run.not_before <= now)
    )


def batch_size(settings: Settings) -> int:
    """How many messages leave in one call at most: the setting, or what the rate lets out in ten seconds."""
    by_rate = max(int(settings.rate * RATE_SECONDS), 1) if settings.rate else settings.batch_size
    return min(settings.batch_size, by_rate)


def longest_lease(settings: Settings) -> timedelta:
    """How long a batch is one worker's, for one attempt."""
    return timedelta(seconds=settings.gateway_timeout + LEASE_MARGIN)


def longest_wait(settings: Settings) -> timedelta:
    """How far ahead `Dispatch.free_at` can be: a rest, or what the rate asks for after one batch."""
    by_rate = batch_size(settings) / settings.rate if settings.rate else 0.0
    return timedelta(seconds=max(LONGEST_REST, by_rate))


def claim(session: Session, settings: Settings, worker: str | None = None) -> Claimed | None:
    """Take the next due batch: by priority, then run by run in turn. None where nothing may leave now.

    Commit before the call: from then on the batch is nobody else's, and a lease that runs out makes it *unknown*.
    `worker` is who asks; one whose pulse is not fresh gets nothing, for the others count it as dead.
    """
    dispatch = _locked_dispatch(session)
    now = moment(session)
    if session.scalar(select(Account.id).where(Account.stopped_code.is_not(None))):
        return None
    if dispatch.free_at is not None and dispatch.free_at > now:
        return None
    if worker is not None and not liveness.is_alive(session, worker, now):
        return None
    if _leaving(session, now) >= settings.concurrency:
        return None
    found = session.execute(
        _due(now).order_by(Run.priority, Run.served, Batch.not_before, Batch.first_key).limit(1)
    ).scalar_one_or_none()
    if found is None:
        return None
    return _take(session, settings, dispatch, found, worker, now)


def _leaving(session: Session, now: datetime) -> int:
    """Calls under way, over all workers. Those of a worker that was killed ended with it, whatever their lease says."""
    count = (
        select(func.count())
        .select_from(Batch)
        .outerjoin(WorkerSeen, WorkerSeen.id == Batch.worker)
        .where(Batch.state == BatchState.SENDING, Batch.worker.is_(None) | liveness.alive(now))
    )
    return session.scalar(count) or 0


def _take(
    session: Session, settings: Settings, dispatch: Dispatch, batch_id: int, worker: str | None, now: datetime
) -> Claimed | None:
    run = _turn_of(session, dispatch, batch_id)
    if run is None:
        return None
    outbox.cut(session, batch_id, batch_size(settings))  # the settings may have become smaller since the launch
    scheduled = run.deliver_at is not None and run.deliver_at - now > SOON
    lease = now + longest_lease(settings)
    taken = session.execute(
        update(Batch)
        .where(Batch.id == batch_id, Batch.state == BatchState.QUEUED)
        .values(
            state=BatchState.SENDING, lease_until=lease, worker=worker, attempts=Batch.attempts + 1,
            scheduled=scheduled, problem=None,
        )
        .returning(Batch.attempts, Batch.first_key, Batch.last_key, Batch.pending)
    ).one_or_none()  # fmt: skip
    if taken is None:
        return None
    attempt, first_key, last_key, pending = taken
    if settings.rate > 0:
        dispatch.free_at = now + timedelta(seconds=pending / settings.rate)
    return Claimed(
        batch_id, run.id, attempt, first_key, last_key, run.kind, run.type, run.token, run.text, run.caption,
        run.ignores_window, run.deliver_at if scheduled else None, run.deliver_zone,
    )  # fmt: skip


def _turn_of(session: Session, dispatch: Dispatch, batch_id: int) -> Run | None:
    """Give the batch's run its turn; None where a colleague paused or cancelled it in this very moment."""
    run = session.scalars(select(Run).join(Batch, Batch.run_id == Run.id).where(Batch.id == batch_id)).one()
    taken = session.execute(
        update(Run).where(Run.id == run.id, Run.state == RunState.RUNNING).values(served=dispatch.turn + 1)
    )
    if not taken.rowcount:  # type: ignore[attr-defined]
        return None
    dispatch.turn += 1
    return run


def _locked_dispatch(session: Session) -> Dispatch:
    found = session.scalar(select(Dispatch).where(Dispatch.id == 1).with_for_update())
    if found is None:
        found = Dispatch(id=1, turn=0, failures=0)
        session.add(found)
        session.flush()
    return found


def rest(session: Session) -> float:
    """The gateway was out of reach or busy: everybody waits, longer each time. Returns the seconds."""
    dispatch = _locked_dispatch(session)
    dispatch.failures += 1
    seconds = min(2.0 ** min(dispatch.failures, 10), LONGEST_REST) * random.uniform(0.5, 1.0)
    until = moment(session) + timedelta(seconds=seconds)
    dispatch.free_at = max(dispatch.free_at, until) if dispatch.free_at else until  # the rate holds all the same
    return seconds


def reached(session: Session) -> None:
    """The gateway answered: the next rest begins small again."""
    session.execute(update(Dispatch).where(Dispatch.id == 1, Dispatch.failures > 0).values(failures=0))

"""What time alone brings about: lost senders, late campaigns, messages no longer valid, a clock that was set back."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.core.db import moment
from webapp.core.settings import Settings
from webapp.messages import canary, claim, doubt, late, outbox
from webapp.messages.models import Batch, Dispatch, Run
from webapp.messages.states import BatchState, RowState, RunState

CLOCKS_APART = timedelta(minutes=1)  # the clocks of two machines may differ by less
log = structlog.get_logger(__name__)


def sweep(session: Session, settings: Settings) -> None:
    """Every second, by every worker; twice does no harm."""
    now = moment(session)
    mend_after_clock_change(session, settings, now)
    leases_that_ran_out(session, settings, now)
    late.schedules(session, now)
    for run_id in session.scalars(
        select(Run.id).where(Run.state.in_([RunState.RUNNING, RunState.PAUSED]), Run.valid_until < now)
    ).all():
        outbox.close_rows(session, RowState.EXPIRED, "too_late", Batch.run_id == run_id)
    canary.judge_all(session, now)


def leases_that_ran_out(session: Session, settings: Settings, now: datetime) -> int:
    """Batches whose sender died: unknown, never queued, for their messages may have left. Returns how many."""
    lost = session.scalars(
        select(Batch)
        .where(Batch.state == BatchState.SENDING, Batch.lease_until < now)
        .with_for_update(skip_locked=True)
    ).all()
    for batch in lost:
        run = session.get_one(Run, batch.run_id)
        doubt.begin(batch, settings, now, run.deliver_at if batch.scheduled else None)
        batch.problem = "lease"
        log.warning("a sender died; its batch is looked up", batch=batch.id, run=batch.run_id, worker=batch.worker)
    return len(lost)


def mend_after_clock_change(session: Session, settings: Settings, now: datetime) -> None:
    """Times further away than they can be were written before the clock was set back: nothing waits for them."""
    longest = now + claim.longest_lease(settings)
    session.execute(
        update(Batch).where(Batch.state == BatchState.SENDING, Batch.lease_until > longest).values(lease_until=longest)
    )
    for batch in session.scalars(select(Batch).where(Batch.state == BatchState.UNKNOWN, Batch.unknown_since > now)):
        doubt.clock_went_back(batch, now)
    session.execute(update(Dispatch).where(Dispatch.free_at > now + claim.longest_wait(settings)).values(free_at=now))
    going_on = Run.state.in_([RunState.LAUNCHING, RunState.RUNNING, RunState.PAUSED])  # few, of all there ever were
    session.execute(update(Run).where(going_on, Run.canary_done_at > now).values(canary_done_at=now))
    ahead = going_on, Run.created_at > now + CLOCKS_APART, Run.deliver_at.is_(None)
    for run in session.scalars(select(Run).where(*ahead)):
        _launched_later_than_now(session, run, now)


def _launched_later_than_now(session: Session, run: Run, now: datetime) -> None:
    """What was to leave at once was launched before the clock was set back: it does not wait for that moment again."""
    back = run.created_at - now
    session.execute(
        update(Batch)
        .where(Batch.run_id == run.id, Batch.not_before == run.not_before)
        .values(not_before=run.not_before - back)
    )
    run.created_at, run.not_before = now, run.not_before - back

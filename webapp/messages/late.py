"""Campaigns that are late because we were down ask a person: nobody wants yesterday's offer at breakfast."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from webapp.messages.models import Batch, Run
from webapp.messages.states import BatchState, RunState

log = structlog.get_logger(__name__)
LATE = timedelta(minutes=60)


def ask_about(session: Session, now: datetime, which: ColumnElement[bool]) -> list[int]:
    """Pause the running campaigns among `which` that had something due an hour ago and still have; returns their ids.

    A batch whose window opens only later is not late, and replies and tests are answers to somebody: they go.
    """
    overdue = (
        select(Batch.id)
        .where(Batch.run_id == Run.id, Batch.state == BatchState.QUEUED, Batch.not_before < now - LATE)
        .where(Run.not_before < now - LATE)
        .exists()
    )
    paused = list(
        session.scalars(
            update(Run)
            .where(which, Run.kind == "campaign", Run.state == RunState.RUNNING, overdue)
            .values(state=RunState.PAUSED, pause_reason="late")
            .returning(Run.id)
            .execution_options(synchronize_session="fetch")
        )
    )
    for run_id in paused:
        log.warning("a late campaign asks a person", run=run_id)
    return paused


def schedules(session: Session, now: datetime) -> None:
    """Scheduled campaigns of which nothing has left an hour after their time, whatever kept them."""
    ask_about(session, now, (Run.served == 0) & (Run.deliver_at < now - LATE))

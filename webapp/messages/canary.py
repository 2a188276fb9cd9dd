"""The canary: a campaign's first few go ahead, and what becomes of them decides about the rest."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.gateway import codes
from webapp.messages import outbox, queries
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import BatchState, RowState, RunState
from webapp.optouts.models import ASKED, OptOut

log = structlog.get_logger(__name__)
PATIENCE = timedelta(minutes=10)  # for the operators' word
HEARD_ENOUGH = 0.8  # of the accepted
REFUSED, BLOCKED, OPTED_OUT = 0.05, 0.10, 0.02  # shares above which the campaign asks a person


def judge_all(session: Session, now: datetime) -> None:
    """Judge every canary whose messages have left and were given time (`now` is naive UTC)."""
    waiting = select(Batch.run_id).where(Batch.state == BatchState.HELD, Batch.problem == outbox.CANARY).distinct()
    for run in session.scalars(select(Run).where(Run.id.in_(waiting), Run.state == RunState.RUNNING)).all():
        _judge(session, run, now)


def _judge(session: Session, run: Run, now: datetime) -> None:
    leaving = (BatchState.QUEUED, BatchState.SENDING, BatchState.UNKNOWN)
    if session.scalar(select(Batch.id).where(Batch.run_id == run.id, Batch.state.in_(leaving)).limit(1)):
        return
    if run.canary_done_at is None:
        run.canary_done_at = now
    rows = queries.breakdown(session, run.id)
    accepted = [row for row in rows if row.state == RowState.ACCEPTED]
    refused = sum(row.n for row in rows if row.state == RowState.REFUSED)
    known = sum(row.n for row in accepted)
    heard = sum(row.n for row in accepted if codes.rank(row.status or None) >= codes.rank("0"))
    if heard < known * HEARD_ENOUGH and now - run.canary_done_at < PATIENCE:
        return
    sent = max(known + refused, 1)
    blocked = sum(row.n for row in accepted if row.status and codes.status(row.status).look == "blk")
    if refused / sent > REFUSED:
        reason = "canary_refused"
    elif blocked / sent > BLOCKED:
        reason = "canary_blocked"
    elif _opted_out(session, run) / sent > OPTED_OUT:
        reason = "canary_optouts"
    else:
        outbox.release_canary(session, run.id)
        log.info("canary came through", run=run.id, sent=sent, heard=heard)
        return
    outbox.pause(session, run, reason)
    log.warning("canary stopped the campaign", run=run.id, reason=reason, sent=sent, refused=refused, blocked=blocked)


def _opted_out(session: Session, run: Run) -> int:
    """People of the canary who asked to be left alone since the launch."""
    found = session.scalar(
        select(func.count(func.distinct(OptOut.number)))
        .join(Message, Message.number == OptOut.number)
        .where(Message.run_id == run.id, Message.state == RowState.ACCEPTED, OptOut.since >= run.created_at, ASKED)
    )
    return found or 0

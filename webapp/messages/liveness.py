"""Which workers are alive: each says so every two seconds, by the database's clock.

A worker that is silent for a few seconds is dead to the others: its calls no longer hold up theirs. It may only be
slow; so it takes no new batch before its pulse is heard again, and the one in hand stays its own until the lease ends.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, bindparam, delete, func, select, true
from sqlalchemy.orm import Session

from webapp.core.db import moment
from webapp.messages import late
from webapp.messages.models import WorkerSeen

log = structlog.get_logger(__name__)
PULSE_SECONDS = 2.0
SILENT = timedelta(seconds=7)  # after which a worker counts as dead
FORGET = timedelta(days=1)


# The condition on `WorkerSeen`, for statements that are given `around(now)`; a pulse from the future is one from before
# the clock was set back.
ALIVE = and_(WorkerSeen.seen_at > bindparam("alive_after"), WorkerSeen.seen_at < bindparam("alive_before"))
_IS_ALIVE = select(WorkerSeen.id).where(WorkerSeen.id == bindparam("worker"), ALIVE)


def around(now: datetime) -> dict[str, datetime]:
    """The moments between which a pulse is fresh."""
    return {"alive_after": now - SILENT, "alive_before": now + SILENT}


def is_alive(session: Session, worker: str, now: datetime) -> bool:
    """Whether the worker's pulse is fresh."""
    return session.scalar(_IS_ALIVE, {"worker": worker, **around(now)}) is not None


def beat(session: Session, worker: str) -> None:
    """The worker's pulse. The first one after an hour without any (the machine was off, or asleep) asks a person about
    campaigns that are late by now; no batch leaves before it, as no worker was alive."""
    now = moment(session)
    newest = session.scalar(select(func.max(WorkerSeen.seen_at)))
    if newest is not None and now - newest > late.LATE:
        paused = late.ask_about(session, now, true())
        log.warning("nobody was sending for more than an hour", since=newest.isoformat(), asked_about=len(paused))
    seen = session.get(WorkerSeen, worker)
    if seen is None:
        session.add(WorkerSeen(id=worker, started_at=now, seen_at=now))
    else:
        seen.seen_at = now
    session.execute(delete(WorkerSeen).where(WorkerSeen.seen_at < now - FORGET, WorkerSeen.id != worker))

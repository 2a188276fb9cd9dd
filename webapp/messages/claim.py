"""Which batch leaves next, and for whom: one conditional UPDATE decides, over all workers."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from webapp.core.clock import Stopwatch
from webapp.core.db import insert_for, moment
from webapp.core.settings import Settings
from webapp.gateway.client import CONNECTIONS
from webapp.gateway.models import Account
from webapp.messages import liveness, outbox
from webapp.messages.models import Batch, Dispatch, Run, WorkerSeen
from webapp.messages.states import BatchState, RunState

LEASE_MARGIN = 5.0  # seconds that a lease lasts beyond the longest call
SOON = timedelta(minutes=1)  # a schedule that near, or past, does not travel
LONGEST_REST = 60.0  # seconds between tries while the gateway is out of reach
LOOK_AHEAD = 2  # batches made ready while as many calls as are allowed are under way
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
    since: Stopwatch  # its lease began then


# Statements that every batch needs are built once: building them costs as much as all else about them.
_STOPPED = select(Account.id).where(Account.stopped_code.is_not(None))
_DISPATCH = select(Dispatch.turn, Dispatch.free_at).where(Dispatch.id == 1)
_LOCKED = {False: _DISPATCH.with_for_update(), True: _DISPATCH.with_for_update(skip_locked=True)}
_DUE = (
    select(
        Batch.id, Batch.pending, Run.id.label("run"), Run.kind, Run.type, Run.token, Run.text, Run.caption,
        Run.ignores_window, Run.deliver_at, Run.deliver_zone,
    )
    .join(Run, Run.id == Batch.run_id)
    .where(Batch.state == BatchState.QUEUED, Batch.not_before <= bindparam("now"))
    .where(Run.state == RunState.RUNNING, Run.not_before <= bindparam("now"))
    .limit(1)
)  # fmt: skip
_NEXT = _DUE.order_by(Run.priority, Run.served, Batch.not_before, Batch.first_key)
_LEAVING = (
    select(func.count(), func.count().filter(Batch.worker == bindparam("me")))
    .select_from(Batch)
    .outerjoin(WorkerSeen, WorkerSeen.id == Batch.worker)
    .where(Batch.state == BatchState.SENDING, Batch.worker.is_(None) | liveness.ALIVE)
)
_OTHERS = select(WorkerSeen.id).where(WorkerSeen.id != bindparam("me"), liveness.ALIVE).limit(1)
_STILL_RUNS = select(Run.id).where(Run.id == bindparam("run"), Run.state == RunState.RUNNING)
_GIVE_TURN = (
    update(Run.__table__)  # type: ignore[arg-type]
    .where(Run.__table__.c.id == bindparam("run"), Run.__table__.c.state == RunState.RUNNING)
    .values(served=bindparam("turn"))
)
_TAKE = (
    update(Batch)
    .where(Batch.id == bindparam("batch"), Batch.state == BatchState.QUEUED)
    .values(
        state=BatchState.SENDING, lease_until=bindparam("lease"), worker=bindparam("by"), attempts=Batch.attempts + 1,
        scheduled=bindparam("with_schedule"), problem=None,
    )
    .returning(Batch.attempts, Batch.first_key, Batch.last_key, Batch.pending)
    .execution_options(synchronize_session=False)
)  # fmt: skip
_NOTE_TURN = (
    update(Dispatch.__table__)  # type: ignore[arg-type]
    .where(Dispatch.__table__.c.id == 1)
    .values(turn=bindparam("next_turn"), free_at=bindparam("next_at"))
)
_REACHED = (
    update(Dispatch.__table__)  # type: ignore[arg-type]
    .where(Dispatch.__table__.c.id == 1, Dispatch.__table__.c.failures > 0)
    .values(failures=0)
)


def something_due(session: Session) -> bool:
    """A cheap look without a lock: is there a batch that could leave now?"""
    if session.scalar(_STOPPED):
        return False
    return session.execute(_DUE, {"now": moment(session)}).first() is not None


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


def claim(
    session: Session, settings: Settings, worker: str | None = None, *, in_passing: bool = False
) -> Claimed | None:
    """Take the next due batch: by priority, then run by run in turn. None where nothing may leave now.

    Commit before the call: from then on the batch is nobody else's, and a lease that runs out makes it *unknown*.
    `worker` is who asks; one whose pulse is not fresh gets nothing, for the others count it as dead. `in_passing`: at
    the end of a transaction that holds other locks, so nobody is waited for (two who did would wait for each other).
    """
    found = session.execute(_LOCKED[in_passing]).one_or_none()
    if found is None and in_passing:
        return None
    turn, free_at = found or _first_turn(session)
    now, since = moment(session), Stopwatch()
    if session.scalar(_STOPPED) or (free_at is not None and free_at > now):
        return None
    if worker is not None and not liveness.is_alive(session, worker, now):
        return None
    if not _has_room(session, settings, worker, now):
        return None
    due = session.execute(_NEXT, {"now": now}).one_or_none()
    if due is None:
        return None
    if not session.execute(_GIVE_TURN, {"run": due.run, "turn": turn + 1}).rowcount:  # type: ignore[attr-defined]
        return None  # a colleague paused or cancelled it in this very moment
    claimed = _take(session, settings, due, worker, now, since)
    if claimed is None:
        return None
    taken, pending = claimed
    if settings.rate > 0:
        free_at = now + timedelta(seconds=pending / settings.rate)
    session.execute(_NOTE_TURN, {"next_turn": turn + 1, "next_at": free_at})
    return taken


def _has_room(session: Session, settings: Settings, worker: str | None, now: datetime) -> bool:
    """Whether one more call may be made ready. Calls of a worker that was killed ended with it, whatever their lease
    says. A worker that is alone gets a few batches ahead: how many calls are under way it sees to itself."""
    me = {"me": worker or "", **liveness.around(now)}
    leaving, mine = session.execute(_LEAVING, me).one()
    most = lines(settings)
    if leaving < most:
        return True
    ahead = look_ahead(settings) if worker and mine == leaving else 0
    return leaving < most + ahead and session.scalar(_OTHERS, me) is None


def lines(settings: Settings) -> int:
    """How many sends may be under way at once: of the vendor's connections two are left for look-ups and polls."""
    return min(settings.concurrency, CONNECTIONS - 2)


def look_ahead(settings: Settings) -> int:
    """Batches that a worker may have ready beside those that are leaving. With a rate each leaves as it is claimed."""
    return 0 if settings.rate else LOOK_AHEAD


def still_goes(session: Session, claimed: Claimed) -> bool:
    """Whether a batch that was made ready a while ago may leave: nobody paused its run, nothing rests or is stopped."""
    free_at = session.execute(_DISPATCH).one().free_at
    if session.scalar(_STOPPED) or (free_at is not None and free_at > moment(session)):
        return False
    return session.scalar(_STILL_RUNS, {"run": claimed.run_id}) is not None


def _take(
    session: Session, settings: Settings, due: Any, worker: str | None, now: datetime, since: Stopwatch
) -> tuple[Claimed, int] | None:
    """Make the batch of a row of `_DUE` this attempt's; how many messages it has with it."""
    if due.pending > batch_size(settings):  # the settings have become smaller since the launch
        outbox.cut(session, due.id, batch_size(settings))
    scheduled = due.deliver_at is not None and due.deliver_at - now > SOON
    lease = now + longest_lease(settings)
    taken = session.execute(
        _TAKE, {"batch": due.id, "lease": lease, "by": worker, "with_schedule": scheduled}
    ).one_or_none()
    if taken is None:
        return None
    attempt, first_key, last_key, pending = taken
    claimed = Claimed(
        due.id, due.run, attempt, first_key, last_key, due.kind, due.type, due.token, due.text,
        due.caption, due.ignores_window, due.deliver_at if scheduled else None, due.deliver_zone, since,
    )  # fmt: skip
    return claimed, pending


def _first_turn(session: Session) -> tuple[int, datetime | None]:
    """What the one row of `Dispatch` says where it had to be made."""
    made = _locked_dispatch(session)
    return made.turn, made.free_at


def _locked_dispatch(session: Session) -> Dispatch:
    query = select(Dispatch).where(Dispatch.id == 1).with_for_update()
    found = session.scalar(query)
    if found is None:  # somebody else may be making it at this moment
        session.execute(insert_for(session, Dispatch).values(id=1, turn=0, failures=0).on_conflict_do_nothing())
        found = session.scalars(query).one()
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
    session.execute(_REACHED)

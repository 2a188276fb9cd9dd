"""Batches of unknown outcome: the gateway is asked by our own references before anything of them is sent again.

"Never heard of it" counts only after the outcome had time to settle, twice, and only from answers that also return a
control: a message that we know was accepted. A look-up that cannot show what we know proves nothing about the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from webapp.core.db import Database, moment
from webapp.core.settings import Settings
from webapp.gateway.client import Gateway
from webapp.gateway.codes import LOOKUP_DAYS
from webapp.gateway.errors import GatewayError
from webapp.gateway.wire import Receipt
from webapp.messages import canary, outbox, receipts
from webapp.messages.counters import Changes, Place
from webapp.messages.models import Batch, Message, Run
from webapp.messages.reference import encode
from webapp.messages.states import BatchState, RowState, RunState

log = structlog.get_logger(__name__)
LOOKS = 2  # look-ups that must agree before a message counts as never sent
CHUNK = 99  # references in one call, beside the control
PERSON_AFTER = timedelta(days=1)  # an outcome unknown that long is a person's to decide
LATE = timedelta(minutes=60)  # a campaign later than that asks a person instead of going out
CONTROL_LOST = "control"
LOOKUP_FAILED = "lookup"
NEEDS_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Asked:
    """One look at a batch: its open references, and the control that must come back with them."""

    batch_id: int
    attempt: int
    references: tuple[str, ...]
    control: str | None
    control_number: int | None


def gap(settings: Settings) -> timedelta:
    """Between two looks at a batch."""
    return timedelta(seconds=min(max(settings.settle_seconds / 4, 0.5), 120))


def look_at_next(db: Database, settings: Settings, gateway: Gateway) -> bool:
    """Ask about one unknown batch that is due, and draw the conclusions. False where none is due."""
    asked = db.retrying(lambda session: take(session, settings))
    if asked is None:
        return False
    found: list[Receipt] = []
    proven = True
    try:
        for start in range(0, len(asked.references), CHUNK):
            chunk = asked.references[start : start + CHUNK]
            controls = [asked.control] if asked.control else []
            answer = gateway.look_up(references=[*chunk, *controls]).rows
            found += answer
            proven = proven and _shows_control(answer, asked)
    except GatewayError as error:
        log.warning("look-up failed", batch=asked.batch_id, error=type(error).__name__, code=error.code)
        db.retrying(lambda session: _conclude(session, asked, found, LOOKUP_FAILED))
        return True
    problem = None if proven else CONTROL_LOST
    if problem:
        log.error("look-up does not show a message known to be accepted; nothing is resent", batch=asked.batch_id)
    db.retrying(lambda session: _conclude(session, asked, found, problem))
    return True


def take(session: Session, settings: Settings) -> Asked | None:
    """Choose a batch whose time to be asked about has come; the next look is a gap away, whoever makes it."""
    now = moment(session)
    batch = session.scalar(
        select(Batch)
        .where(Batch.state == BatchState.UNKNOWN, Batch.settle_at <= now)
        .order_by(Batch.settle_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if batch is None:
        return None
    age = now - (batch.unknown_since or now)
    batch.settle_at = now + max(gap(settings), age / 20)
    run = session.get_one(Run, batch.run_id)
    keys = _pending(session, batch)
    control = _control(session, settings, batch, now)
    return Asked(
        batch.id, batch.attempts, tuple(encode(run.token, key) for key in keys),
        encode(control[1], control[0]) if control else None, control[2] if control else None,
    )  # fmt: skip


def _pending(session: Session, batch: Batch) -> Sequence[int]:
    return session.scalars(
        select(Message.id)
        .where(Message.id.between(batch.first_key, batch.last_key), Message.run_id == batch.run_id)
        .where(Message.state == RowState.PENDING)
        .order_by(Message.id)
    ).all()


def _control(session: Session, settings: Settings, batch: Batch, now: datetime) -> tuple[int, str, int] | None:
    """(key, token, number) of a message that the gateway must know: accepted, not waiting for a schedule, and not so
    fresh that a slow look-up may lack it. Best one accepted after the unknown call; else the last one before it."""
    settled = now - timedelta(seconds=settings.settle_seconds)
    oldest = now - timedelta(days=LOOKUP_DAYS - 1)
    known = (
        select(Message.id, Run.token, Message.number)
        .join(Run, Run.id == Message.run_id)
        .where(Message.state == RowState.ACCEPTED, Message.at > oldest, Message.at <= settled)
        .where(Run.deliver_at.is_(None) | (Run.deliver_at < settled))
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(1)
    )
    found = session.execute(known).one_or_none()
    return (found[0], found[1], found[2]) if found else None


def _shows_control(rows: Sequence[Receipt], asked: Asked) -> bool:
    if asked.control is None:
        return True
    return any(row.reference.lower() == asked.control and row.number in (None, asked.control_number) for row in rows)


def _conclude(session: Session, asked: Asked, found: Sequence[Receipt], problem: str | None) -> None:
    receipts.apply(session, found, "mt_id")
    batch = session.scalar(select(Batch).where(Batch.id == asked.batch_id).with_for_update())
    if batch is None or batch.state != BatchState.UNKNOWN or batch.attempts != asked.attempt:
        return
    batch.problem = problem or (None if batch.problem in {CONTROL_LOST, LOOKUP_FAILED} else batch.problem)
    if batch.pending == 0:
        batch.state = BatchState.DONE
    elif _is_old(batch, moment(session)):
        batch.problem = NEEDS_PERSON
    elif problem is None:
        batch.looks += 1
        if batch.looks >= LOOKS:
            _never_sent(session, batch)
    session.flush()
    outbox.finish_if_done(session, batch.run_id)


def _is_old(batch: Batch, now: datetime) -> bool:
    return batch.unknown_since is not None and now - batch.unknown_since > PERSON_AFTER


def _never_sent(session: Session, batch: Batch) -> None:
    """The gateway never heard of what is still pending: refused where it had said so, else due again."""
    changes, run = Changes(), session.get_one(Run, batch.run_id)
    refused = session.scalars(
        select(Message)
        .where(Message.id.between(batch.first_key, batch.last_key), Message.run_id == batch.run_id)
        .where(Message.state == RowState.PENDING, Message.reason.is_not(None))
    ).all()
    for row in refused:
        before = Place(row.run_id, row.state, None, None, None, row.type, row.at, None)
        row.state = RowState.REFUSED
        changes.move(before, before._replace(state=RowState.REFUSED, reason=row.reason))
    batch.pending -= len(refused)
    changes.write(session)
    batch.state = BatchState.QUEUED if batch.pending else BatchState.DONE
    batch.looks, batch.settle_at, batch.unknown_since = 0, None, None
    session.flush()
    if run.state == RunState.CANCELLED and batch.pending:
        outbox.close_rows(session, RowState.CANCELLED, None, Batch.id == batch.id)
    log.info("batch was never sent", batch=batch.id, run=batch.run_id, due_again=batch.pending, refused=len(refused))


def decide(session: Session, batch: Batch, *, again: bool) -> int:
    """A person's word on a batch that stayed unknown (or is held): send what is pending again, or leave it be.

    Returns how many messages it concerns.
    """
    pending = batch.pending
    batch.state, batch.problem, batch.settle_at = BatchState.QUEUED, None, None
    session.flush()
    if not again:
        outbox.close_rows(session, RowState.EXPIRED, "declined", Batch.id == batch.id)
    return pending


def leases_that_ran_out(session: Session, settings: Settings) -> int:
    """Batches whose sender died: unknown, never queued, for their messages may have left."""
    now = moment(session)
    lost = session.scalars(
        select(Batch)
        .where(Batch.state == BatchState.SENDING, Batch.lease_until < now)
        .with_for_update(skip_locked=True)
    ).all()
    for batch in lost:
        run = session.get_one(Run, batch.run_id)
        begins = max(now, run.deliver_at) if batch.scheduled and run.deliver_at else now
        batch.state, batch.looks, batch.problem, batch.unknown_since = BatchState.UNKNOWN, 0, "lease", now
        batch.settle_at = begins + timedelta(seconds=settings.settle_seconds)
        log.warning("a sender died; its batch will be looked up", batch=batch.id, run=batch.run_id)
    return len(lost)


def _due_before(moment: datetime) -> ColumnElement[bool]:
    """Whether a batch of the run was due then already: one whose window opens only later is not late."""
    return (
        select(Batch.id)
        .where(Batch.run_id == Run.id, Batch.state == BatchState.QUEUED, Batch.not_before < moment)
        .exists()
    )


def sweep(session: Session, settings: Settings) -> None:
    """What time alone brings about: lost senders, late campaigns, messages no longer valid, runs that are over."""
    leases_that_ran_out(session, settings)
    now = moment(session)
    session.execute(
        update(Run)
        .where(Run.state == RunState.RUNNING, Run.served == 0, Run.deliver_at < now - LATE)
        .where(_due_before(now - LATE))
        .values(state=RunState.PAUSED, pause_reason="late")
    )
    for run_id in session.scalars(
        select(Run.id).where(Run.state.in_([RunState.RUNNING, RunState.PAUSED]), Run.valid_until < now)
    ).all():
        outbox.close_rows(session, RowState.EXPIRED, "too_late", Batch.run_id == run_id)
    canary.judge_all(session, now)

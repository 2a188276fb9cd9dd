"""Batches of unknown outcome: the gateway is asked by our own references before anything of them is sent again.

"Never heard of it" counts only after the outcome had time to settle, twice, and only from answers that also return a
control: a message that we know was accepted. A look-up that cannot show what we know proves nothing about the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.db import Database, moment
from webapp.core.settings import Settings
from webapp.gateway.client import Gateway
from webapp.gateway.codes import LOOKUP_DAYS
from webapp.gateway.errors import GatewayError
from webapp.gateway.wire import Receipt
from webapp.messages import doubt, outbox, receipts
from webapp.messages.counters import Changes, Place
from webapp.messages.models import Batch, Message, Run
from webapp.messages.reference import encode
from webapp.messages.states import BatchState, RowState, RunState

log = structlog.get_logger(__name__)
LOOKS = 2  # look-ups that must agree before a message counts as never sent
CHUNK = 99  # references in one call, beside the control
CONTROL_LOST = "control"
LOOKUP_FAILED = "lookup"
NEEDS_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Asked:
    """One look at a batch: its open references, and whether "never heard of it" counts this time."""

    batch_id: int
    attempt: int
    references: tuple[str, ...]
    counts: bool


@dataclass(frozen=True, slots=True)
class Control:
    """A message that the gateway must know; a look-up that lacks it proves nothing about the others."""

    reference: str
    number: int


def look_at_next(db: Database, settings: Settings, gateway: Gateway) -> bool:
    """Ask about one unknown batch that is due, and draw the conclusions. False where none is due."""
    asked = db.retrying(lambda session: take(session, settings))
    if asked is None:
        return False
    with db.reading() as session:
        control = _control(session, settings)
    found: list[Receipt] = []
    proven = True
    try:
        for start in range(0, len(asked.references), CHUNK):
            references = [*asked.references[start : start + CHUNK], *([control.reference] if control else [])]
            answer = gateway.look_up(references=references).rows
            found += answer
            proven = proven and (control is None or _shows(answer, control)) and not _cuts(answer, references)
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
        .where(Batch.state == BatchState.UNKNOWN, Batch.look_at <= now)
        .order_by(Batch.look_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if batch is None:
        return None
    counts = doubt.look(batch, settings, now)
    run = session.get_one(Run, batch.run_id)
    references = tuple(encode(run.token, key) for key in _pending(session, batch))
    return Asked(batch.id, batch.attempts, references, counts)


def _pending(session: Session, batch: Batch) -> Sequence[int]:
    return session.scalars(
        select(Message.id)
        .where(Message.id.between(batch.first_key, batch.last_key), Message.run_id == batch.run_id)
        .where(Message.state == RowState.PENDING)
        .order_by(Message.id)
    ).all()


def _control(session: Session, settings: Settings) -> Control | None:
    """The newest message that is accepted, not waiting for a schedule, and not so fresh that a look-up may lack it.
    None where there is none yet: the first messages of an installation have nothing to be compared with."""
    now = moment(session)
    settled = now - timedelta(seconds=settings.settle_seconds)
    known = (
        select(Message.id, Run.token, Message.number)
        .join(Run, Run.id == Message.run_id)
        .where(Message.state == RowState.ACCEPTED, Message.at <= settled, Message.number > 0)
        .where(Message.at > now - timedelta(days=LOOKUP_DAYS - 1))
        .where(Run.deliver_at.is_(None) | (Run.deliver_at < settled))
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(1)
    )
    found = session.execute(known).one_or_none()
    return Control(encode(found[1], found[0]), found[2]) if found else None


def _shows(rows: Sequence[Receipt], control: Control) -> bool:
    return any(row.reference.lower() == control.reference and row.number in (None, control.number) for row in rows)


def _cuts(rows: Sequence[Receipt], references: Sequence[str]) -> bool:
    """Whether the gateway answers with the beginning of one of the references, and that is none itself: it keeps less
    than we gave it, and its "never heard of it" says nothing."""
    parts = {row.reference.lower() for row in rows if row.reference} - set(references)
    return any(reference.startswith(part) for part in parts for reference in references)


def _conclude(session: Session, asked: Asked, found: Sequence[Receipt], problem: str | None) -> None:
    receipts.apply(session, found, "mt_id")
    batch = session.scalar(select(Batch).where(Batch.id == asked.batch_id).with_for_update())
    if batch is None or batch.state != BatchState.UNKNOWN or batch.attempts != asked.attempt:
        return
    batch.problem = problem or (None if batch.problem in {CONTROL_LOST, LOOKUP_FAILED} else batch.problem)
    if batch.pending == 0:
        doubt.end(batch, BatchState.DONE)
    elif doubt.is_old(batch, moment(session)):
        batch.problem = NEEDS_PERSON
    elif problem is None and asked.counts:
        batch.looks += 1
        if batch.looks >= LOOKS:
            _never_sent(session, batch)
    session.flush()
    outbox.finish_if_done(session, batch.run_id)


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
    doubt.end(batch, BatchState.QUEUED if batch.pending else BatchState.DONE)
    session.flush()
    if run.state == RunState.CANCELLED and batch.pending:
        outbox.close_rows(session, RowState.CANCELLED, None, Batch.id == batch.id)
    log.info("batch was never sent", batch=batch.id, run=batch.run_id, due_again=batch.pending, refused=len(refused))


def decide(session: Session, batch: Batch, *, again: bool) -> int:
    """A person's word on a batch that stayed unknown (or is held): send what is pending again, or leave it be.

    Returns how many messages it concerns.
    """
    pending = batch.pending
    doubt.end(batch, BatchState.QUEUED)
    batch.problem = None
    session.flush()
    if not again:
        outbox.close_rows(session, RowState.EXPIRED, "declined", Batch.id == batch.id)
    return pending

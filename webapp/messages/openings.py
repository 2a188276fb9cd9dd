"""Asking about what is still open: by windows where much of an hour is, by our references where little is."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.gateway import codes
from webapp.messages.ages import AHEAD, Step, Task
from webapp.messages.asker import Asker
from webapp.messages.hours import OTHER_KIND
from webapp.messages.models import Message, Run
from webapp.messages.reference import encode
from webapp.messages.states import RowState


def ask(asker: Asker, task: Task, reached: Callable[[datetime], None]) -> None:
    """Ask about a task's steps; `reached` is told how far it has come. Raises LeaveOff, GatewayError."""
    for step in task.steps():
        if step.by_reference:
            _by_reference(asker, task, step)
        else:
            _by_windows(asker, task, step, reached)
        reached(step.end)


def _by_windows(asker: Asker, task: Task, step: Step, reached: Callable[[datetime], None]) -> None:
    """A little more than the step: clocks differ, and what is scheduled has the gateway's date of its time."""
    scheduled = timedelta(minutes=asker.services.settings.handover_minutes)
    end = min(step.end + AHEAD + scheduled, clock.now() + AHEAD)
    for window in asker.windows(task.type, step.start - AHEAD, max(end, step.end)):
        asker.take(window.rows or (), "mt_date")
        reached(min(window.end, step.end))


def _by_reference(asker: Asker, task: Task, step: Step) -> None:
    references, ids = list[str](), list[str]()
    for start, end in step.hours:
        asker.gate()
        with asker.services.db.reading() as session:  # a short one each: an hour may have a hundred thousand rows
            ours, theirs = _open(session, task.type, start, end)
        references += ours
        ids += theirs
    for rows in asker.references(references):
        asker.take(rows, "mt_id")
    for rows in asker.references((), ids):
        asker.take(rows, "mt_date")  # of other systems: they are known by the gateway's id


def _open(session: Session, type: int, start: datetime, end: datetime) -> tuple[list[str], list[str]]:
    """Our references, and the gateway's ids of what other systems sent, without a last word."""
    kind = None if type == OTHER_KIND else type
    rows = session.execute(
        select(Message.id, Run.token, Message.gateway_id, Message.status, Message.carrier)
        .outerjoin(Run, Run.id == Message.run_id)
        .where(Message.at >= start, Message.at < end, Message.state == RowState.ACCEPTED)
        .where(Message.type.is_(None) if kind is None else Message.type == kind)
        .where(Message.status.is_(None) | Message.status.not_in(codes.FINAL))
        .order_by(Message.at, Message.id)
    ).all()
    waiting = [row for row in rows if not codes.is_final(row.status, row.carrier, 0 if kind is None else kind)]
    references = [encode(row.token, row.id) for row in waiting if row.token]
    return references, [row.gateway_id for row in waiting if not row.token and row.gateway_id]

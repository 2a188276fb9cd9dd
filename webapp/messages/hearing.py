"""Whether callbacks come in: each message that the gateway takes is told about soon, at least with the operator's word.

So callbacks are silent where a message was accepted a while ago and none at all came since. What polls bring does not
change that, a single callback does.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.settings import Settings
from webapp.messages.models import Message, Receipt, Run
from webapp.messages.states import RowState

LOOKED_AT = 20_000  # newest receipts, or messages since the last callback: more need not be looked at
PATIENCE_POLLS, LEAST, MOST = 5, timedelta(seconds=10), timedelta(minutes=5)


def patience(settings: Settings) -> timedelta:
    """How long after it was accepted a message may wait for its first callback."""
    return min(max(timedelta(seconds=settings.poll_seconds * PATIENCE_POLLS), LEAST), MOST)


def last_callback(session: Session) -> datetime | None:
    """When a status was last told by callback; None where it was never, or not among the latest 20,000 receipts."""
    newest = session.scalar(select(func.max(Receipt.id))) or 0
    return session.scalar(
        select(Receipt.heard_at)
        .where(Receipt.id > newest - LOOKED_AT, Receipt.source == "callback")
        .order_by(Receipt.id.desc())
        .limit(1)
    )


def comes_in(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether callbacks come in, as far as anything was to be told since the last one."""
    heard = last_callback(session)
    if heard is None:
        return False
    before = now - patience(settings)
    since = (
        select(Message.id, Message.state, Message.run_id)
        .where(Message.at > heard, Message.at < before)
        .order_by(Message.at)
        .limit(LOOKED_AT)
        .subquery()
    )
    waiting = (
        select(since.c.id)
        .join(Run, Run.id == since.c.run_id)
        .where(since.c.state == RowState.ACCEPTED, Run.deliver_at.is_(None) | (Run.deliver_at < before))
        .limit(1)
    )
    return session.scalar(waiting) is None

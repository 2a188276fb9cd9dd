"""Questions about whole periods as rows: the audits that come by themselves, and what a person wants to know now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from webapp.core import clock
from webapp.core.settings import Settings
from webapp.messages.ages import AHEAD, OLDEST
from webapp.messages.hours import UNHEARD
from webapp.messages.models import Inquiry, Message, Receipt

AUDIT, HAND = "audit", "hand"
AUDIT_POLLS, AUDIT_MOST = 30, timedelta(minutes=30)  # from one audit to the next
LAG_POLLS, LAG_LEAST, LAG_MOST = 15, timedelta(seconds=30), timedelta(minutes=15)  # how old a message is by then
REACH = timedelta(minutes=5)  # of one audit into the period of the one before
FIRST = timedelta(days=1)  # the first audit of all looks so far back
JUDGED_AFTER = timedelta(minutes=2)  # a callback that is on its way when the gateway is asked has come by then
KEPT = timedelta(days=40)
ASKED = ("mt_date", "mt_id")
NO_ACCOUNT = "no account"  # `problem` of what could not be asked for want of one


def is_waiting(session: Session) -> bool:
    """Whether a person wants to know something that is not answered yet."""
    return session.scalar(select(Inquiry.id).where(Inquiry.hand == 1)) is not None


def waiting(session: Session) -> Inquiry | None:
    """The question by hand that is not over."""
    return session.scalar(select(Inquiry).where(Inquiry.hand == 1))


def last(session: Session, kind: str, *, judged: bool = False) -> Inquiry | None:
    """The newest inquiry of a kind; `judged`: of which it is known what callbacks had missed."""
    query = select(Inquiry).where(Inquiry.kind == kind).order_by(Inquiry.id.desc()).limit(1)
    return session.scalar(query.where(Inquiry.judged_at.is_not(None)) if judged else query)


def latest(session: Session, kind: str, most: int) -> Sequence[Inquiry]:
    """The newest inquiries of a kind that are over, the latest first."""
    query = select(Inquiry).where(Inquiry.kind == kind, Inquiry.ended_at.is_not(None))
    return session.scalars(query.order_by(Inquiry.id.desc()).limit(most)).all()


def by_hand(
    session: Session, since: datetime, until: datetime, person: int | None, now: datetime
) -> tuple[Inquiry, bool]:
    """Note that a person wants a period (naive UTC) asked about; False beside it where another one is not over yet.

    What lies further back than the gateway remembers, or ahead, is not asked.
    """
    before = waiting(session)
    if before is not None:
        return before, False
    since, until = max(since, now - OLDEST), min(until, now + AHEAD)
    made = Inquiry(kind=HAND, hand=1, since=min(since, until), until=until, wanted_at=now, wanted_by=person)
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # a colleague pressed at the same moment
        found = waiting(session)
        return (found, False) if found is not None else (made, False)
    return made, True


def audit(session: Session, settings: Settings, now: datetime) -> Inquiry | None:
    """The audit that goes on or is due, from where the last one ended."""
    before = last(session, AUDIT)
    if before is not None and before.ended_at is None:
        return before
    poll = timedelta(seconds=settings.poll_seconds)
    interval = max(poll, min(poll * AUDIT_POLLS, AUDIT_MOST))
    if before is not None and now - interval < before.wanted_at <= now:
        return None
    until = now - min(max(poll * LAG_POLLS, LAG_LEAST), LAG_MOST)
    since = max(before.until - REACH, now - OLDEST) if before is not None else until - FIRST
    if since >= until:
        return None
    made = Inquiry(kind=AUDIT, since=since, until=until, wanted_at=now)
    session.add(made)
    session.flush()
    return made


def end(inquiry: Inquiry, now: datetime, problem: str | None = None) -> None:
    """It is over: to its end, or with a problem that asking again does not mend."""
    inquiry.ended_at, inquiry.hand, inquiry.problem = now, None, problem


def judge(session: Session, now: datetime) -> None:
    """Tell of audits that ended a while ago what callbacks had missed; drop what is long past."""
    waits = select(Inquiry).where(
        Inquiry.ended_at.is_not(None), Inquiry.judged_at.is_(None), Inquiry.ended_at < now - JUDGED_AFTER
    )
    for one in session.scalars(waits).all():
        one.missed, one.judged_at = missed_in(session, one, one.ended_at or now), now
    session.execute(delete(Inquiry).where(Inquiry.wanted_at < now - KEPT, Inquiry.hand.is_(None)))


def _first_told(one: Inquiry, until: datetime) -> tuple[type[Receipt], list[object]]:
    """Receipts that an inquiry brought by a moment, of what nobody had told before and no callback has told since.

    That a message is being prepared is never told by callback, so nobody missed it.
    """
    told, other = Receipt, aliased(Receipt)
    twin = exists().where(
        other.message_id == told.message_id,
        other.status == told.status,
        (other.source == "callback") | (other.id < told.id),
    )
    return told, [
        told.heard_at >= one.wanted_at, told.heard_at <= until, told.source.in_(ASKED),
        told.status.is_not(None), told.status.not_in(UNHEARD), told.message_id == Message.id,
        Message.at >= one.since - AHEAD, Message.at < one.until + AHEAD, ~twin,
    ]  # fmt: skip


def missed_in(session: Session, one: Inquiry, until: datetime) -> int:
    """How many statuses an inquiry brought by a moment (naive UTC) that no callback told, before or since."""
    told, conditions = _first_told(one, until)
    return session.scalar(select(func.count(told.id)).where(*conditions)) or 0  # type: ignore[arg-type]


def mended(session: Session, inquiry: Inquiry, most: int) -> Sequence[Receipt]:
    """What an inquiry mended: the receipts that told it, the latest first."""
    told, conditions = _first_told(inquiry, inquiry.ended_at or clock.now())
    return session.scalars(select(told).where(*conditions).order_by(told.id.desc()).limit(most)).all()  # type: ignore[arg-type]

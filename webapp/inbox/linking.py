"""Who wrote, and which message of ours it answers."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts.models import Contact
from webapp.core import phone
from webapp.gateway import wire
from webapp.gateway.codes import LOOKUP_DAYS
from webapp.messages.models import Message, Run
from webapp.messages.reference import decode
from webapp.messages.states import RowState

LARGEST_NUMBER = 10**18  # of digits that are no telephone number and still name a sender


def sender(session: Session, heard: wire.Inbound) -> int | None:
    """The person's number: as stated, else that of the message answered, else the digits as they came.

    None where nobody can be named: such a reply is kept raw and shown.
    """
    if heard.number is not None:
        return phone.canonical(heard.number)
    digits = "".join(sign for sign in heard.number_raw if sign in "0123456789").lstrip("0")
    if digits and int(digits[:20]) < LARGEST_NUMBER:
        return int(digits)
    message = by_reference(session, heard.reference)
    return message.number if message else None


def by_reference(session: Session, reference: str) -> Message | None:
    """Our message of that reference; a reference of another installation (or a wrong one) names none."""
    decoded = decode(reference)
    if decoded is None:
        return None
    token, key = decoded
    message = session.get(Message, key)
    if message is None or message.run_id is None:
        return None
    return message if session.get_one(Run, message.run_id).token == token else None


def answered(session: Session, heard: wire.Inbound, number: int, received: datetime) -> Message | None:
    """The message a reply answers: the one it names, else the last that this person was sent within 32 days."""
    named = by_reference(session, heard.reference)
    if named is not None and named.number == number:
        return named
    sent = select(Message).where(
        Message.number == number,
        Message.state.in_([RowState.ACCEPTED, RowState.PENDING]),
        Message.at >= received - timedelta(days=LOOKUP_DAYS),
        Message.at <= received,
    )
    # What the gateway took comes before what may still be ours; keys grow with time.
    recent = session.scalars(sent.order_by(Message.id.desc()).limit(20)).all()
    return next((m for m in recent if m.state == RowState.ACCEPTED), recent[0] if recent else None)


def name_of(session: Session, number: int) -> str:
    """What the lists call a person, the latest first; "" where no list has a name."""
    named = select(Contact.name).where(Contact.number == number, Contact.name != "")
    return session.scalar(named.order_by(Contact.updated_at.desc()).limit(1)) or ""

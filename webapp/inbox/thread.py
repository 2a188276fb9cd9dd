"""One conversation as it is read: their replies, our messages as they arrived, notes, and what was done, by time."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.contacts.models import Contact, ContactList
from webapp.gateway.codes import Dialect, ServiceType, response, status
from webapp.inbox.models import Conversation, ConversationEvent, Inbound, Note
from webapp.messages import queries as messages
from webapp.messages.models import Message, Run
from webapp.messages.states import REASONS, ROW_LOOKS, RowState
from webapp.optouts.models import OptOut, OptOutEvent

SIZE, MOST = 40, 400  # things shown at first, and at the most
WATCHED = 20  # messages whose changes a live thread notices
# The short names of the tables of codes, as the style sheet calls them.
LOOKS = {"wait": "waiting", "op": "operator", "ok": "delivered", "bad": "failed", "blk": "blocked", "sch": "scheduled"}
NEVER_LEFT = (RowState.SUPPRESSED, RowState.CANCELLED, RowState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Badge:
    """How a message stands: msgids of its words and of what to do, look and icon."""

    label: str
    advice: str
    look: str
    icon: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a thread. `kind`: in, out, note, event, optout; `change` says which of the last two."""

    kind: str
    at: datetime
    id: str
    text: str = ""
    who: str = ""
    whom: str = ""
    change: str = ""
    campaign: str = ""
    caption: str = ""
    service: ServiceType | None = None
    badge: Badge | None = None
    opted_out: bool = False
    suspect: bool = False
    answers: str = ""  # the campaign that a reply answers


@dataclass(frozen=True, slots=True)
class Thread:
    """The latest things of a conversation, the oldest first; `more` says whether there are older ones."""

    items: list[Item]
    more: bool


@dataclass(frozen=True, slots=True)
class InList:
    """A person as one list has them: its name, the values of its fields by label."""

    name: str
    id: int
    values: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a person beside the thread."""

    lists: list[InList]
    optouts: list[OptOut]
    received: int
    replies: int
    since: datetime | None
    carrier: str | None = None


def token(session: Session, conversation: Conversation) -> str:
    """Changes whenever the thread would look different; cheap enough to be asked every two seconds."""
    newest = select(Message).where(Message.number == conversation.number).order_by(Message.id.desc()).limit(WATCHED)
    stand = [
        (row.id, messages.seen_state(session, row) if row.state == RowState.PENDING else row.state, row.status)
        for row in session.scalars(newest)
    ]
    out = session.scalar(select(func.max(OptOutEvent.id)).where(OptOutEvent.number == conversation.number))
    return f"{zlib.crc32(repr((conversation.version, stand, out)).encode()):x}"


def thread(session: Session, conversation: Conversation, dialect: Dialect, size: int = SIZE) -> Thread:
    """The latest `size` things of a conversation."""
    size = max(1, min(size, MOST))
    number = conversation.number
    people = {row.id: row.name for row in session.execute(select(Person.id, Person.name))}
    items = [
        *_replies(session, number, size + 1),
        *_messages(session, number, dialect, people, size + 1),
        *_notes(session, number, people, size + 1),
        *_events(session, number, people, size + 1),
        *_optouts(session, number, people, size + 1),
    ]
    items.sort(key=lambda item: (item.at, item.id), reverse=True)
    return Thread(items[:size][::-1], len(items) > size)


def _replies(session: Session, number: int, limit: int) -> Iterator[Item]:
    rows = session.execute(
        select(Inbound, Run.name)
        .outerjoin(Run, (Run.id == Inbound.run_id) & (Run.kind == "campaign"))
        .where(Inbound.number == number)
        .order_by(Inbound.at.desc(), Inbound.id.desc())
        .limit(limit)
    )
    for row, campaign in rows:
        yield Item(
            "in", row.at, f"in-{row.id}", row.text, opted_out=row.opted_out, suspect=row.suspect,
            answers=campaign or "",
        )  # fmt: skip


def _messages(session: Session, number: int, dialect: Dialect, people: dict[int, str], limit: int) -> Iterator[Item]:
    for row, run in messages.history(session, number, limit):
        own = run is not None and run.kind == "reply"
        if row.state in NEVER_LEFT and not own:
            continue  # it never reached the person, so it is no part of what was said
        text = row.text if row.text is not None else (run.text if run else "")
        yield Item(
            "out", row.at, f"out-{row.id}", text or "",
            who=people.get(run.created_by or 0, "") if run and own else "",
            campaign=run.name if run and run.kind == "campaign" else "",
            caption=run.caption if run else "",
            change=run.kind if run else "outside",
            service=dialect.types.get(row.type) if row.type is not None else None,
            badge=badge(session, row),
        )  # fmt: skip


def badge(session: Session, row: Message) -> Badge:
    """How one of our messages stands, in the words of the tables of codes and states."""
    if row.state == RowState.ACCEPTED and row.status is not None:
        known = status(row.status)
        return Badge(known.label, known.advice, LOOKS.get(known.look, known.look), known.icon)
    label, look, icon = ROW_LOOKS[messages.seen_state(session, row)]
    why = REASONS.get(row.reason or "", "")
    if row.state == RowState.REFUSED:
        why = response(row.reason).explanation
    return Badge(label, why, LOOKS.get(look, look), icon)


def _notes(session: Session, number: int, people: dict[int, str], limit: int) -> Iterator[Item]:
    rows = select(Note).where(Note.number == number).order_by(Note.at.desc(), Note.id.desc()).limit(limit)
    for row in session.scalars(rows):
        yield Item("note", row.at, f"note-{row.id}", row.text, who=people.get(row.person_id, ""))


def _events(session: Session, number: int, people: dict[int, str], limit: int) -> Iterator[Item]:
    rows = select(ConversationEvent).where(ConversationEvent.number == number)
    newest = rows.order_by(ConversationEvent.at.desc(), ConversationEvent.id.desc()).limit(limit)
    for row in session.scalars(newest):
        who, whom = people.get(row.person_id or 0, ""), people.get(row.other_id or 0, "")
        yield Item("event", row.at, f"event-{row.id}", who=who, whom=whom, change=row.change)


def _optouts(session: Session, number: int, people: dict[int, str], limit: int) -> Iterator[Item]:
    rows = select(OptOutEvent).where(OptOutEvent.number == number)
    for row in session.scalars(rows.order_by(OptOutEvent.id.desc()).limit(limit)):
        yield Item(
            "optout", row.at, f"optout-{row.id}", row.reason, who=people.get(row.person_id or 0, ""),
            change=row.change,
        )  # fmt: skip


def card(session: Session, conversation: Conversation) -> Card:
    """The person's lists and fields, opt-outs, and how much was said."""
    number = conversation.number
    rows = session.execute(
        select(Contact, ContactList)
        .join(ContactList, ContactList.id == Contact.list_id)
        .where(Contact.number == number, ContactList.archived_at.is_(None))
        .order_by(Contact.updated_at.desc())
        .limit(20)
    )
    reached = select(func.count()).where(Message.number == number, Message.state == RowState.ACCEPTED)
    first, total = session.execute(select(func.min(Inbound.at), func.count()).where(Inbound.number == number)).one()
    carrier = select(Inbound.carrier).where(Inbound.number == number, Inbound.carrier.is_not(None))
    return Card(
        lists=[InList(entry.name, entry.id, _values(contact, entry)) for contact, entry in rows],
        optouts=list(session.scalars(select(OptOut).where(OptOut.number == number))),
        received=session.scalar(reached) or 0,
        replies=total,
        since=first,
        carrier=session.scalar(carrier.order_by(Inbound.id.desc()).limit(1)),
    )


def _values(contact: Contact, entry: ContactList) -> list[tuple[str, str]]:
    labels = {row.key: row.label for row in entry.fields}
    shown = [(labels.get(key, key), str(value)) for key, value in contact.fields.items() if value not in (None, "")]
    return [(label, value) for label, value in shown if value != contact.name]

"""What colleagues do with a conversation. Each deed locks its row, so that two of them never do it twice."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.accounts.permissions import allows
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import tidy
from webapp.inbox import conversations, queries
from webapp.inbox.models import Conversation, Draft, Note
from webapp.messages import outbox
from webapp.optouts import queries as optout_queries
from webapp.optouts import service as optouts

NOTE_LIMIT = 4000  # characters
DRAFT_LIMIT = 8000
REASON_LIMIT = 300
BY_HAND = N_("A colleague noted it in the conversation.")


def _locked(session: Session, key: str) -> Conversation:
    number = queries.by_key(session, key).number
    return conversations.locked(session, number, clock.now())


def take(session: Session, key: str, person_id: int, *, instead_of: int | None = None) -> Conversation:
    """Make a conversation one's own, where nobody has it (or still `instead_of`). Raises UserError for the loser."""
    number = queries.by_key(session, key).number
    free = Conversation.assignee_id == instead_of if instead_of else Conversation.assignee_id.is_(None)
    won = session.execute(update(Conversation).where(Conversation.number == number, free).values(assignee_id=person_id))
    conversation = conversations.locked(session, number, clock.now())
    if won.rowcount:  # type: ignore[attr-defined]
        conversations.note_event(session, conversation, "taken", person_id)
        conversations.changed(session, conversation)
    elif conversation.assignee_id != person_id:
        raise UserError(
            "%(name)s was faster and is looking after this conversation.",
            name=queries.name_of(session, conversation.assignee_id) or "?",
        )
    return conversation


def take_next(session: Session, person_id: int) -> str | None:
    """Take the unassigned conversation whose person has waited longest; its key, None where nobody waits.

    Two colleagues who press at once get two conversations: whoever loses one tries the next.
    """
    waiting = (
        select(Conversation.number, Conversation.key)
        .where(Conversation.state == conversations.OPEN, Conversation.assignee_id.is_(None))
        .where(Conversation.waiting_since.is_not(None))
        .order_by(Conversation.waiting_since, Conversation.number)
        .limit(20)
    )
    for number, key in session.execute(waiting).all():
        won = session.execute(
            update(Conversation)
            .where(Conversation.number == number, Conversation.assignee_id.is_(None))
            .values(assignee_id=person_id)
        )
        if won.rowcount:  # type: ignore[attr-defined]
            conversation = conversations.locked(session, number, clock.now())
            conversations.note_event(session, conversation, "taken", person_id)
            conversations.changed(session, conversation)
            return str(key)
    return None


def assign(session: Session, key: str, to_id: int | None, *, by_id: int) -> Conversation:
    """Give a conversation to a colleague, or (None) back to the queue. Raises UserError for who cannot answer."""
    if to_id is not None:
        person = session.get(Person, to_id)
        if person is None or person.disabled_at is not None or not allows(person.role, "inbox.work"):
            raise UserError("Choose a colleague who answers replies.", field="person")
    conversation = _locked(session, key)
    if conversation.assignee_id != to_id:
        conversation.assignee_id = to_id
        change = "released" if to_id is None else "taken" if to_id == by_id else "assigned"
        conversations.note_event(session, conversation, change, by_id, to_id)
        conversations.changed(session, conversation)
    return conversation


def close(session: Session, key: str, person_id: int) -> Conversation:
    """Put a conversation away; a new reply brings it back."""
    conversation = _locked(session, key)
    if conversation.state == conversations.OPEN:
        conversation.state, conversation.closed_at = conversations.CLOSED, clock.now()
        conversation.unread, conversation.waiting_since = 0, None
        conversations.note_event(session, conversation, "closed", person_id)
        conversations.changed(session, conversation)
    return conversation


def reopen(session: Session, key: str, person_id: int) -> Conversation:
    """Take a closed conversation back to work by hand."""
    conversation = _locked(session, key)
    if conversation.state == conversations.CLOSED:
        conversations.open_again(session, conversation, clock.now(), person_id)
        conversations.changed(session, conversation)
    return conversation


def mark_read(session: Session, key: str) -> None:
    """Somebody who answers replies has seen what was new."""
    conversation = _locked(session, key)
    if conversation.unread:
        conversation.unread = 0
        conversations.changed(session, conversation)


def add_note(session: Session, key: str, person_id: int, text: str) -> Note:
    """Write a note for colleagues; the person never sees it. Raises UserError for an empty or endless one."""
    words = tidy(text).strip()
    if not words:
        raise UserError("Write the note first.", field="note")
    if len(words) > NOTE_LIMIT:
        raise UserError("A note has at most %(most)s characters.", field="note", most=NOTE_LIMIT)
    conversation = _locked(session, key)
    note = Note(number=conversation.number, at=clock.now(), person_id=person_id, text=words)
    session.add(note)
    conversations.changed(session, conversation)
    return note


def save_draft(session: Session, key: str, person_id: int, text: str) -> None:
    """Keep what somebody has typed. Not a change of the conversation: only `presence` tells colleagues of it."""
    number = queries.by_key(session, key).number
    words = tidy(text)[:DRAFT_LIMIT]
    draft = session.get(Draft, (number, person_id))
    if not words.strip():
        if draft is not None:
            session.delete(draft)
    elif draft is None:
        session.add(Draft(number=number, person_id=person_id, text=words, at=clock.now()))
    elif draft.text != words:
        draft.text, draft.at = words, clock.now()


def opt_out(session: Session, key: str, person_id: int, reason: str = "") -> None:
    """Opt a person out by hand: held messages to them stop, and nobody can answer them."""
    conversation = _locked(session, key)
    why = tidy(reason).strip()[:REASON_LIMIT] or BY_HAND
    optouts.add(session, conversation.number, origin="hand", reason=why, person_id=person_id)
    outbox.suppress(session, conversation.number)
    conversation.suspect = False
    conversations.changed(session, conversation)


def no_opt_out(session: Session, key: str) -> None:
    """A person decided: what reads like an opt-out is none."""
    conversation = _locked(session, key)
    if conversation.suspect:
        conversation.suspect = False
        conversations.changed(session, conversation)


def lift_opt_out(session: Session, key: str, person_id: int, reason: str) -> None:
    """Allow writing to a person again, for a reason that is kept. Raises UserError without one."""
    why = tidy(reason).strip()[:REASON_LIMIT]
    if not why:
        raise UserError("Say why this person may be written to again.", field="reason")
    conversation = _locked(session, key)
    for row in optout_queries.of_person(session, conversation.number):
        optouts.lift(session, conversation.number, reason=why, person_id=person_id, channel=row.channel)
    conversations.changed(session, conversation)


def others_typing(session: Session, key: str, person_id: int, now: datetime | None = None) -> list[str]:
    """Names of colleagues who typed an answer within the last minute."""
    since = (now or clock.now()) - timedelta(seconds=60)
    number = queries.by_key(session, key).number
    names = select(Person.name).join(Draft, Draft.person_id == Person.id)
    wanted = names.where(Draft.number == number, Draft.person_id != person_id, Draft.at >= since)
    return list(session.scalars(wanted.order_by(Person.name)))

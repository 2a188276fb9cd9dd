"""A conversation's row: made, locked, changed, counted. Conversations are locked first, the version last."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.text import fold_word
from webapp.inbox import linking
from webapp.inbox.models import Conversation, ConversationEvent, InboxVersion

SNIPPET = 160
OPEN, CLOSED = "open", "closed"


def locked(session: Session, number: int, now: datetime) -> Conversation:
    """The conversation with a person, made where there is none, and nobody else's until this transaction ends."""
    found = _for_update(session, number)
    if found is None:
        name = linking.name_of(session, number)
        session.execute(
            insert_for(session, Conversation)
            .values(
                number=number, key=secrets.token_hex(6), state=CLOSED, unread=0, name=name, name_key=fold_word(name),
                snippet="", snippet_out=False, suspect=False, version=0, opened_at=now, last_at=now,
            )
            .on_conflict_do_nothing(index_elements=["number"])
        )  # fmt: skip
        found = _for_update(session, number)
    if found is None:
        raise LookupError("the conversation vanished while it was being made")
    return found


def _for_update(session: Session, number: int) -> Conversation | None:
    wanted = select(Conversation).where(Conversation.number == number).with_for_update()
    return session.scalar(wanted.execution_options(populate_existing=True))


def short(text: str) -> str:
    """The start of a text on one line, for the queue."""
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else line[: SNIPPET - 1] + "…"


def note_event(
    session: Session, conversation: Conversation, change: str, person_id: int | None, other_id: int | None = None
) -> None:
    """Keep what was done with a conversation, by whom (None: by a new reply) and to whom it was given."""
    session.add(
        ConversationEvent(
            number=conversation.number, at=clock.now(), change=change, person_id=person_id, other_id=other_id
        )
    )


def open_again(session: Session, conversation: Conversation, now: datetime, person_id: int | None) -> None:
    """Put a conversation back to work; its times start anew."""
    if conversation.state == OPEN:
        return
    begun = conversation.closed_at is not None
    conversation.state, conversation.opened_at = OPEN, now
    conversation.closed_at = conversation.first_answer_at = None
    if begun:
        note_event(session, conversation, "reopened", person_id)


def changed(session: Session, conversation: Conversation) -> None:
    """Count a change, so that open pages fetch it. The last thing a transaction does to a conversation."""
    conversation.version += 1
    session.flush()
    bump(session)


def bump(session: Session) -> None:
    """Count a change of the inbox as a whole."""
    session.execute(
        insert_for(session, InboxVersion)
        .values(id=1, value=1)
        .on_conflict_do_update(index_elements=["id"], set_={"value": InboxVersion.value + 1})
    )

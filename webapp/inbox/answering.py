"""Answers to people: by the kind of message they wrote in, through the outbox like everything else, by one of us."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.rendering import credit_rule
from webapp.contacts.models import Contact
from webapp.core import clock, phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import fill, segments, tidy
from webapp.gateway.codes import Dialect, ServiceType
from webapp.inbox import conversations, queries
from webapp.inbox.models import CannedReply, Conversation, Draft
from webapp.messages import outbox
from webapp.messages.models import Message, Run
from webapp.optouts import erased
from webapp.optouts.queries import is_opted_out

LIMIT = 1530  # characters: ten parts of an SMS
TWICE = timedelta(seconds=20)  # the same words by the same hand within this are a double click
SMS = 0

OPTED_OUT = N_("This person asked not to be written to. Lift the opt-out, with a reason, before answering.")
ERASED = N_(
    "This person was erased at their request, so nothing is written to them. "
    "An administrator can lift that under Administration, Privacy."
)
NO_NUMBER = N_("This sender is no telephone number, so there is nobody to answer.")
ELSEWHERE = N_("%(name)s is looking after this conversation. Take it over before answering.")
ANSWERED = N_("%(name)s answered a moment ago. Read it above, then send again if yours is still needed.")


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer costs in credits of a purse; `left` characters fit its last part, `offenders` make it dearer."""

    credits: int
    purse: str
    parts: int
    encoding: str
    left: int
    offenders: tuple[str, ...]


def channel(dialect: Dialect, kind: int | None) -> ServiceType:
    """How to answer what came by a kind of message: a text in its own channel; calls, and the unknown, by SMS."""
    known = dialect.types.get(SMS if kind is None else kind)
    if known is None or known.landlines:  # a call cannot be talked with
        return dialect.types[SMS]
    if not known.media:
        return known
    same = (row for row in dialect.types.values() if row.channel == known.channel and not row.media)
    return next(same, dialect.types[SMS])


def cost(dialect: Dialect, kind: ServiceType, text: str) -> Cost:
    """Credits and parts of an answer as it stands, and the characters left in its last part."""
    purse = dialect.purses[kind.purse].label
    words = tidy(text)
    if not kind.by_segments:
        return Cost(1 if words.strip() else 0, purse, 0, "", LIMIT - len(words), ())
    rule = credit_rule(dialect)
    found = segments(words, rule)
    gsm = found.encoding == "gsm"
    single, part = (rule.gsm_single, rule.gsm_part) if gsm else (rule.ucs2_single, rule.ucs2_part)
    room = single if found.parts <= 1 else part * found.parts
    return Cost(found.parts, purse, found.parts, found.encoding, max(room - found.units, 0), found.offenders)


def refusal(session: Session, conversation: Conversation, dialect: Dialect) -> str | None:
    """The msgid of why this person cannot be answered, None where they can."""
    if erased.is_suppressed(session, conversation.number):
        return ERASED
    if is_opted_out(session, conversation.number, channel(dialect, conversation.channel_type).medium):
        return OPTED_OUT
    if phone.from_gateway(f"+{conversation.number}") is None:
        return NO_NUMBER
    return None


def last_answer(session: Session, number: int) -> int:
    """Key of the newest answer to a person; a form carries it, so that an answer in between is noticed."""
    newest = select(func.max(Message.id)).join(Run).where(Message.number == number, Run.kind == "reply")
    return session.scalar(newest) or 0


def answer(session: Session, key: str, person_id: int, text: str, *, seen: int, dialect: Dialect) -> Message:
    """Send an answer. Raises UserError (field `text`) where it must not or cannot leave; the text is not lost then."""
    conversation = conversations.locked(session, queries.by_key(session, key).number, clock.now())
    words = tidy(text).strip()
    if again := _double(session, conversation.number, person_id, words):
        return again
    _check(session, conversation, person_id, words, seen, dialect)
    kind = channel(dialect, conversation.channel_type)
    message = outbox.send_one(
        session,
        kind="reply",
        name=(conversation.name or phone.mask(conversation.number))[:120],
        number=conversation.number,
        type=kind.type,
        text=words,
        created_by=person_id,
    )
    _note_answer(session, conversation, person_id, words)
    return message


def _check(
    session: Session, conversation: Conversation, person_id: int, words: str, seen: int, dialect: Dialect
) -> None:
    why = refusal(session, conversation, dialect)
    if why:
        raise UserError(why, field="text")
    if not words:
        raise UserError("Write the answer first.", field="text")
    if len(words) > LIMIT:
        raise UserError("An answer has at most %(most)s characters.", field="text", most=LIMIT)
    if conversation.assignee_id not in (None, person_id):
        raise UserError(ELSEWHERE, field="text", name=session.get_one(Person, conversation.assignee_id).name)
    newer = (
        select(Person.name)
        .join(Run, Run.created_by == Person.id)
        .join(Message, Message.run_id == Run.id)
        .where(Message.number == conversation.number, Run.kind == "reply", Message.id > seen, Person.id != person_id)
        .order_by(Message.id.desc())
        .limit(1)
    )
    if name := session.scalar(newer):
        raise UserError(ANSWERED, field="text", name=name)


def _double(session: Session, number: int, person_id: int, words: str) -> Message | None:
    same = (
        select(Message)
        .join(Run)
        .where(Message.number == number, Run.kind == "reply", Run.created_by == person_id, Run.text == words)
        .where(Run.created_at >= clock.now() - TWICE)
    )
    return session.scalar(same.limit(1))


def _note_answer(session: Session, conversation: Conversation, person_id: int, words: str) -> None:
    now = clock.now()
    if conversation.state == conversations.CLOSED:
        conversations.open_again(session, conversation, now, person_id)
    conversation.first_answer_at = conversation.first_answer_at or now
    conversation.waiting_since, conversation.unread, conversation.last_at = None, 0, now
    conversation.snippet, conversation.snippet_out = conversations.short(words), True
    if conversation.assignee_id is None:
        conversation.assignee_id = person_id
        conversations.note_event(session, conversation, "taken", person_id)
    draft = session.get(Draft, (conversation.number, person_id))
    if draft is not None:
        session.delete(draft)
    conversations.changed(session, conversation)


def person_fields(session: Session, conversation: Conversation) -> dict[str, object]:
    """What canned replies may say of a person: the fields of their lists, the latest list first, and their name."""
    values: dict[str, object] = {}
    rows = select(Contact).where(Contact.number == conversation.number).order_by(Contact.updated_at)
    for contact in session.scalars(rows):
        values |= {name: value for name, value in contact.fields.items() if value not in (None, "")}
        if contact.name:
            values["nome"] = values["name"] = contact.name
    if conversation.name:
        values.setdefault("nome", conversation.name)
        values.setdefault("name", conversation.name)
    return values


def with_canned(values: Mapping[str, object], canned: CannedReply, typed: str) -> tuple[str, tuple[str, ...]]:
    """What is typed with a canned reply behind it, its fields filled; and the fields that had no value."""
    filled = fill(canned.text, values)
    before = tidy(typed)
    return (f"{before}\n{filled.text}" if before.strip() else filled.text), filled.missing

"""One reply becomes part of a conversation, exactly once, by however many ways it comes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.core.text import fold_word
from webapp.gateway import wire
from webapp.inbox import conversations, linking, optwords, sameness
from webapp.inbox.models import Conversation, Inbound, Sighting
from webapp.messages import outbox
from webapp.messages.models import Message
from webapp.optouts import erased
from webapp.optouts import service as optouts

SEARCHED = 2000  # characters of a reply that the search knows


@dataclass(frozen=True, slots=True)
class Way:
    """How a reply reached us: callback, mo_new or mo; which raw row holds it; when we had it (naive UTC)."""

    source: str
    received: datetime
    raw_id: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a reply did: `nobody` = it names no sender, `new` = first time, `completed` = it added what was missing.

    `dropped` = it was written before its sender was erased, and nothing of it is kept.
    """

    nobody: bool = False
    new: bool = False
    completed: bool = False
    dropped: bool = False


def take_in(session: Session, heard: wire.Inbound, way: Way) -> Arrival:
    """Take one reply in. Does nothing where this way has told of it before; the caller counts the inbox's version."""
    number = linking.sender(session, heard)
    if number is None:
        return Arrival(nobody=True)
    key = sameness.text_key(heard.content)
    moment = sameness.moment_of(heard.at, way.received)
    if sameness.seen(session, number, key, way.source, moment):
        return Arrival()
    if _is_of_the_erased(session, number, way, moment):
        return Arrival(dropped=True)
    conversation = conversations.locked(session, number, way.received)
    if sameness.seen(session, number, key, way.source, moment):  # told while we waited for the lock
        return Arrival()
    known = sameness.twin(session, number, key, way.source, moment)
    if known is not None:
        _sight(session, known, way.source, moment.second)
        return Arrival(completed=_complete(session, known, conversation, heard, way))
    message = linking.answered(session, heard, number, way.received)
    inbound = _row(session, heard, way, number, key, moment, message)
    _sight(session, inbound, way.source, moment.second)
    _join(session, conversation, inbound)
    return Arrival(new=True)


def _is_of_the_erased(session: Session, number: int, way: Way, moment: sameness.Moment) -> bool:
    """Whether a reply must not come back: its sender was erased after it.

    Sweeps bring old replies again, so one of theirs without a date is an old one; the other ways tell of each once. A
    sender who is only known by the message that is answered, and was erased there, is nobody any more.
    """
    said = None if way.source == "mo" and not moment.stated else moment.at
    return number < 0 or erased.is_old(session, number, said)


def _sight(session: Session, inbound: Inbound, source: str, second: int) -> None:
    mark = (inbound.number, inbound.text_key, source, second)
    if session.get(Sighting, mark) is None:
        session.add(
            Sighting(
                number=inbound.number, text_key=inbound.text_key, source=source, second=second, inbound_id=inbound.id
            )
        )
        session.flush()


def _row(
    session: Session,
    heard: wire.Inbound,
    way: Way,
    number: int,
    key: str,
    moment: sameness.Moment,
    message: Message | None,
) -> Inbound:
    opted_out = optouts.is_opt_out(heard.content)
    inbound = Inbound(
        number=number,
        number_raw=heard.number_raw[:40],
        text=heard.content,
        words=fold_word(heard.content[:SEARCHED]),
        text_key=key,
        second=sameness.free_second(session, number, key, moment.second),
        at=moment.at,
        received_at=way.received,
        undated=not moment.stated,
        source=way.source,
        raw_id=way.raw_id,
        gateway_id=heard.gateway_id[:40] or None,
        reference=heard.reference[:60] or None,
        message_id=message.id if message else None,
        run_id=message.run_id if message else None,
        type=heard.type if heard.type is not None else (message.type if message else None),
        carrier=heard.carrier[:60] or None,
        opted_out=opted_out,
        suspect=not opted_out and optwords.looks_like_opt_out(heard.content),
    )
    session.add(inbound)
    session.flush()
    return inbound


def _join(session: Session, conversation: Conversation, inbound: Inbound) -> None:
    """Show the reply in its conversation. An opt-out is settled by itself: it calls nobody back to a closed one."""
    if not inbound.opted_out:
        conversations.open_again(session, conversation, inbound.received_at, None)
        conversation.waiting_since = conversation.waiting_since or inbound.at
    conversation.unread += 1
    conversation.suspect = conversation.suspect or inbound.suspect
    if conversation.last_inbound_at is None or inbound.at >= conversation.last_at:
        conversation.snippet, conversation.snippet_out = conversations.short(inbound.text), False
    conversation.last_at = max(conversation.last_at, inbound.at) if conversation.last_inbound_at else inbound.at
    conversation.last_inbound_at = max(conversation.last_inbound_at or inbound.at, inbound.at)
    if inbound.type is not None:
        conversation.channel_type = inbound.type
    conversation.version += 1
    if inbound.opted_out:
        optouts.add(session, inbound.number, origin="reply", reason=conversations.short(inbound.text))
        outbox.suppress(session, inbound.number)


def _complete(session: Session, known: Inbound, conversation: Conversation, heard: wire.Inbound, way: Way) -> bool:
    """Fill in what the way that came first did not say."""
    before = (known.gateway_id, known.carrier, known.type, known.reference, known.message_id)
    known.gateway_id = known.gateway_id or heard.gateway_id[:40] or None
    known.carrier = known.carrier or heard.carrier[:60] or None
    known.type = known.type if known.type is not None else heard.type
    if known.reference is None and heard.reference:
        known.reference = heard.reference[:60]
        message = linking.answered(session, heard, known.number, way.received)
        if message is not None:
            known.message_id, known.run_id = message.id, message.run_id
    filled = before != (known.gateway_id, known.carrier, known.type, known.reference, known.message_id)
    if filled:
        conversation.version += 1
    return filled

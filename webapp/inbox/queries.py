"""What the inbox shows: the queue, its counts, the version that live boxes ask, and replies for other pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.accounts.permissions import PERMISSIONS
from webapp.core import phone
from webapp.core.errors import NotFound
from webapp.core.text import fold_word
from webapp.inbox.models import Conversation, Inbound, InboxVersion, RawInbound
from webapp.messages.models import Cursor, Run
from webapp.optouts.models import OptOut
from webapp.optouts.queries import opted_out

Chosen = Select[Conversation]
VIEWS = ("open", "mine", "unassigned", "optouts", "all")
SIZE, MOST = 30, 300  # conversations shown at first, and at the most


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One conversation in the queue."""

    conversation: Conversation
    assignee: str | None
    opted_out: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """The conversations of a view, the latest first; `more` says whether there are others below."""

    rows: Sequence[QueueRow]
    more: bool


def by_key(session: Session, key: str) -> Conversation:
    """The conversation of an address. Raises NotFound."""
    found = session.scalar(select(Conversation).where(Conversation.key == key))
    if found is None:
        raise NotFound("This conversation does not exist.")
    return found


def key_of(session: Session, number: int) -> str | None:
    """The address part of a person's conversation, None where they never wrote."""
    return session.scalar(select(Conversation.key).where(Conversation.number == number))


def version(session: Session) -> int:
    """A number that grows with every change of the inbox: all that an idle live box costs."""
    return session.scalar(select(InboxVersion.value).where(InboxVersion.id == 1)) or 0


def unread(session: Session) -> int:
    """Open conversations with replies that nobody has opened."""
    waiting = select(func.count()).where(Conversation.state == "open", Conversation.unread > 0)
    return session.scalar(waiting) or 0


def _view(query: Chosen, view: str, person_id: int) -> Chosen:
    if view == "mine":
        return query.where(Conversation.state == "open", Conversation.assignee_id == person_id)
    if view == "unassigned":
        return query.where(Conversation.state == "open", Conversation.assignee_id.is_(None))
    if view == "optouts":
        out = select(OptOut.number).where(OptOut.number == Conversation.number).exists()
        return query.where(or_(Conversation.suspect, out))
    return query if view == "all" else query.where(Conversation.state == "open")


def _matching(query: Chosen, words: str) -> Chosen:
    """Conversations by number (whole, or its last digits), name, or words of their replies; blanks fold away."""
    digits = "".join(sign for sign in words if sign.isascii() and sign.isdigit())
    if len(digits) >= 3 and not any(sign.isalpha() for sign in words):
        whole = phone.from_gateway(words) if len(digits) >= 8 else None
        ends = Conversation.number % 10 ** len(digits[-15:]) == int(digits[-15:])
        return query.where(or_(ends, Conversation.number == whole) if whole else ends)
    folded = fold_word(words)
    if not folded:
        return query.where(Conversation.number == -1)
    said = select(Inbound.number).where(Inbound.words.contains(folded, autoescape=True))
    return query.where(or_(Conversation.name_key.contains(folded, autoescape=True), Conversation.number.in_(said)))


def queue(session: Session, view: str, person_id: int, words: str = "", size: int = SIZE) -> Queue:
    """The conversations of a view, or, with words, of the whole inbox that match them."""
    size = max(1, min(size, MOST))
    query = select(Conversation)
    query = _matching(query, words) if words.strip() else _view(query, view, person_id)
    newest = query.order_by(Conversation.last_at.desc(), Conversation.key.desc()).limit(size + 1)
    found = session.scalars(newest).all()
    shown = found[:size]
    names = _names(session, {row.assignee_id for row in shown if row.assignee_id})
    out = opted_out(session, [row.number for row in shown])
    rows = [QueueRow(row, names.get(row.assignee_id or 0), row.number in out) for row in shown]
    return Queue(rows, len(found) > size)


def _names(session: Session, ids: set[int]) -> dict[int, str]:
    return {row.id: row.name for row in session.scalars(select(Person).where(Person.id.in_(ids)))} if ids else {}


def name_of(session: Session, person_id: int | None) -> str | None:
    """A colleague's name, None for nobody."""
    return session.scalar(select(Person.name).where(Person.id == person_id)) if person_id else None


def counts(session: Session, person_id: int) -> dict[str, int]:
    """How many conversations the tabs with work in them hold."""
    work = select(
        func.count(),
        func.count().filter(Conversation.assignee_id == person_id),
        func.count().filter(Conversation.assignee_id.is_(None)),
    ).where(Conversation.state == "open")
    total, mine, free = session.execute(work).one()
    suspects = session.scalar(select(func.count()).where(Conversation.suspect)) or 0
    return {"open": total, "mine": mine, "unassigned": free, "optouts": suspects}


def colleagues(session: Session) -> list[Person]:
    """Who answers replies."""
    roles = PERMISSIONS["inbox.work"]
    return list(
        session.scalars(
            select(Person).where(Person.role.in_(roles), Person.disabled_at.is_(None)).order_by(Person.name)
        )
    )


def last_sweep(session: Session) -> Cursor | None:
    """When `mo` was last asked about the past, what it found that nothing else brought, and what went wrong."""
    wanted = select(Cursor).where(Cursor.name.in_(["inbox.mo", "inbox.mo_far"]), Cursor.ran_at.is_not(None))
    return session.scalar(wanted.order_by(Cursor.ran_at.desc()).limit(1))


def count_problems(session: Session) -> int:
    """How many raw rows wait for an admin's eyes."""
    wanted = select(func.count()).where(RawInbound.problem.is_not(None), RawInbound.settled_at.is_(None))
    return session.scalar(wanted) or 0


def count_since(session: Session, moment: datetime) -> int:
    """Replies received since a moment (naive UTC)."""
    return session.scalar(select(func.count()).where(Inbound.at >= moment)) or 0


def replies_of(session: Session, number: int, limit: int = 200) -> list[tuple[Inbound, Run | None]]:
    """A person's replies, the latest first, each with the run it answers."""
    rows = session.execute(
        select(Inbound, Run)
        .outerjoin(Run, Run.id == Inbound.run_id)
        .where(Inbound.number == number)
        .order_by(Inbound.at.desc(), Inbound.id.desc())
        .limit(limit)
    )
    return [(inbound, run) for inbound, run in rows]


def replies_to(session: Session, run_id: int, limit: int = 50, before: int | None = None) -> list[Inbound]:
    """Replies to a run, the latest first; `before` is the id of the last one shown."""
    wanted = select(Inbound).where(Inbound.run_id == run_id)
    if before is not None:
        wanted = wanted.where(Inbound.id < before)
    return list(session.scalars(wanted.order_by(Inbound.id.desc()).limit(limit)))


def count_to(session: Session, run_id: int) -> int:
    """How many replies a run got."""
    return session.scalar(select(func.count()).where(Inbound.run_id == run_id)) or 0

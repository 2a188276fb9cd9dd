"""What the administration pages list: the audit trail, callbacks heard, replies nobody understood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Audit, Person
from webapp.core import phone
from webapp.core.paging import Page, page_of
from webapp.gateway import wire
from webapp.gateway.errors import redacted
from webapp.inbox.models import RawInbound
from webapp.messages.models import Receipt

HITS = 50
LOOKED_AT = 20_000  # of the latest receipts; older callbacks are no longer news


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What of the audit trail is wanted; moments are naive UTC, `until` is not part of it. "" and None: everything."""

    who: str = ""  # "7" a person's id, or an actor's name such as "command"
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a query over the trail."""
        found: list[ColumnElement[bool]] = []
        if self.who.isdecimal():
            found.append(Audit.person_id == int(self.who[:9]))
        elif self.who:
            found.append(Audit.actor == self.who)
        if self.action:
            found.append(Audit.action == self.action)
        if self.since:
            found.append(Audit.at >= self.since)
        if self.until:
            found.append(Audit.at < self.until)
        return found


def trail(session: Session, wanted: TrailFilter, after: int | None = None, size: int = 50) -> Page[Audit]:
    """Entries of the audit trail, the latest first."""
    query = select(Audit).where(*wanted.conditions()).order_by(Audit.id.desc()).limit(size + 1)
    if after:
        query = query.where(Audit.id < after)
    return page_of(session.scalars(query).all(), size, lambda entry: str(entry.id))


def whole_trail(session: Session, wanted: TrailFilter) -> Iterator[Audit]:
    """All entries, the oldest first, in chunks: for an export."""
    last = 0
    while True:
        query = select(Audit).where(Audit.id > last, *wanted.conditions()).order_by(Audit.id).limit(1000)
        rows = session.scalars(query).all()
        yield from rows
        if len(rows) < 1000:
            return
        last = rows[-1].id
        session.expunge_all()


def trail_actions(session: Session) -> Sequence[str]:
    """Every action that the trail knows."""
    return session.scalars(select(Audit.action).distinct().order_by(Audit.action)).all()


def trail_people(session: Session) -> Sequence[Person]:
    """Everybody whom the trail may name."""
    return session.scalars(select(Person).order_by(func.lower(Person.name), Person.id)).all()


@dataclass(frozen=True, slots=True)
class Hit:
    """One callback heard. `status` is the gateway's code for a delivery, None for a reply."""

    at: datetime
    is_reply: bool
    status: str | None
    about: str  # our reference, or the masked number
    message_id: int | None
    problem: str | None


def hits(session: Session) -> list[Hit]:
    """The last callbacks, deliveries and replies together, the latest first."""
    newest = session.scalar(select(func.max(Receipt.id))) or 0
    receipts = session.scalars(
        select(Receipt)
        .where(Receipt.id > newest - LOOKED_AT, Receipt.source == "callback")
        .order_by(Receipt.id.desc())
        .limit(HITS)
    )
    replies = session.scalars(
        select(RawInbound).where(RawInbound.source == "callback").order_by(RawInbound.id.desc()).limit(HITS)
    )
    found = [
        Hit(row.heard_at, False, row.status, row.reference or row.gateway_id or "", row.message_id, row.problem)
        for row in receipts
    ]
    found += [Hit(row.received_at, True, None, _sender(row.body), None, row.problem) for row in replies]
    return sorted(found, key=lambda hit: hit.at, reverse=True)[:HITS]


def last_callback(session: Session) -> datetime | None:
    """When the gateway last called us."""
    return max((hit.at for hit in hits(session)), default=None)


def _sender(body: bytes) -> str:
    heard = wire.inbound_from_query(wire.parse_query(body))
    return phone.mask(heard.number) if heard and heard.number else ""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it came that nobody understood; `text` has its numbers and secrets taken out."""

    id: int
    at: datetime
    source: str
    problem: str
    text: str
    size: int
    settled_at: datetime | None


def raw_replies(session: Session, *, settled: bool = False, after: int | None = None, size: int = 25) -> Page[RawReply]:
    """Raw replies with a problem that wait for somebody (or that somebody has looked at), the latest first."""
    state = RawInbound.settled_at.is_not(None) if settled else RawInbound.settled_at.is_(None)
    query = select(RawInbound).where(RawInbound.problem.is_not(None), state).order_by(RawInbound.id.desc())
    if after:
        query = query.where(RawInbound.id < after)
    rows = [
        RawReply(
            row.id, row.received_at, row.source, row.problem or "", redacted(row.body), len(row.body), row.settled_at
        )
        for row in session.scalars(query.limit(size + 1))
    ]
    return page_of(rows, size, lambda row: str(row.id))


def open_raw_replies(session: Session) -> int:
    """How many wait for somebody."""
    return (
        session.scalar(
            select(func.count())
            .select_from(RawInbound)
            .where(RawInbound.problem.is_not(None), RawInbound.settled_at.is_(None))
        )
        or 0
    )

"""Replies come in here, by callback, `mo_new` and `mo`: first the bytes, committed, then their meaning.

Whatever the gateway hands out once is in the database before anybody looks at it. Reading is one idempotent function in
a second transaction; what a crash left unread is read by `replay`, and what cannot be understood is kept and shown.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import one_of
from webapp.core.web import Services
from webapp.gateway import wire
from webapp.gateway.account import ROW
from webapp.gateway.errors import GatewayError, LookupFailed
from webapp.gateway.models import Account
from webapp.inbox import conversations
from webapp.inbox.arrivals import Arrival, Way, take_in
from webapp.inbox.models import Inbound, RawInbound

log = structlog.get_logger(__name__)

LARGEST_QUERY = 64 * 1024  # bytes of a callback that are kept; 8 kB of it are read
REPLAY_AFTER = timedelta(seconds=20)  # whoever kept it is reading it until then
RAW_DAYS = 40
FORGET_CHUNK = 5000  # raw bodies dropped in one transaction
Source = Literal["mo_new", "mo"]


@dataclass(slots=True)
class Read:
    """What reading did: replies that are new, replies completed, rows that nobody understands, and replies that were
    dropped because their senders have been erased since."""

    new: int = 0
    changed: int = 0
    odd: int = 0
    dropped: int = 0

    def add(self, other: "Read") -> None:
        """Add another reading's counts."""
        self.new, self.changed = self.new + other.new, self.changed + other.changed
        self.odd, self.dropped = self.odd + other.odd, self.dropped + other.dropped


def keep_callback(services: Services, query: bytes) -> None:
    """Keep a reply callback (its query string or form body) and read it.

    Content never makes it raise. A database that cannot take the raw row does: then the gateway must not hear "ok".
    """
    _read_kept(services, keep_raw(services, "callback", query[:LARGEST_QUERY]))


def keep_raw(services: Services, source: str, body: bytes) -> int:
    """Commit bytes as they came, for good; returns the raw row's id."""
    with services.db.writing() as session:
        raw = RawInbound(source=source, body=body, received_at=clock.now())
        session.add(raw)
        session.flush()
        return raw.id


def keep_body(services: Services, source: Source, body: bytes) -> Read:
    """Take in an answer of `mo_new` (kept before it is read) or of `mo` (which can be asked again).

    Raises the GatewayError that the answer's code means, LookupFailed where it is unreadable.
    """
    if source == "mo_new":
        raw_id = keep_raw(services, source, body)
        done = services.db.retrying(lambda session: read_raw(session, session.get_one(RawInbound, raw_id)))
        if done == Read() or done.odd:
            wire.read_inbound(body)  # raises what the answer's code means
        return done
    with services.db.reading() as session:
        replies = wire.read_inbound(body, dates_zone(session))
    return services.db.retrying(lambda session: _sweep(session, replies))


def _read_kept(services: Services, raw_id: int) -> Read:
    """Read one raw row. A fault of ours is written on the row; a database in trouble leaves it to `replay`."""
    try:
        return services.db.retrying(lambda session: read_raw(session, session.get_one(RawInbound, raw_id)))
    except OperationalError:
        log.warning("reply kept, to be read later", raw=raw_id)
    except Exception as error:
        log.exception("reply kept, not understood", raw=raw_id)
        _set_aside(services, raw_id, type(error).__name__)
    return Read()


def _set_aside(services: Services, raw_id: int, word: str) -> None:
    try:
        with services.db.writing() as session:
            session.execute(
                update(RawInbound).where(RawInbound.id == raw_id).values(read_at=clock.now(), problem=f"error {word}")
            )
    except OperationalError:
        log.warning("reply kept, to be read later", raw=raw_id)


def read_raw(session: Session, raw: RawInbound) -> Read:
    """Give a raw row its meaning, once: one that was read does nothing, one that held nothing goes.

    The caller's transaction is a writing one.
    """
    claimed = session.execute(
        update(RawInbound)
        .where(RawInbound.id == raw.id, RawInbound.read_at.is_(None))
        .values(read_at=clock.now(), problem=None)
    )
    if not claimed.rowcount:  # type: ignore[attr-defined]
        return Read()
    session.refresh(raw)
    zone = dates_zone(session)
    return _read_callback(session, raw, zone) if raw.source == "callback" else _read_answer(session, raw, zone)


def _read_callback(session: Session, raw: RawInbound, zone: tzinfo) -> Read:
    heard = wire.inbound_from_query(wire.parse_query(raw.body), zone)
    arrival = take_in(session, heard, Way("callback", raw.received_at, raw.id)) if heard else Arrival(nobody=True)
    if arrival.dropped:
        session.delete(raw)
        return Read(dropped=1)
    if arrival.nobody:
        raw.problem = "nobody"
        return Read(odd=1)
    if arrival.new or arrival.completed:
        conversations.bump(session)
    return Read(arrival.new, arrival.completed)


def _read_answer(session: Session, raw: RawInbound, zone: tzinfo) -> Read:
    try:
        replies = wire.read_inbound(raw.body, zone)
    except LookupFailed as error:
        raw.problem = f"unreadable {error}"[:200]
        return Read(odd=1)
    except GatewayError:
        replies = wire.Replies([], [], 0)  # a refusal hands nothing out; whoever asked looks at its code
    if not replies.rows and not replies.odd:
        session.delete(raw)
        return Read()
    done, _ = _take_all(session, replies.rows, Way(raw.source, raw.received_at, raw.id))
    done.odd += len(replies.odd)
    missing = (replies.stated or 0) - len(replies.rows) - len(replies.odd)
    if done.odd:
        raw.problem = f"odd_rows {done.odd}"
    elif missing > 0:
        raw.problem = f"too_few {missing}"
    if done.dropped and not done.odd:
        raw.body = b""  # the others' replies are understood; the bytes would keep those that must go
    return done


def _sweep(session: Session, replies: wire.Replies) -> Read:
    """Replies of `mo`: the net under the other ways. Odd rows are kept once, however often the sweep brings them."""
    received = clock.now()
    done, left = _take_all(session, replies.rows, Way("mo", received))
    for row in left:
        _keep_odd(session, asdict(row), received)
    for odd in replies.odd:
        _keep_odd(session, odd, received)
    done.odd += len(replies.odd)
    return done


def _keep_odd(session: Session, row: Any, received: datetime) -> None:
    body = json.dumps(row, sort_keys=True, default=str).encode()
    digest = hashlib.sha256(body).hexdigest()
    if session.scalar(select(RawInbound.id).where(RawInbound.digest == digest)) is None:
        session.add(
            RawInbound(
                source="mo", body=body, received_at=received, read_at=received, problem="odd_rows 1", digest=digest
            )
        )
        session.flush()


def _take_all(session: Session, rows: list[wire.Inbound], way: Way) -> tuple[Read, list[wire.Inbound]]:
    """Take replies in, by person (locks are taken in one order everywhere) and each person's by time.

    Returns the counts and the rows that were left: they name nobody, or we failed on them; the others go on.
    """
    done, left = Read(), []
    for heard in sorted(rows, key=lambda row: (row.number or 0, row.at.timestamp() if row.at else 0.0)):
        try:
            with session.begin_nested():
                arrival = take_in(session, heard, way)
        except OperationalError:
            raise
        except Exception:
            log.exception("one reply not understood", source=way.source, raw=way.raw_id)
            arrival = Arrival(nobody=True)
        done.new += arrival.new
        done.changed += arrival.completed
        done.odd += arrival.nobody
        done.dropped += arrival.dropped
        if arrival.nobody:
            left.append(heard)
    if done.new or done.changed:
        conversations.bump(session)
    return done, left


def replay(services: Services, *, now: datetime | None = None) -> Read:
    """Read what was kept and not read, because a process died in between. `now` is naive UTC."""
    before = (now or clock.now()) - REPLAY_AFTER
    with services.db.reading() as session:
        waiting = session.scalars(
            select(RawInbound.id)
            .where(RawInbound.read_at.is_(None), RawInbound.received_at <= before)
            .order_by(RawInbound.id)
            .limit(1000)
        ).all()
    done = Read()
    for raw_id in waiting:
        done.add(_read_kept(services, raw_id))
    if waiting:
        log.info("replies read after a crash", rows=len(waiting), new=done.new)
    return done


def read_again(session: Session, raw: RawInbound) -> Read:
    """Read a row that could not be understood once more, after an update, say. A person asks for it."""
    raw.read_at, raw.settled_at = None, None
    session.flush()
    return read_raw(session, raw)


def forget_old(session: Session, *, now: datetime | None = None, size: int = FORGET_CHUNK) -> int:
    """Drop raw bodies after 40 days, the oldest `size` of them; what they said stays. Returns how many."""
    before = (now or clock.now()) - timedelta(days=RAW_DAYS)
    oldest = select(RawInbound.id).where(RawInbound.received_at < before).order_by(RawInbound.received_at).limit(size)
    old = list(session.scalars(oldest))
    session.execute(update(Inbound).where(one_of(session, Inbound.raw_id, old)).values(raw_id=None))
    session.execute(delete(RawInbound).where(one_of(session, RawInbound.id, old)))
    return len(old)


def dates_zone(session: Session) -> tzinfo:
    """The zone of dates that come without one, as the admin set it."""
    account = session.get(Account, ROW)
    try:
        found = datetime.strptime(account.dates_zone, "%z").tzinfo if account else None
    except ValueError:
        found = None
    return found or clock.GATEWAY_ZONE

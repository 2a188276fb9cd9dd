"""Asking the gateway about statuses: small overlapping windows of `mt_date`, and `mt_id` for one message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway import account, codes
from webapp.gateway.client import Gateway
from webapp.gateway.errors import GatewayError, LookupFailed
from webapp.gateway.models import Account
from webapp.gateway.wire import Receipt
from webapp.messages import receipts
from webapp.messages.models import Cursor, Message, Run
from webapp.messages.reference import encode
from webapp.messages.states import RowState

log = structlog.get_logger(__name__)
WINDOW = timedelta(hours=1)
SMALLEST = timedelta(minutes=1)
AHEAD = timedelta(minutes=5)  # the gateway's clock need not be ours
ASKED_BY_HAND = "mt_date.asked"  # the cursor of questions that people ask
CHUNK = 5000  # rows applied in one transaction
# How far back each sweep looks, and how many polls apart it comes: often for the young, rarely for the old.
SWEEPS = {"recent": (timedelta(hours=2), 1), "day": (timedelta(days=1), 30), "month": (timedelta(days=31), 1440)}


@dataclass(slots=True)
class Asked:
    """What a sweep did: calls made, rows new to us, messages that moved."""

    asked: int = 0
    new: int = 0
    changed: int = 0

    def as_dict(self) -> dict[str, int]:
        """For the commands' JSON."""
        return {"asked": self.asked, "new": self.new, "changed": self.changed}


def gateway_of(services: Services) -> Gateway:
    """A client for the account in force. UserError while none is set."""
    with services.db.reading() as session:
        found = account.login(session, services.settings, services.box)
    if found is None:
        raise UserError("No gateway account is set. An administrator can enter it under Administration, Gateway.")
    return account.connect(found, services.settings)


def sync_statuses(services: Services, gateway: Gateway | None = None, now: datetime | None = None) -> Asked:
    """Ask once, now, about the last day and every older hour (of 32 days) that has messages still under way."""
    now = now or clock.now()
    hours = _hours(now - timedelta(days=1), now + AHEAD)
    with services.db.reading() as session:
        hours = sorted(set(hours) | set(_open_hours(session, now)))
    return _sweep(services, gateway or gateway_of(services), hours)


def sweep(services: Services, name: str, gateway: Gateway | None = None, now: datetime | None = None) -> Asked | None:
    """One of the periodic sweeps of `SWEEPS`; None while no account is set."""
    try:
        gateway = gateway or gateway_of(services)
    except UserError:
        return None
    now = now or clock.now()
    if name == "month":
        with services.db.reading() as session:
            hours = _open_hours(session, now)
    else:
        hours = _hours(now - SWEEPS[name][0], now + AHEAD)
    done, problem = Asked(), None
    try:
        done = _sweep(services, gateway, hours)
    except GatewayError as error:
        problem = f"{type(error).__name__} {error.code}".strip()
        log.warning("status sweep failed", sweep=name, error=problem)
    _note(services, f"mt_date.{name}", now, done, problem)
    return done


def ask_window(
    services: Services, start: datetime, end: datetime, gateway: Gateway | None = None, now: datetime | None = None
) -> Asked:
    """Ask once, now, about everything sent between two moments (naive UTC), because a person wants to know.

    What lies further back than the gateway remembers, or ahead, is not asked. Raises GatewayError, UserError.
    """
    now = now or clock.now()
    start, end = max(start, now - SWEEPS["month"][0]), min(end, now + AHEAD)
    done, problem = Asked(), None
    try:
        if start < end:
            done = _sweep(services, gateway or gateway_of(services), _hours(start, end))
    except (GatewayError, UserError) as error:
        problem = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
        raise
    finally:
        _note(services, ASKED_BY_HAND, now, done, problem)
    return done


def _note(services: Services, name: str, now: datetime, done: Asked, problem: str | None) -> None:
    """Keep when a sweep ran and what it found."""
    with services.db.writing(durable=False) as session:
        cursor = session.get(Cursor, name) or Cursor(name=name, rows=0, differences=0)
        cursor.ran_at, cursor.problem = now, problem
        cursor.rows, cursor.differences = done.new + done.changed, done.changed
        if problem is None:
            cursor.until = now
        session.add(cursor)


def _hours(start: datetime, end: datetime) -> list[datetime]:
    first = start.replace(minute=0, second=0, microsecond=0)
    return [first + WINDOW * place for place in range(int((end - first) / WINDOW) + 1)]


def _open_hours(session: Session, now: datetime) -> list[datetime]:
    """Hours of the last 31 days in which messages left whose last word has not come."""
    oldest = now - SWEEPS["month"][0]
    open_statuses = [code for code in codes.STATUSES if code not in codes.FINAL]
    runs = session.execute(
        select(func.min(Message.at), func.max(Message.at))
        .where(Message.at > oldest, Message.state == RowState.ACCEPTED)
        .where(Message.status.is_(None) | Message.status.in_(open_statuses))
        .group_by(Message.run_id)
    ).all()
    hours: set[datetime] = set()
    for first, last in runs:
        hours.update(_hours(first, min(last, first + timedelta(days=2))))
    return sorted(hours)


def _sweep(services: Services, gateway: Gateway, hours: list[datetime]) -> Asked:
    done = Asked()
    for start in hours:
        _window(services, gateway, start, start + WINDOW, done)
    return done


def _window(services: Services, gateway: Gateway, start: datetime, end: datetime, done: Asked) -> None:
    """One window; halved where its answer does not come whole. Raises what stops a sweep."""
    done.asked += 1
    try:
        found = gateway.by_date(clock.aware(start), clock.aware(end))
    except LookupFailed:
        half = (end - start) / 2
        if half < SMALLEST:
            raise
        _window(services, gateway, start, start + half, done)
        _window(services, gateway, start + half, end, done)
        return
    if found.odd:
        log.warning("rows of mt_date that nobody understands", rows=len(found.odd))
    for at in range(0, len(found.rows), CHUNK):
        part = found.rows[at : at + CHUNK]
        applied = services.db.retrying(_applying(part))
        done.new += applied.new
        done.changed += applied.changed


def _applying(part: list[Receipt]) -> Callable[[Session], receipts.Applied]:
    return lambda session: receipts.apply(session, part, "mt_date")


def check_one(services: Services, message_id: int, gateway: Gateway | None = None) -> receipts.Applied:
    """Ask the gateway about one message, by our reference (or its id where we did not send it)."""
    with services.db.reading() as session:
        message = session.get(Message, message_id)
        if message is None:
            raise NotFound("This message does not exist.")
        run = session.get(Run, message.run_id) if message.run_id else None
        references = [encode(run.token, message.id)] if run else []
        ids = [message.gateway_id] if message.gateway_id and not run else []
    gateway = gateway or gateway_of(services)
    answer = gateway.look_up(references=references, ids=ids)
    source = "mt_id" if run else "mt_date"
    return services.db.retrying(lambda session: receipts.apply(session, answer.rows, source))


def probe(services: Services) -> None:
    """While the gateway's answers are unreadable or the login refused: ask `balance`, and go on once it answers."""
    with services.db.reading() as session:
        kept = session.get(Account, account.ROW)
        if kept is None or kept.stopped_code not in {"unreadable", "010"}:
            return
    try:
        gateway_of(services).balance()
    except (GatewayError, UserError):
        return
    with services.db.writing() as session:
        account.clear_stop(session)
    log.info("the gateway answers again; sending goes on")


def every(settings: Settings, name: str) -> float:
    """Seconds between two runs of a sweep."""
    return settings.poll_seconds * SWEEPS[name][1]

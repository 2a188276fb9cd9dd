"""Asking the gateway for replies: `mo_new`, which hands each out once, and `mo` over the past as the net under it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway import account
from webapp.gateway.client import Gateway
from webapp.gateway.errors import GatewayError, LookupFailed
from webapp.inbox import intake
from webapp.inbox.intake import Read
from webapp.messages.models import Cursor

log = structlog.get_logger(__name__)

WINDOW = timedelta(hours=1)
SMALLEST = timedelta(minutes=2)  # a window that does not answer is halved down to this
OVERLAP = timedelta(minutes=5)
RECENT = timedelta(hours=2)  # swept at every poll
FAR = timedelta(days=2)  # swept every half hour
AHEAD = timedelta(minutes=10)  # the gateway's clock may be ahead of ours


@dataclass(slots=True)
class Asked:
    """What asking brought: calls made, and what reading their answers did."""

    calls: int = 0
    read: Read = field(default_factory=Read)

    def add(self, other: "Asked") -> None:
        """Add another round's counts."""
        self.calls += other.calls
        self.read.add(other.read)


def gateway_of(services: Services) -> Gateway | None:
    """A client for the account in force, None where none is set up."""
    with services.db.reading() as session:
        found = account.login(session, services.settings, services.box)
    return account.connect(found, services.settings) if found else None


def connected(services: Services) -> Gateway:
    """A client for the account in force. Raises UserError where none is set up."""
    gateway = gateway_of(services)
    if gateway is None:
        raise UserError("The gateway account is not set up, so there is nobody to ask for replies.")
    return gateway


def ask_new(services: Services, gateway: Gateway) -> Asked:
    """One `mo_new`. What it hands out is committed before it is read. Raises GatewayError."""
    asked = Asked()
    try:
        body = gateway.new_replies_raw()
        asked.calls = 1
        asked.read = intake.keep_body(services, "mo_new", body)
    except GatewayError as error:
        _remember(services, "mo_new", asked, None, str(error))
        raise
    _remember(services, "mo_new", asked, None, None)
    return asked


def sweep(services: Services, gateway: Gateway, back: timedelta, *, now: datetime | None = None) -> Asked:
    """`mo` over the time from `back` ago until now, in windows of at most an hour, the newest first.

    Whatever it finds new, the other ways missed. Raises GatewayError.
    """
    end = clock.aware(now or clock.now()) + AHEAD
    start = end - AHEAD - back
    name = "mo" if back <= RECENT else "mo_far"
    asked = Asked()
    try:
        while end > start:
            begin = max(end - WINDOW, start)
            asked.add(_window(services, gateway, begin - OVERLAP, end))
            end = begin
    except GatewayError as error:
        _remember(services, name, asked, None, str(error))
        raise
    _remember(services, name, asked, clock.naive(start + back), None)
    return asked


def _window(services: Services, gateway: Gateway, begin: datetime, end: datetime) -> Asked:
    """One window; where it does not answer (too much, too slow) its two halves."""
    try:
        body = gateway.replies_raw(begin, end)
        return Asked(1, intake.keep_body(services, "mo", body))
    except LookupFailed as error:
        if end - begin < 2 * SMALLEST or error.code:
            raise
        middle = begin + (end - begin) / 2
        log.info("window of replies halved", begin=begin.isoformat(), end=end.isoformat(), reason=error.detail)
        asked = Asked(1)
        asked.add(_window(services, gateway, begin, middle))
        asked.add(_window(services, gateway, middle, end))
        return asked


def _remember(services: Services, name: str, asked: Asked, until: datetime | None, problem: str | None) -> None:
    """Note when a way was asked and what came of it, for the inbox's foot and the health page."""

    def write(session: Session) -> None:
        cursor = session.get(Cursor, f"inbox.{name}") or Cursor(name=f"inbox.{name}", rows=0, differences=0)
        session.add(cursor)
        cursor.ran_at = clock.now()
        cursor.until = until or cursor.until
        cursor.rows = asked.read.new + asked.read.changed
        cursor.differences = asked.read.new
        cursor.problem = problem[:200] if problem else None

    services.db.retrying(write, durable=False)

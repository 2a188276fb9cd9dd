"""How fast anybody may try passwords: a growing delay for each account, a limit for each address.

A try is counted before its password is looked at and taken back when that was right, so that a hundred tries at once
count as a hundred. Who nobody knows is counted exactly like who exists.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from webapp.accounts.models import LoginAttempt
from webapp.core import clock

FREE_TRIES = 3  # wrong passwords before an account has to wait
LONGEST_WAIT = 900  # seconds
REMEMBERED = timedelta(hours=24)  # a wrong password older than that no longer counts
ADDRESS_TRIES, ADDRESS_SPAN = 30, timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is tried now; the next try counts in so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A try that goes ahead. `wait` is how many seconds the next one has to wait if this one fails."""

    id: int
    account: str
    wait: int


def count(session: Session, account: str, address: str) -> Counted | Wait:
    """Count a try on an account (a keyed hash of its name) from an address, or say how long to wait."""
    now, network = clock.now(), _network(address)
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:account))"), {"account": account})
    resting = max(_address_wait(session, network, now), _account_wait(session, account, now))
    if resting > 0:
        return Wait(resting)
    session.execute(delete(LoginAttempt).where(LoginAttempt.at < now - REMEMBERED))
    counted = LoginAttempt(account=account, address=network, at=now)
    session.add(counted)
    session.flush()
    return Counted(counted.id, account, delay(_failures(session, account, now)[0]))


def forget(session: Session, account: str) -> None:
    """The password was right: the account starts afresh."""
    session.execute(delete(LoginAttempt).where(LoginAttempt.account == account))


def delay(failures: int) -> int:
    """Seconds to wait after so many wrong passwords in a row: none, then 2, 4, 8 … up to a quarter of an hour."""
    beyond = failures - FREE_TRIES
    return 0 if beyond <= 0 else min(2 ** min(beyond, 20), LONGEST_WAIT)


def _failures(session: Session, account: str, now: datetime) -> tuple[int, datetime | None]:
    row = session.execute(
        select(func.count(), func.max(LoginAttempt.at)).where(
            LoginAttempt.account == account, LoginAttempt.at > now - REMEMBERED
        )
    ).one()
    return row[0], row[1]


def _account_wait(session: Session, account: str, now: datetime) -> int:
    failures, last = _failures(session, account, now)
    return 0 if last is None else _seconds(last, timedelta(seconds=delay(failures)), now)


def _address_wait(session: Session, network: str, now: datetime) -> int:
    recent = session.scalars(
        select(LoginAttempt.at)
        .where(LoginAttempt.address == network, LoginAttempt.at > now - ADDRESS_SPAN)
        .order_by(LoginAttempt.at.desc())
        .limit(ADDRESS_TRIES)
    ).all()
    return _seconds(recent[-1], ADDRESS_SPAN, now) if len(recent) == ADDRESS_TRIES else 0


def _seconds(tried: datetime, rest: timedelta, now: datetime) -> int:
    # A try from the future was made before the clock was set back: it counts as made just now.
    left = (min(tried, now) + rest - now).total_seconds()
    return 0 if left <= 0 else int(left) + 1


def _network(address: str) -> str:
    """One IPv4 address, or the /64 of an IPv6 one: whoever has one of its addresses has all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)

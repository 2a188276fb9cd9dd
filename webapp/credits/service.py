"""Keeping what the gateway says about the account's credits, and the marks below which people are warned."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.errors import UserError
from webapp.credits.alerts import alerts as alerts
from webapp.credits.models import BalanceReading, Threshold
from webapp.credits.queries import DEFAULT_THRESHOLDS
from webapp.credits.queries import latest as latest
from webapp.gateway.wire import Balance

LARGEST = 1_000_000_000


def record(session: Session, balance: Balance, at: datetime | None = None) -> BalanceReading:
    """Keep a reading. A stretch of equal readings keeps its first and its last: the history stays exact and small."""
    at = at or clock.now()
    made = BalanceReading(
        at=at,
        activation=clock.naive(balance.activation) if balance.activation else None,
        expiration=clock.naive(balance.expiration) if balance.expiration else None,
        **{f"balance_{number}": balance.purses.get(number) for number in range(1, 5)},
    )
    newest = select(BalanceReading).order_by(BalanceReading.id.desc()).limit(2)
    before = list(session.scalars(newest))
    if len(before) == 2 and _same(before[0], made) and _same(before[1], made):
        before[0].at = max(at, before[0].at)
        return before[0]
    session.add(made)
    session.flush()
    return made


def _same(one: BalanceReading, other: BalanceReading) -> bool:
    names = ("balance_1", "balance_2", "balance_3", "balance_4", "activation", "expiration")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def set_thresholds(session: Session, marks: dict[str, int | None]) -> dict[str, int]:
    """Set the warning marks (names of `DEFAULT_THRESHOLDS`; None = back to the default); returns what changed.

    Raises UserError for a mark below 0 or beyond a billion.
    """
    changed: dict[str, int] = {}
    for name in DEFAULT_THRESHOLDS.keys() & marks.keys():
        mark = DEFAULT_THRESHOLDS[name] if marks[name] is None else int(marks[name] or 0)
        if not 0 <= mark <= LARGEST:
            raise UserError("A warning mark is a whole number from 0 to %(most)s.", field=f"mark_{name}", most=LARGEST)
        kept = session.get(Threshold, name)
        if (kept.value if kept else DEFAULT_THRESHOLDS[name]) == mark:
            continue
        if kept:
            kept.value = mark
        else:
            session.add(Threshold(name=name, value=mark))
        changed[name] = mark
    return changed

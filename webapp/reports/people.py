"""Whose messages a view is of: numbers behind what was entered, and the way to name them in an address without one."""

from collections.abc import Sequence
from itertools import product

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core import phone
from webapp.core.db import each, one_of
from webapp.messages.models import Message
from webapp.reports.filters import MOST_DIGITS, MOST_PEOPLE, MessageFilter


def numbers_of(session: Session, wanted: MessageFilter) -> list[int] | None:
    """The numbers that a view is of; None where it is not of certain people."""
    if wanted.number is not None:
        return [wanted.number]
    if wanted.people:
        found = select(Message.number).where(Message.id.in_(wanted.people), Message.number > 0).distinct()
        return list(session.scalars(found))
    if len(wanted.digits) >= MOST_DIGITS:
        return _ending_in(session, wanted.digits)
    return None


def keys_of(session: Session, wanted: MessageFilter) -> list[int]:
    """The newest message to each of those people, the newest first."""
    numbers = numbers_of(session, wanted) or []
    newest = select(func.max(Message.id)).where(one_of(session, Message.number, numbers)).group_by(Message.number)
    return sorted(session.scalars(newest), reverse=True)[:MOST_PEOPLE]


def _ending_in(session: Session, digits: str) -> list[int]:
    """Numbers with messages whose last digits are these: the possible ones are asked for, as each is quickly found."""
    possible = each(session, _possible(digits))
    query = select(possible).where(select(Message.id).where(Message.number == possible).exists())
    return list(session.scalars(query))


def _possible(digits: str) -> Sequence[int]:
    """Every Brazilian number that ends in six digits or more; longer ones may be of any country."""
    missing = 8 - len(digits)
    if missing < 0:
        areas = [f"55{ddd}" for ddd in sorted(phone.DDDS)] if missing == -1 else ["", "55"]
        return [int(area + digits) for area in areas]
    fills = ["".join(fill) for fill in product("0123456789", repeat=missing)]
    return [
        int(f"55{ddd}{ninth}{fill}{digits}")
        for ddd in sorted(phone.DDDS)
        for fill in fills
        for ninth in (("9", "") if (fill + digits)[0] in "2345" else ("9",))
    ]

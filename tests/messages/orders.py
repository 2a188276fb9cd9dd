"""Receipts in any order, any number of times, and what they must come to whatever the order: a model in few words."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from webapp.core import clock
from webapp.gateway import codes
from webapp.gateway.wire import Receipt
from webapp.messages.reference import encode

T = TypeVar("T")
STATUSES = (*codes.STATUSES, "42", "77", None)
CARRIERS = ("", "", "Vivo", "Vivo - Celular", "Claro", "Oi")
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)


class End(NamedTuple):
    """What a message comes to."""

    status: str | None
    status_at: datetime | None
    carrier: str | None
    gateway_id: str | None


def pile(dice: random.Random, token: str, keys: Sequence[int], count: int, since: datetime = SINCE) -> list[Receipt]:
    """About so many receipts of messages, a third of them repeats."""
    told = []
    for place in range(count * 2 // 3):
        key = keys[place] if place < len(keys) else dice.choice(keys)  # everybody is heard of
        status = dice.choice(STATUSES)
        gateway_id = str(90_000_000 + key * 2 + dice.choice((0, 0, 0, 1)))
        at = since + timedelta(minutes=dice.randrange(600))
        told.append(
            Receipt(gateway_id, encode(token, key), None, status, status or "", at, "x", dice.choice(CARRIERS), None)
        )
    return told + dice.choices(told, k=count - len(told))


def ends(told: Sequence[Receipt]) -> dict[str, End]:
    """What each message, by its reference, must come to."""
    by_message: dict[str, list[Receipt]] = {}
    for each in told:
        by_message.setdefault(each.reference, []).append(each)
    return {reference: _end(items) for reference, items in by_message.items()}


def _end(items: Sequence[Receipt]) -> End:
    heard = [each for each in items if each.status is not None]
    top = max(heard, key=lambda each: (codes.rank(each.status), each.status), default=None)
    named = [(codes.rank(each.status), each.carrier) for each in items if each.carrier]
    return End(
        top and top.status,
        min((clock.naive(each.at) for each in heard if each.at and top and each.status == top.status), default=None),
        max(named)[1] if named else None,
        min((each.gateway_id for each in items), key=lambda id: (len(id), id)),
    )


def in_groups(told: Sequence[T], dice: random.Random, largest: int) -> Iterator[Sequence[T]]:
    """Cut into groups of any size up to `largest`."""
    at = 0
    while at < len(told):
        size = dice.randint(1, largest)
        yield told[at : at + size]
        at += size

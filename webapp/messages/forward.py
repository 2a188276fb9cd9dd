"""How one message moves by what is said of it: pure, and the end is the same in whatever order things are said.

Each value is the greatest, or the least, of what was ever said: the status that ranks highest (of two unknown codes the
greater text), the earliest date told with it, the carrier named by the highest status that names one, the lowest id.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from webapp.core import clock
from webapp.gateway import codes, wire
from webapp.messages.rows import Row
from webapp.messages.states import RowState

FUTURE = timedelta(hours=26)  # no zone explains a date that lies further ahead
OLD = timedelta(days=400)
STATUS_LENGTH, CARRIER_LENGTH, ID_LENGTH = 8, 60, 40  # characters that are kept
UNNAMED = -2  # rank of the status that named a carrier, where none did


class Told(NamedTuple):
    """What a receipt says, as far as it is kept. `at` is naive UTC, None where there is no date or an odd one."""

    status: str | None
    rank: int
    at: datetime | None
    is_odd: bool
    carrier: str | None
    gateway_id: str | None


def told(receipt: wire.Receipt, now: datetime) -> Told:
    """A receipt, cut to what is kept."""
    at = clock.naive(receipt.at) if receipt.at else None
    if at is not None and not now - OLD <= at <= now + FUTURE:
        at = None
    status, is_odd = receipt.status, at is None and bool(receipt.at_raw or receipt.at)
    return Told(
        status[:STATUS_LENGTH] if status else None, codes.rank(status), at, is_odd,
        receipt.carrier[:CARRIER_LENGTH] or None, receipt.gateway_id[:ID_LENGTH] or None,
    )  # fmt: skip


def fold(row: Row, all_told: Iterable[Told], now: datetime, named: int, *, dated: bool) -> tuple[Row, list[bool]]:
    """The row after everything told of it, and which of it was news.

    `named` is the rank of the highest status that named the row's carrier so far. `dated`: dates say when a status was
    reached (those of look-ups say when the message was sent).
    """
    news = []
    for each in all_told:
        after, named = _step(row, each, now, named, dated)
        news.append(after is not row)
        row = after
    return row, news


def _step(row: Row, told: Told, now: datetime, named: int, dated: bool) -> tuple[Row, int]:
    """One piece of news; the same row where it is none. Whatever is told proves acceptance."""
    new: dict[str, object] = {}
    if row.state != RowState.ACCEPTED:
        new.update(state=RowState.ACCEPTED, reason=None, at=now)
    if told.gateway_id and (not row.gateway_id or _number(told.gateway_id) < _number(row.gateway_id)):
        new["gateway_id"] = told.gateway_id
    if told.status is not None:
        if (told.rank, told.status) > (codes.rank(row.status), row.status or ""):
            new["status"], new["status_at"] = told.status, told.at or now
        elif dated and told.at and told.status == row.status and (row.status_at is None or told.at < row.status_at):
            new["status_at"] = told.at
    if told.carrier:
        if told.carrier == row.carrier:
            named = max(named, told.rank)
        elif row.carrier is None or (told.rank, told.carrier) > (named, row.carrier):
            new["carrier"], named = told.carrier, told.rank
    return (row._replace(**new) if new else row), named  # type: ignore[arg-type]


def _number(gateway_id: str) -> tuple[int, str]:
    """Ids in the order of the numbers that they nearly always are."""
    return len(gateway_id), gateway_id

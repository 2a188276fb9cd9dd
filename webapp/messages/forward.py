"""How one message moves by what is said of it: pure, and the end is the same in whatever order things are said.

Each value is the greatest, or the least, of what was ever said: the status that ranks highest (of two unknown codes the
greater text), the earliest date told with it, the carrier named by the highest status that names one, the lowest id.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webapp.core import clock
from webapp.gateway import codes, wire
from webapp.messages.rows import Row
from webapp.messages.states import RowState

FUTURE = timedelta(hours=26)  # no zone explains a date that lies further ahead
OLD = timedelta(days=400)
STATUS_LENGTH, CARRIER_LENGTH, ID_LENGTH = 8, 60, 40  # characters that are kept
UNNAMED = -2  # rank of the status that named a carrier, where none did


def fold(row: Row, told: Iterable[wire.Receipt], now: datetime, named: int, *, dated: bool) -> tuple[Row, list[bool]]:
    """The row after everything told of it, and which receipts told something new.

    `named` is the rank of the highest status that named the row's carrier so far. `dated`: dates say when a status was
    reached (those of look-ups say when the message was sent).
    """
    news = []
    for receipt in told:
        after, named = _step(row, receipt, now, named, dated)
        news.append(after is not row)
        row = after
    return row, news


def _step(row: Row, receipt: wire.Receipt, now: datetime, named: int, dated: bool) -> tuple[Row, int]:
    """One piece of news; the same row where it is none. Any receipt proves acceptance."""
    new: dict[str, object] = {}
    if row.state != RowState.ACCEPTED:
        new.update(state=RowState.ACCEPTED, reason=None, at=now)
    gateway_id = receipt.gateway_id[:ID_LENGTH]
    if gateway_id and (not row.gateway_id or _number(gateway_id) < _number(row.gateway_id)):
        new["gateway_id"] = gateway_id
    rank = codes.rank(receipt.status)
    if receipt.status is not None:
        _status(row, receipt, rank, now, dated, new)
    carrier = receipt.carrier[:CARRIER_LENGTH]
    if carrier == row.carrier:
        named = max(named, rank)
    elif carrier and (row.carrier is None or (rank, carrier) > (named, row.carrier)):
        new["carrier"], named = carrier, rank
    return (row._replace(**new) if new else row), named  # type: ignore[arg-type]


def _status(row: Row, receipt: wire.Receipt, rank: int, now: datetime, dated: bool, new: dict[str, object]) -> None:
    status = (receipt.status or "")[:STATUS_LENGTH]
    at = clock.naive(receipt.at) if receipt.at and not odd_date(receipt.at, now) else None
    if (rank, status) > (codes.rank(row.status), row.status or ""):
        new.update(status=status, status_at=at or now)
    elif dated and at and status == row.status and (row.status_at is None or at < row.status_at):
        new["status_at"] = at


def _number(gateway_id: str) -> tuple[int, str]:
    """Ids in the order of the numbers that they nearly always are."""
    return len(gateway_id), gateway_id


def odd_date(at: datetime, now: datetime) -> bool:
    """Whether a date can not be one of a message of ours: far ahead or far back."""
    moment = clock.naive(at)
    return moment > now + FUTURE or moment < now - OLD

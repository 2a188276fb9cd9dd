"""What the gateway says became of messages, from callbacks and look-ups alike: one function, forward only.

Whatever the order, the repetition and the source of what we hear, a message ends in one and the same state: each of its
values is the greatest, or the least, of what was ever said. Lock order in every transaction of this package: batches,
then messages by key, then counters.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from webapp.core import bulk, clock
from webapp.core.db import each, one_of
from webapp.core.phone import canonical
from webapp.gateway import codes, wire
from webapp.messages import outbox, outside, reference, rows, silence
from webapp.messages.counters import Changes
from webapp.messages.forward import UNNAMED, fold, told
from webapp.messages.models import Batch, Receipt
from webapp.messages.rows import Row
from webapp.messages.states import BatchState, RowState
from webapp.optouts import erased

REFERENCE_LENGTH = 60  # characters that are kept
_RECEIPT = cast(Table, Receipt.__table__)
_KEPT = (
    "message_id",
    "heard_at",
    "source",
    "raw",
    "reference",
    "gateway_id",
    "status",
    "status_at",
    "carrier",
    "problem",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One piece of news with the bytes it came in (callbacks only)."""

    receipt: wire.Receipt
    raw: str | None = None


@dataclass(slots=True)
class Applied:
    """What became of a pile of news."""

    rows: int = 0  # read
    found: int = 0  # about messages of ours
    new: int = 0  # messages accepted by this, or sent by other systems and seen for the first time
    changed: int = 0  # messages that moved forward
    dropped: int = 0  # of others, about people who were erased since: nothing of them is kept
    keys: frozenset[int] = frozenset()  # of ours, that the gateway knows


def apply(session: Session, heard: Sequence[wire.Receipt | Heard], source: str) -> Applied:
    """Take news in: each status forward only, pending rows that the gateway knows accepted, counters with them.

    `source` is callback, mt_id or mt_date. Of mt_date, what is not ours is kept as sent by other systems; of a callback
    the raw receipt is kept whatever it says.
    """
    session.flush()  # what follows goes past the session
    now, dated = clock.now(), source == "callback"
    news = [_News(item if isinstance(item, Heard) else Heard(item), now) for item in heard]
    ours, matched, others = _match(session, news)
    result = Applied(rows=len(news), found=len(news) - len(others), keys=frozenset(matched))
    named = _named(session, ours, matched)
    changes, kept = Changes(), []
    moved: list[Row] = []
    accepted: list[Row] = []
    early: list[Row] = []  # accepted by what was heard, before the answer to the call was written down
    for key in sorted(matched):
        row, items = ours[key], matched[key]
        after, new = fold(row, [item.told for item in items], now, named.get(key, UNNAMED), dated=dated)
        if after is not row:
            changes.move(row.place, after.place)
            (moved if row.state == RowState.ACCEPTED else accepted).append(after)
            if row.state == RowState.PENDING:
                early.append(row)
        for item, is_news in zip(items, new, strict=True):
            if is_news or dated:
                kept.append(item.kept(now, source, key, without_raw=row.number < 0))
    result.changed, result.new = len(moved) + len(accepted), len(accepted)
    stones = erased.load(session) if others else None
    if source == "callback":
        kept += [item.kept(now, source, None, without_raw=bool(stones and item.is_old(stones))) for item in others]
    elif source == "mt_date":
        seen = outside.take(session, [item.receipt for item in others], now, changes, stones)
        result.new, result.changed = result.new + seen.new, result.changed + seen.changed
        result.dropped = seen.dropped
    _count_down(session, early)
    with bulk.together(session):
        rows.write(session, moved, accepted)
        bulk.insert(session, _RECEIPT, _KEPT, kept)
        changes.write(session)
    if source == "callback":
        silence.note(session, now)
    return result


class _News:
    """Something heard, with what it says."""

    __slots__ = ("raw", "receipt", "told")

    def __init__(self, heard: Heard, now: datetime) -> None:
        self.receipt, self.raw = heard.receipt, heard.raw
        self.told = told(heard.receipt, now)

    def is_old(self, stones: erased.Tombstones) -> bool:
        """Whether it is about somebody who was erased since."""
        at = self.receipt.at
        return stones.is_old(self.receipt.number, clock.naive(at) if at else None)

    def kept(self, now: datetime, source: str, key: int | None, *, without_raw: bool) -> tuple[Any, ...]:
        """The row that is kept of it; without the bytes where the number of somebody stands in them who was erased."""
        told, problem = self.told, None
        if key is None:
            problem = "unknown_reference"
        elif told.rank == codes.UNKNOWN_RANK:
            problem = "unknown_status"
        elif told.is_odd:
            problem = "odd_date"
        return (
            key, now, source, None if without_raw else self.raw, self.receipt.reference[:REFERENCE_LENGTH] or None,
            told.gateway_id, told.status, told.at, told.carrier, problem,
        )  # fmt: skip


def _match(session: Session, news: Iterable[_News]) -> tuple[dict[int, Row], dict[int, list[_News]], list[_News]]:
    """Our rows, locked, the news of each by its key, and news about nothing of ours: reference, random part and number
    must agree.

    Of a person who was erased no number is left to agree with, and the reference alone decides.
    """
    by_key: dict[int, list[tuple[str, _News]]] = {}
    others: list[_News] = []
    for item in news:
        decoded = reference.decode(item.receipt.reference)
        if decoded:
            by_key.setdefault(decoded[1], []).append((decoded[0], item))
        else:
            others.append(item)
    ours = rows.locked(session, by_key)
    matched: dict[int, list[_News]] = {}
    for key, items in by_key.items():
        row = ours.get(key)
        for given, item in items:
            if row is not None and given == row.token and _is_of(row, item.receipt):
                matched.setdefault(key, []).append(item)
            else:
                others.append(item)
    return ours, matched, others


def _is_of(row: Row, receipt: wire.Receipt) -> bool:
    return row.number < 0 or receipt.number in (None, row.number, canonical(row.number))


def _named(session: Session, ours: Mapping[int, Row], matched: Mapping[int, Sequence[_News]]) -> dict[int, int]:
    """Where another carrier is named than before: the rank of the highest status that named the one we hold."""
    doubtful = [
        key
        for key, items in matched.items()
        if (held := ours[key].carrier) and any(item.told.carrier not in (None, held) for item in items)
    ]
    found: dict[int, int] = {}
    if doubtful:
        columns = _RECEIPT.c
        heard = select(columns.message_id, columns.carrier, columns.status)
        for key, carrier, status in session.execute(heard.where(one_of(session, columns.message_id, doubtful))):
            if carrier == ours[key].carrier:
                found[key] = max(found.get(key, UNNAMED), codes.rank(status))
    return found


def _count_down(session: Session, accepted: Sequence[Row]) -> None:
    """Rows that a receipt accepted are no longer pending in their batches, which are locked."""
    if not accepted:
        return
    key = each(session, [row.id for row in accepted])
    last = select(Batch.id).where(Batch.first_key <= key).order_by(Batch.first_key.desc()).limit(1).scalar_subquery()
    fewer = Counter(batch_id for _, batch_id in session.execute(select(key, last)))
    for batch in session.scalars(select(Batch).where(one_of(session, Batch.id, list(fewer))).order_by(Batch.id)):
        batch.pending -= fewer[batch.id]
        if batch.pending == 0 and batch.state != BatchState.SENDING:
            batch.state = BatchState.DONE
    session.flush()
    for run_id in {row.run_id for row in accepted}:
        outbox.finish_if_done(session, run_id)

"""Counters that differ from their messages: written down with what they said and what is right, and set right.

What they differ by is added to them in one short transaction, whatever has been sent and heard since it was measured.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.messages import doubt, outbox, recount
from webapp.messages.counters import Changes, DayKey, RunKey
from webapp.messages.models import Batch, CountDrift, CountRound, DayCount, Run, RunCount
from webapp.messages.recount import Tally
from webapp.messages.states import BatchState, RunState

log = structlog.get_logger(__name__)
KEPT = 500  # records; older ones are forgotten
CELLS = 40  # counters that one record names
RECOUNTED = "recount"  # `batch.problem` of one that had rows to send although it counted as done


def mend(session: Session, off: Tally, seen: int) -> list[CountDrift]:
    """Add to the counters what they lack, and keep a record for each run and day. `off` and `seen` as in `Compared`.

    Nothing where somebody else has mended since `seen`: it is to be counted again.
    """
    session.scalars(select(CountRound).order_by(CountRound.name).with_for_update()).all()  # one who mends at a time
    if recount.newest_record(session) != seen:
        return []
    records = [_record(session, run_id, day, part) for (run_id, day), part in _by_place(off)]
    changes = Changes()
    for key, (n, credits) in off.items():
        book: dict[Any, list[int]] = changes.runs if isinstance(key, RunKey) else changes.days
        book[key] = [n, credits]
    changes.write(session)
    _keep(session, records)
    return records


def _by_place(off: Tally) -> Iterable[tuple[tuple[int | None, date | None], Tally]]:
    found: dict[tuple[int | None, date | None], Tally] = {}
    for key, what in sorted(off.items()):
        place = (key.run_id, None) if isinstance(key, RunKey) else (None, key.day)
        found.setdefault(place, {})[key] = what
    return found.items()


def _record(session: Session, run_id: int | None, day: date | None, off: Tally) -> CountDrift:
    """One run's or day's, with what its counters say now and what they will."""
    held = _held_now(session, run_id, day)
    cells = []
    for key, (n, credits) in sorted(off.items(), key=lambda item: -abs(item[1][0]))[:CELLS]:
        had = held.get(key, recount.NOTHING)
        cells.append({"of": list(key[1:]), "held": list(had), "counted": [had[0] + n, had[1] + credits]})
    return CountDrift(
        found_at=clock.now(), run_id=run_id, day=day, counters=len(off), messages=sum(abs(n) for n, _ in off.values()),
        credits=sum(credits for _, credits in off.values()), cells=cells,
    )  # fmt: skip


def _held_now(session: Session, run_id: int | None, day: date | None) -> Tally:
    if run_id is not None:
        runs = session.scalars(select(RunCount).where(RunCount.run_id == run_id))
        return {RunKey(run_id, c.state, c.reason, c.status, c.carrier): (c.n, c.credits) for c in runs}
    days = session.scalars(select(DayCount).where(DayCount.day == day))
    return {DayKey(c.day, c.hour, c.type, c.carrier, c.status): (c.n, c.credits) for c in days}


def _keep(session: Session, records: Sequence[CountDrift]) -> None:
    session.add_all(records)
    session.flush()
    newest = recount.newest_record(session)
    session.execute(delete(CountDrift).where(CountDrift.id <= newest - KEPT))
    for record in records:
        log.error(
            "counters differed from their messages and were set right", run=record.run_id, day=record.day,
            counters=record.counters, messages=record.messages, credits=record.credits, cells=record.cells,
        )  # fmt: skip


def mend_batch(session: Session, batch_id: int) -> CountDrift | None:
    """Count a batch's pending rows while nobody else can change it, and set right what it says of them."""
    batch = session.scalar(select(Batch).where(Batch.id == batch_id).with_for_update())
    if batch is None or (right := recount.pending_of(session, batch)) == batch.pending:
        return None
    record = CountDrift(
        found_at=clock.now(), run_id=batch.run_id, day=None, counters=1, messages=abs(right - batch.pending), credits=0,
        cells=[{"of": ["batch", batch.id], "held": [batch.pending, 0], "counted": [right, 0]}],
    )  # fmt: skip
    batch.pending = right
    if right == 0 and batch.state in {BatchState.QUEUED, BatchState.HELD, BatchState.UNKNOWN}:
        doubt.end(batch, BatchState.DONE)
    elif batch.state == BatchState.DONE:
        _ask_about(session, batch)
    session.flush()
    outbox.finish_if_done(session, batch.run_id)
    _keep(session, [record])
    return record


def _ask_about(session: Session, batch: Batch) -> None:
    """Nobody is missed: what never left although its batch counted as done is for a person to decide."""
    batch.state, batch.problem = BatchState.HELD, RECOUNTED
    run = session.get_one(Run, batch.run_id, with_for_update=True)
    if run.state == RunState.FINISHED:
        run.state, run.finished_at = RunState.RUNNING, None


def lately(session: Session, now: datetime, days: int = 7, most: int = 50) -> Sequence[CountDrift]:
    """The records of the last days, the newest first, at most so many."""
    since = now - timedelta(days=days)
    return session.scalars(
        select(CountDrift).where(CountDrift.found_at > since).order_by(CountDrift.id.desc()).limit(most)
    ).all()

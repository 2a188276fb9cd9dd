"""The outbox: launches become rows and batches here, and everything a person does to them before they leave.

A row is written and committed with its key before any call that may send it; its reference decodes to that key.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

from psycopg.errors import UniqueViolation
from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for, moment
from webapp.messages import counters, late
from webapp.messages.models import Batch, KeyCounter, Message, Run
from webapp.messages.reference import new_token
from webapp.messages.states import OPEN_BATCHES, BatchState, RowState, RunState, is_over

SINGLE_PRIORITY = 0  # replies and tests leave before campaigns
CANARY_SHARE, CANARY_LEAST = 0.01, 100  # of the audience, and people, that a canary sends ahead
CANARY = "canary"  # `batch.problem` of what waits for the canary's end
_WRITTEN = ("id", "run_id", "number", "type", "text", "state", "reason", "at")
_Written = tuple[int, int, int, int, str | None, str, str | None, datetime | str]
_REASON = itemgetter(_WRITTEN.index("reason"))
_PENDING, _SUPPRESSED = RowState.PENDING.value, RowState.SUPPRESSED.value  # plain texts, as drivers like them


class NewMessage(NamedTuple):
    """One person of a launch. `not_before` is naive UTC (None: the run's own); `left_out` is a reason of `REASONS`."""

    number: int
    text: str | None = None
    not_before: datetime | None = None
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a cancel did: messages stopped here, and messages that had left (or may have)."""

    stopped: int
    left: int


def reserve_keys(session: Session, count: int) -> int:
    """The first of `count` contiguous keys that nobody else gets."""
    table = cast(Table, KeyCounter.__table__)
    statement = insert_for(session, table).values(name="message", value=count)
    after: int = session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": table.c.value + statement.excluded.value}
        ).returning(table.c.value)
    ).scalar_one()
    return after - count + 1


def open_run(
    session: Session,
    *,
    kind: str,
    name: str,
    type: int,
    text: str,
    total: int,
    not_before: datetime,
    caption: str = "",
    deliver_at: datetime | None = None,
    deliver_zone: str | None = None,
    valid_until: datetime | None = None,
    ignores_window: bool = False,
    canary: bool = False,
    priority: int = 10,
    created_by: int | None = None,
    forecast: int = 0,
) -> Run:
    """A launch of `total` people with its keys reserved, in the state *launching*. Times are naive UTC."""
    first = reserve_keys(session, max(total, 1))
    run = Run(
        kind=kind, name=name, type=type, text=text, caption=caption, token=new_token(), state=RunState.LAUNCHING,
        priority=priority, served=0, first_key=first, last_key=first + max(total, 1) - 1, launched_keys=0,
        not_before=not_before, deliver_at=deliver_at, deliver_zone=deliver_zone, valid_until=valid_until,
        ignores_window=ignores_window, canary=canary, total=total, forecast=forecast, created_at=clock.now(),
        created_by=created_by,
    )  # fmt: skip
    session.add(run)
    session.flush()
    return run


def write_chunk(session: Session, run: Run, rows: Sequence[NewMessage], batch_size: int) -> int:
    """Write the next rows of a launch with their batches; returns how many were new.

    `run.launched_keys` moves by `len(rows)` in the same transaction, so a launch that was killed goes on with the next
    row. A number that the run has already leaves a hole.
    """
    start = run.first_key + run.launched_keys
    if start + len(rows) - 1 > run.last_key:
        raise ValueError(f"run {run.id} reserved {run.last_key - run.first_key + 1} keys, more rows were offered")
    now = clock.now()
    run_id, type_, at = run.id, run.type, _driver_moment(session, now)
    written = _insert_new(session, run_id, [
        (key, run_id, number, type_, text, _SUPPRESSED if left_out else _PENDING, left_out, at)
        for key, (number, text, _, left_out) in enumerate(rows, start)
    ])  # fmt: skip
    changes = counters.Changes()
    for reason, n in Counter(map(_REASON, written)).items():
        state = _SUPPRESSED if reason else _PENDING
        changes.add(counters.Place(run_id, state, reason, None, None, type_, now, None), n)
    changes.write(session)
    due = [(row[0], rows[row[0] - start].not_before) for row in written if row[6] is None]
    if batches := list(_batches(run, due, batch_size)):
        session.execute(insert(Batch), batches)
    run.launched_keys += len(rows)
    return len(written)


def _insert_new(session: Session, run_id: int, rows: list[_Written]) -> list[_Written]:
    """Insert the rows that the run does not have; returns those. Doubles are so rare that they are met, not sought."""
    if not rows:
        return []
    try:
        with session.begin_nested():
            _insert(session, rows)
        return rows
    except (IntegrityError, UniqueViolation):
        numbers = [row[2] for row in rows]
        known = select(Message.number).where(Message.run_id == run_id, Message.number.in_(numbers))
        there = set(session.scalars(known))
    fresh: dict[int, _Written] = {}
    for row in rows:
        if row[2] not in there:
            fresh.setdefault(row[2], row)
    _insert(session, list(fresh.values()))
    return list(fresh.values())


def _insert(session: Session, rows: list[_Written]) -> None:
    """The driver's own way for many rows: nothing of SQLAlchemy's stands between."""
    connection, names = session.connection(), ", ".join(_WRITTEN)
    if connection.dialect.name == "postgresql":
        with connection.connection.cursor().copy(f"COPY message ({names}) FROM STDIN") as copy:
            copy.write("".join([
                f"{key}\t{run_id}\t{number}\t{type_}\t{_copied(text)}\t{state}\t{_copied(reason)}\t{at}\n"
                for key, run_id, number, type_, text, state, reason, at in rows
            ]))  # fmt: skip
    elif rows:
        connection.exec_driver_sql(
            f"INSERT INTO message ({names}) VALUES ({', '.join('?' * len(_WRITTEN))})",  # noqa: S608 - names are ours
            rows,
        )


def _copied(text: str | None) -> str:
    """A text as PostgreSQL's COPY reads it. Nothing but these four signs means anything there."""
    if text is None:
        return "\\N"
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _driver_moment(session: Session, at: datetime) -> datetime | str:
    """A moment as the driver takes it where SQLAlchemy's types do not stand between."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if session.get_bind().dialect.name == "sqlite" else at


def _batches(run: Run, due: Sequence[tuple[int, datetime | None]], size: int) -> Iterator[dict[str, Any]]:
    """Cut keys with their openings into batches: one not-before each, at most `size` rows, the canary's apart."""
    ahead = run.first_key + canary_size(run.total) if run.canary else run.last_key + 1
    for opening, group in groupby(due, key=itemgetter(1)):
        keys = [key for key, _ in group]
        first = bisect_left(keys, ahead)
        for waits, part in ((False, keys[:first]), (True, keys[first:])):
            for at in range(0, len(part), size):
                yield _batch(run, part[at : at + size], opening, waits)


def _batch(run: Run, keys: list[int], opening: datetime | None, waits: bool) -> dict[str, Any]:
    return {
        "run_id": run.id, "first_key": keys[0], "last_key": keys[-1], "pending": len(keys),
        "state": BatchState.HELD if waits else BatchState.QUEUED, "problem": CANARY if waits else None,
        "not_before": max(opening or run.not_before, run.not_before), "attempts": 0, "looks": 0, "scheduled": False,
    }  # fmt: skip


def canary_size(total: int) -> int:
    """How many people of an audience a canary writes to ahead of the others."""
    return max(int(total * CANARY_SHARE), CANARY_LEAST)


def release_canary(session: Session, run_id: int) -> None:
    """What waited for the canary is due."""
    session.execute(
        update(Batch)
        .where(Batch.run_id == run_id, Batch.state == BatchState.HELD, Batch.problem == CANARY)
        .values(state=BatchState.QUEUED, problem=None)
    )


def finish_launch(session: Session, run: Run) -> None:
    """Every row is written: the run may send, unless somebody cancelled it meanwhile."""
    if run.state == RunState.LAUNCHING:
        run.state = RunState.RUNNING
        session.flush()
        late.ask_about(session, moment(session), Run.id == run.id)  # we may have been down in the middle of it
    if run.state == RunState.CANCELLED:
        close_rows(session, RowState.CANCELLED, None, Batch.run_id == run.id)
    finish_if_done(session, run.id)


def send_one(
    session: Session,
    *,
    kind: str,
    name: str,
    number: int,
    type: int,
    text: str,
    caption: str = "",
    created_by: int | None = None,
) -> Message:
    """One message to one person, ahead of every campaign and free of the sending window (a person wrote it now)."""
    run = open_run(
        session, kind=kind, name=name, type=type, text=text, caption=caption, total=1, not_before=clock.now(),
        ignores_window=True, priority=SINGLE_PRIORITY, created_by=created_by,
    )  # fmt: skip
    write_chunk(session, run, [NewMessage(number)], 1)
    finish_launch(session, run)
    return session.get_one(Message, run.first_key)


def pause(session: Session, run: Run, reason: str = "person") -> bool:
    """Stop handing over within the batch that is leaving. False where the run is over or paused already."""
    done = session.execute(
        update(Run)
        .where(Run.id == run.id, Run.state == RunState.RUNNING)
        .values(state=RunState.PAUSED, pause_reason=reason)
    )
    session.refresh(run)
    return bool(done.rowcount)  # type: ignore[attr-defined]


def resume(session: Session, run: Run) -> bool:
    """Go on. What was to leave at a time that has passed goes out now."""
    values: dict[str, Any] = {"state": RunState.RUNNING, "pause_reason": None, "refused_in_row": 0}
    if run.deliver_at is not None and run.deliver_at <= clock.now():
        values["deliver_at"] = None
    if (run.pause_reason or "").startswith(CANARY):  # a person looked at it and goes on
        release_canary(session, run.id)
    done = session.execute(update(Run).where(Run.id == run.id, Run.state == RunState.PAUSED).values(**values))
    session.refresh(run)
    finish_if_done(session, run.id)
    return bool(done.rowcount)  # type: ignore[attr-defined]


def cancel(session: Session, run: Run) -> Cancelled:
    """Stop everything that is still ours. A batch that is leaving, or may have left, is counted as left.

    Of a campaign that was late, and asked, the rest is expired: somebody decided that it is not worth sending any more.
    """
    declined = run.state == RunState.PAUSED and run.pause_reason == "late"
    closed, reason = (RowState.EXPIRED, "declined") if declined else (RowState.CANCELLED, None)
    if not is_over(run):
        run.state, run.cancelled_at = RunState.CANCELLED, clock.now()
        session.flush()
        close_rows(session, closed, reason, Batch.run_id == run.id)
    stopped = (Message.state == RowState.CANCELLED) | (Message.reason == "declined")
    of_run = select(func.count()).where(Message.id.between(run.first_key, run.last_key), Message.run_id == run.id)
    total = session.scalar(of_run.where(stopped))
    left = session.scalar(of_run.where(Message.state.in_([RowState.ACCEPTED, RowState.PENDING])))
    return Cancelled(total or 0, left or 0)


def suppress(session: Session, number: int, reason: str = "optout", types: frozenset[int] | None = None) -> int:
    """Stop the messages to a person that have not left; returns how many. What is leaving now can not be stopped."""
    rows = session.execute(
        select(Message.id, Batch.id, Run.id, Run.type)
        .join(Run, Run.id == Message.run_id)
        .join(Batch, (Batch.run_id == Run.id) & (Batch.first_key <= Message.id) & (Batch.last_key >= Message.id))
        .where(Message.number == number, Message.state == RowState.PENDING, Message.reason.is_(None))
        .where(Batch.state.in_([BatchState.QUEUED, BatchState.HELD]))
        .with_for_update(of=Batch)
    ).all()
    stopped = 0
    for key, batch_id, _run_id, kind in rows:
        if types is None or kind in types:
            stopped += close_rows(session, RowState.SUPPRESSED, reason, Batch.id == batch_id, only=[key])
    return stopped


def close_rows(
    session: Session, state: RowState, reason: str | None, where: Any, *, only: Sequence[int] | None = None
) -> int:
    """Move pending rows of queued or held batches to a state in which they never leave, counters and all.

    `where` chooses the batches, `only` the rows of them. Returns how many rows moved.
    """
    batches = session.scalars(
        select(Batch).where(where, Batch.state.in_([BatchState.QUEUED, BatchState.HELD])).with_for_update()
    ).all()
    changes, moved = counters.Changes(), 0
    for batch in batches:
        rows = update(Message).where(
            Message.id.between(batch.first_key, batch.last_key), Message.state == RowState.PENDING
        )
        if only is not None:
            rows = rows.where(Message.id.in_(only))
        n = session.execute(rows.values(state=state, reason=reason)).rowcount  # type: ignore[attr-defined]
        if not n:
            continue
        now, kind = clock.now(), session.get_one(Run, batch.run_id).type
        changes.add(counters.Place(batch.run_id, RowState.PENDING, None, None, None, kind, now, None), -n)
        changes.add(counters.Place(batch.run_id, state, reason, None, None, kind, now, None), n)
        batch.pending -= n
        if batch.pending == 0:
            batch.state = BatchState.DONE
        moved += n
    changes.write(session)
    session.flush()
    for run_id in {batch.run_id for batch in batches}:
        finish_if_done(session, run_id)
    return moved


def cut(session: Session, batch_id: int, keep: int) -> None:
    """Leave a queued batch its first `keep` pending rows; the others become a batch of their own behind it."""
    batch = session.scalar(select(Batch).where(Batch.id == batch_id).with_for_update())
    if batch is None or batch.state != BatchState.QUEUED or batch.pending <= keep:
        return
    beyond = session.scalar(
        select(Message.id)
        .where(Message.id.between(batch.first_key, batch.last_key), Message.run_id == batch.run_id)
        .where(Message.state == RowState.PENDING)
        .order_by(Message.id)
        .offset(keep)
        .limit(1)
    )
    if beyond is None:
        return
    session.add(
        Batch(
            run_id=batch.run_id, first_key=beyond, last_key=batch.last_key, pending=batch.pending - keep,
            state=BatchState.QUEUED, not_before=batch.not_before, attempts=batch.attempts, looks=0,
            scheduled=False, problem=batch.problem,
        )
    )  # fmt: skip
    batch.last_key, batch.pending = beyond - 1, keep
    session.flush()


_FINISH = (
    update(Run)
    .where(Run.id == bindparam("run"), Run.state.in_([RunState.RUNNING, RunState.PAUSED]))
    .where(
        ~select(Batch.id)
        .where(Batch.run_id == bindparam("run"), Batch.state.in_(OPEN_BATCHES), Batch.pending > 0)
        .exists()
    )
    .values(state=RunState.FINISHED, finished_at=bindparam("now"), pause_reason=None)
    .execution_options(synchronize_session="fetch")
)


def finish_if_done(session: Session, run_id: int) -> None:
    """A run that still runs and has no batch to send or to look up is finished."""
    session.execute(_FINISH, {"run": run_id, "now": clock.now()})

"""What it has cost: the gateway's ledger and our tables, compared person by person, status by status, sum by sum."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.crash.ratchet import steps_back
from webapp.core.db import Database
from webapp.messages import queries
from webapp.messages.counters import day_and_hour
from webapp.messages.models import CountDrift, DayCount, Message, Run, RunCount
from webapp.messages.reference import encode
from webapp.messages.states import RowState
from webapp.sandbox.server import Sandbox


@dataclass(frozen=True)
class Toll:
    """What the gateway's ledger says about what we say."""

    twice: int
    missed: int
    unknown_to_us: int  # accepted by the gateway, and not by what we know
    statuses_wrong: int
    steps_back: int
    people: int
    accepted: int
    suppressed: int


def take(db: Database, box: Sandbox, audience: int) -> Toll:
    """Compare everything. `audience` is how many people every campaign was for."""
    ledger = Counter((int(row["number"]), str(row["content"])) for row in box.ledger())
    people = accepted = suppressed = missed = 0
    ours: set[tuple[int, str]] = set()
    with db.reading() as session:
        for run in session.scalars(select(Run)):
            rows = session.execute(select(Message.number, Message.state).where(Message.run_id == run.id)).all()
            taken = {(number, run.text) for number, state in rows if state == RowState.ACCEPTED}
            left_out = sum(state == RowState.SUPPRESSED for _, state in rows)
            missed += audience - len(taken) - left_out  # no row, or one that neither left nor was kept back
            people, accepted, suppressed = people + len(rows), accepted + len(taken), suppressed + left_out
            ours |= taken
            counts = queries.counts(session, run)
            assert counts.adds_up, run.id
            assert (counts.accepted, counts.suppressed) == (len(taken), left_out), run.id
        counters_add_up(session)
        outside = session.scalar(select(func.count()).where(Message.run_id.is_(None))) or 0
        wrong = statuses_wrong(session, box)
    return Toll(
        sum(n - 1 for n in ledger.values()), missed + len(ours - set(ledger)), len(set(ledger) - ours) + outside,
        wrong, steps_back(db), people, accepted, suppressed,
    )  # fmt: skip


def statuses_wrong(session: Session, box: Sandbox) -> int:
    """How many accepted messages have another status than the gateway says."""
    there = {str(row["campaign_id"]): str(row["status"]) for row in box.ledger()}
    rows = session.execute(
        select(Run.token, Message.id, Message.status)
        .join(Run, Run.id == Message.run_id)
        .where(Message.state == RowState.ACCEPTED)
    )
    return sum(there.get(encode(token, key)) != status for token, key, status in rows)


def counters_add_up(session: Session) -> None:
    """Runs' and days' counters are what the rows say, row by row, and no audit had to set them right meanwhile."""
    assert [drift.cells for drift in session.scalars(select(CountDrift))] == []
    runs: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    days: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in session.execute(select(*(getattr(Message, name) for name in _READ))):
        reason = "" if row.state == RowState.PENDING else row.reason or ""
        _count(runs, (row.run_id, row.state, reason, row.status or "", row.carrier or ""), row.credits)
        if row.state == RowState.ACCEPTED:
            _count(days, (*day_and_hour(row.at), row.type, row.carrier or "", row.status or ""), row.credits)
    places = (RunCount.run_id, RunCount.state, RunCount.reason, RunCount.status, RunCount.carrier)
    assert _counted(session, RunCount, places) == runs
    places = (DayCount.day, DayCount.hour, DayCount.type, DayCount.carrier, DayCount.status)
    assert _counted(session, DayCount, places) == days


_READ = ("run_id", "state", "reason", "status", "carrier", "credits", "at", "type")


def _count(counts: dict[tuple[Any, ...], list[int]], place: tuple[Any, ...], credits: int | None) -> None:
    counts[place][0] += 1
    counts[place][1] += credits or 0


def _counted(session: Session, counter: Any, places: tuple[Any, ...]) -> dict[tuple[Any, ...], list[int]]:
    rows = session.execute(select(*places, counter.n, counter.credits))
    return {tuple(row[:-2]): [row.n, row.credits] for row in rows if row.n or row.credits}

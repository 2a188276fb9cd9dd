"""Rounds of recounting: over what still changes every few minutes, over everything once a day, a little at a time.

Each keeps how far it has come, so where a worker is killed in the middle the next one goes on from there.
"""

import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import Database
from webapp.messages import drift, recount
from webapp.messages.models import CountDrift, CountRound, DayCount, Message, Run
from webapp.messages.recount import Compared, Runs, Stretch
from webapp.messages.states import RunState

log = structlog.get_logger(__name__)
YOUNG, ALL = "young", "all"
EVERY = {YOUNG: timedelta(minutes=5), ALL: timedelta(days=1)}  # between the beginnings of two rounds
TICK_SECONDS = {YOUNG: 60.0, ALL: 30.0}  # between two parts of a round
WORK_SECONDS = {YOUNG: 5.0, ALL: 1.0}  # of counting in one part
STILL_YOUNG = timedelta(days=3)  # so long after its end the statuses of a run still change
GOING_ON = (RunState.LAUNCHING, RunState.RUNNING, RunState.PAUSED)
TOGETHER = 500  # runs counted in one snapshot at the most


@dataclass(slots=True)
class Found:
    """What a round, or a part of one, came to. `moving`: stretches whose counters moved while they were counted piece
    by piece; their turn comes again."""

    runs: int = 0
    messages: int = 0  # of those runs
    days: int = 0
    accepted: int = 0  # messages of those days
    seconds: float = 0.0  # of counting
    moving: int = 0
    drifts: list[CountDrift] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Both in one."""
        self.runs, self.messages = self.runs + other.runs, self.messages + other.messages
        self.days, self.accepted = self.days + other.days, self.accepted + other.accepted
        self.seconds, self.moving = self.seconds + other.seconds, self.moving + other.moving
        self.drifts += other.drifts


def go_on(db: Database, name: str, now: datetime | None = None) -> Found | None:
    """Go on with a round for as long as one part of it may take, or begin the next where it is due. None where not."""
    now = now or clock.now()
    with db.reading() as session:
        kept = session.get(CountRound, name)
    if kept is None or kept.began_at > now or (kept.stage == "done" and now - kept.began_at >= EVERY[name]):
        kept = _begin(db, name, now)
    if kept.stage == "done":
        return None
    found = Found()
    while kept.stage != "done" and found.seconds < WORK_SECONDS[name]:
        found.add(_step(db, kept, now))
    return found


def whole(db: Database, now: datetime | None = None) -> Found:
    """Everything in one go, for a person who waits for it."""
    now, found = now or clock.now(), Found()
    kept = _begin(db, ALL, now)
    while kept.stage != "done":
        found.add(_step(db, kept, now))
    return found


def _begin(db: Database, name: str, now: datetime) -> CountRound:
    with db.writing(durable=False) as session:
        kept = session.get(CountRound, name) or CountRound(name=name)
        kept.stage, kept.began_at, kept.after_run, kept.after_day = "runs", now, 0, None
        kept.messages = kept.accepted = kept.moving = kept.drifts = 0
        kept.milliseconds = 0
        session.add(kept)
    return kept


def _step(db: Database, kept: CountRound, now: datetime) -> Found:
    """The next runs or the next day of a round, or its next stage; and how far it has come."""
    began, found = time.perf_counter(), Found()
    if kept.stage == "runs":
        _some_runs(db, kept, now, found)
    else:
        _a_day(db, kept, now, found)
    found.seconds = time.perf_counter() - began
    kept.messages, kept.accepted = kept.messages + found.messages, kept.accepted + found.accepted
    kept.moving, kept.drifts = kept.moving + found.moving, kept.drifts + len(found.drifts)
    kept.milliseconds += round(found.seconds * 1000)
    with db.writing(durable=False) as session:
        session.merge(kept)
    return found


def _some_runs(db: Database, kept: CountRound, now: datetime, found: Found) -> None:
    with db.reading() as session:
        runs = next_runs(session, kept.after_run, now - STILL_YOUNG if kept.name == YOUNG else None)
    if runs is None:
        kept.stage = "days"
        return
    compared = _look(db, runs, found)
    found.messages += compared.messages if compared else 0
    with db.still() as session:
        odd = recount.odd_batches(session, runs)
    for batch_id in odd:
        record = db.retrying(partial(drift.mend_batch, batch_id=batch_id))
        found.drifts += [record] if record else []
    found.runs, kept.after_run = len(runs.ids), runs.ids[-1]


def _a_day(db: Database, kept: CountRound, now: datetime, found: Found) -> None:
    first, last = None, None
    if kept.name == YOUNG:  # tomorrow, too: other systems' messages have dates of their own
        today = recount.local_day(now)
        first, last = today - timedelta(days=1), today + timedelta(days=1)
    with db.reading() as session:
        day = next_day(session, kept.after_day, first, last)
        stretches = recount.hours_of(session, day) if day else []
    if day is None:
        kept.stage, kept.ended_at = "done", now
        return
    for hours in stretches:
        compared = _look(db, hours, found)
        found.accepted += compared.messages if compared else 0
    found.days, kept.after_day = 1, day


def _look(db: Database, stretch: Stretch, found: Found) -> Compared | None:
    """Compare a stretch. What it differs by is believed, and mended, where counting it once more says the same."""
    first = recount.compare(db, stretch)
    again = recount.compare(db, stretch) if first is not None and first.off else first
    if first is None or again is None:
        found.moving += 1
        return None
    off = {key: what for key, what in first.off.items() if again.off.get(key) == what}
    if len(off) < len(first.off):
        log.warning("counters differ from their messages, each time by something else", counters=len(first.off))
    if off:
        found.drifts += db.retrying(partial(drift.mend, off=off, seen=again.seen))
    return again


def next_runs(session: Session, after: int, since: datetime | None) -> Runs | None:
    """The next runs by id whose keys one snapshot can count together, at least one. `since`: only those that go on, or
    have ended after that moment."""
    query = select(Run.id, Run.first_key, Run.last_key).where(Run.id > after).order_by(Run.id).limit(TOGETHER)
    if since is not None:
        ended = func.coalesce(Run.finished_at, Run.cancelled_at, Run.created_at)
        query = query.where(or_(Run.state.in_(GOING_ON), ended > since))
    chosen: list[int] = []
    first = last = 0
    for run_id, first_key, last_key in session.execute(query):
        if chosen:
            low, high = min(first, first_key), max(last, last_key)
            if high - low >= recount.PIECE:
                break
            first, last = low, high
        else:
            first, last = first_key, last_key
        chosen.append(run_id)
    return Runs(tuple(chosen), first, last) if chosen else None


def next_day(session: Session, after: date | None, first: date | None, last: date | None) -> date | None:
    """The next day that has messages or counters, of those from `first` to `last` where these are given."""
    start = max((day for day in (first, after and after + timedelta(days=1)) if day), default=None)
    messages, counts = select(func.min(Message.at)), select(func.min(DayCount.day))
    if start is not None:
        messages = messages.where(Message.at >= recount.beginning_of(start))
        counts = counts.where(DayCount.day >= start)
    at, counted = session.scalar(messages), session.scalar(counts)
    day = min((day for day in (at and recount.local_day(at), counted) if day), default=None)
    return None if day is None or (last is not None and day > last) else day

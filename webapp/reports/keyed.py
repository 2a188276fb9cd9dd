"""Views whose hits come in the order of their keys: certain people's, answers and tests, and what waits here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.db import one_of
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import RowState, RunState
from webapp.reports import hits, matching, streams
from webapp.reports.filters import MessageFilter
from webapp.reports.patience import Patience, Position
from webapp.reports.streams import Conditions

BATCHES = 60  # looked at between two looks at the clock
FEW = 2000  # hits of a campaign that are gathered along the index of their status, and not sought among its keys
Found = tuple[list[Position], Position | None]  # hits, and where the time was up before the end


def of_people(
    session: Session, wanted: MessageFilter, numbers: Sequence[int], behind: Position | None, most: int
) -> list[Position]:
    """Messages to these numbers."""
    query = _fitting(session, wanted, behind, without={"digits"})
    if len(numbers) == 1:
        query = query.where(Message.number == numbers[0]).order_by(Message.id.desc())
    else:  # "+ 0": by the index of numbers, not down all keys
        query = query.where(one_of(session, Message.number, numbers)).order_by((Message.id + 0).desc())
    return [(at, key) for at, key in session.execute(query.limit(most))]


def waiting(session: Session, wanted: MessageFilter, behind: Position | None, most: int, patience: Patience) -> Found:
    """Rows that have not left, or of which it is not known, batch by batch."""
    found: list[Position] = []
    rows = _fitting(session, wanted, behind, without={"status"}).where(Message.state == RowState.PENDING)
    key = behind[1] if behind else None
    while batches := session.execute(_batches(session, wanted, key)).all():
        for run_id, first_key, last_key in batches:
            within = rows.where(Message.id.between(first_key, last_key), Message.run_id + 0 == run_id)
            found_here = session.execute(within.order_by(Message.id.desc()).limit(most - len(found)))
            found += [(at, each) for at, each in found_here]
            if len(found) >= most:
                return found, None
        key = batches[-1].first_key
        if patience.is_up():
            return found, (_moment_of(session, key), key)
    return found, None


def _batches(session: Session, wanted: MessageFilter, below: int | None) -> Select[int, int, int]:
    """The next open batches of runs that have messages in the period."""
    in_period = select(Message.id).where(Message.run_id == Batch.run_id, *matching.period(wanted)).exists()
    query = select(Batch.run_id, Batch.first_key, Batch.last_key).where(*streams.open_batches(wanted), in_period)
    if below is not None:
        query = query.where(Batch.first_key < below)
    if wanted.campaign is not None:
        query = query.where(
            Batch.run_id == select(Campaign.run_id).where(Campaign.id == wanted.campaign).scalar_subquery()
        )
    return query.order_by(Batch.first_key.desc()).limit(BATCHES)


def singles(session: Session, wanted: MessageFilter, behind: Position | None, most: int, patience: Patience) -> Found:
    """Launches for one person alone: answers from the inbox, or tests."""
    found: list[Position] = []
    rows = _fitting(session, wanted, behind, without={"source"})
    key = behind[1] if behind else None
    while True:
        runs = select(Run.first_key).where(Run.kind == streams.KINDS[wanted.source])
        if key is not None:
            runs = runs.where(Run.first_key < key)
        runs = runs.order_by(Run.first_key.desc())
        part = runs.limit(patience.length).subquery()
        fitting = rows.join(part, part.c.first_key == Message.id).order_by(part.c.first_key.desc())
        found += [(at, each) for at, each in session.execute(fitting.limit(most - len(found)))]
        key = session.scalar(runs.offset(patience.length - 1).limit(1))
        if len(found) >= most or key is None:
            return found, None
        if patience.is_up():
            return found, (_moment_of(session, key), key)


def of_campaign(
    session: Session, wanted: MessageFilter, behind: Position | None, most: int, patience: Patience
) -> Found:
    """Rows of one campaign: few ones of a status or carrier by its index, others among its keys."""
    run = hits.run_of(session, wanted)
    if run is None or _is_outside(run, wanted):
        return [], None
    places = hits.places(session, wanted, run)
    below = min(behind[1], run.last_key + 1) if behind else run.last_key + 1
    if (wanted.status or wanted.carrier) and not wanted.digits and sum(places.values()) <= FEW:
        few = _few(session, wanted, run, places, patience)
        if few is not None:
            return [(at, key) for at, key in few if key < below][:most], None
    return _among_keys(session, wanted, run, below, most, patience)


def _is_outside(run: Run, wanted: MessageFilter) -> bool:
    """Whether the whole run was before or after the period."""
    over = run.finished_at is not None and run.state == RunState.FINISHED
    early = over and wanted.since is not None and run.finished_at is not None and run.finished_at < wanted.since
    return early or (wanted.until is not None and run.created_at >= wanted.until)


def _few(
    session: Session, wanted: MessageFilter, run: Run, places: dict[tuple[str, str], int], patience: Patience
) -> list[Position] | None:
    """All hits of a campaign, the newest key first, where counters tell how many there are; None: not found in time."""
    if wanted.carrier:
        leads: list[tuple[Conditions, int]] = [((Message.carrier == wanted.carrier,), sum(places.values()))]
    elif any(place == (RowState.ACCEPTED, "1") or place[0] == RowState.PENDING for place in places):
        return None
    else:
        leads = [
            (streams.told(status) if state == RowState.ACCEPTED else streams.closed(state), n)
            for (state, status), n in places.items()
        ]
    found: list[Position] = []
    for lead, n in leads:
        part = _from_launch(session, wanted, run, lead, n, patience)
        if part is None:
            return None
        found += part
    since, until = wanted.since or datetime.min, wanted.until or datetime.max
    return sorted((place for place in found if since <= place[0] < until), key=lambda place: -place[1])


def _from_launch(
    session: Session, wanted: MessageFilter, run: Run, lead: Conditions, n: int, patience: Patience
) -> list[Position] | None:
    """Rows of a run along an index, from the launch on until all `n` are found: no later row is looked at."""
    found: list[Position] = []
    behind: Position = (run.created_at, 0)
    names = sorted(streams.dimensions(wanted) - {"type"})

    def rows(columns: tuple[Any, ...]) -> Select[Any]:
        query = select(Message.at, Message.id, *columns).where(*lead, tuple_(Message.at, Message.id) > behind)
        return query.order_by(Message.at, Message.id).limit(patience.length)

    def fits(row: Any) -> list[ColumnElement[bool]]:
        return [row.run_id == run.id, *(streams.conditions(wanted, name, row) for name in names)]

    while True:
        found += [(at, key) for at, key in session.execute(streams.fitting(session, rows, fits))]
        if len(found) >= n:
            return found
        last = session.execute(rows(()).offset(patience.length - 1).limit(1)).first()
        if last is None:
            return found
        behind = (last[0], last[1])
        if patience.is_up():
            return None


def _among_keys(session: Session, wanted: MessageFilter, run: Run, below: int, most: int, patience: Patience) -> Found:
    found: list[Position] = []
    rows = _fitting(session, wanted, None, without={"type"})
    while below > run.first_key:
        newest = session.scalar(select(func.max(Message.id)).where(Message.id < below))  # keys may have holes
        if newest is None or newest < run.first_key:
            break
        below = newest + 1
        first = max(below - patience.length, run.first_key)
        within = rows.where(Message.id.between(first, below - 1), Message.run_id + 0 == run.id)
        found += [(at, key) for at, key in session.execute(within.order_by(Message.id.desc()).limit(most - len(found)))]
        below = first
        if len(found) >= most:
            return found, None
        if below > run.first_key and patience.is_up():
            return found, (_moment_of(session, below), below)
    return found, None


def _moment_of(session: Session, key: int) -> datetime:
    """The moment of the row of a key, or of the next one after it."""
    found = session.scalar(select(Message.at).where(Message.id >= key).order_by(Message.id).limit(1))
    return found or clock.now()


def _fitting(
    session: Session, wanted: MessageFilter, behind: Position | None, *, without: set[str]
) -> Select[datetime, int]:
    others = sorted(streams.dimensions(wanted) - without)
    query = select(Message.at, Message.id).where(*matching.period(wanted))
    query = query.where(*(streams.conditions(wanted, name, Message) for name in others))
    if wanted.campaign is not None:
        run = session.scalar(select(Campaign.run_id).where(Campaign.id == wanted.campaign))
        query = query.where(Message.run_id + 0 == run)  # "+ 0": never by that column's index
    return query.where(Message.id < behind[1]) if behind else query

"""How the installation is doing, from the database and this machine's disk."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata

from sqlalchemy import func, or_, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.core.jobs import Tick
from webapp.core.settings import Settings
from webapp.messages import drift, hearing, inquiries, rounds
from webapp.messages.models import Batch, CountDrift, CountRound, Cursor, Inquiry, Run, WorkerSeen
from webapp.messages.outbox import CANARY
from webapp.messages.reconcile import NEEDS_PERSON
from webapp.messages.states import OPEN_BATCHES, BatchState

WORKER_QUIET = timedelta(seconds=60)
TICK_LATE = timedelta(minutes=5)
SHOWN = 20  # batches in trouble
AUDITS = 6  # the latest


@dataclass(frozen=True, slots=True)
class BatchCount:
    """How many batches are in a state, and how many of their messages have no answer yet."""

    state: str
    batches: int
    pending: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """A batch that is held or of unknown outcome, with the run it belongs to."""

    batch: Batch
    run: Run

    @property
    def for_person(self) -> bool:
        """Whether it goes no further by itself: somebody has to decide."""
        return self.batch.state == BatchState.HELD or self.batch.problem == NEEDS_PERSON


@dataclass(frozen=True, slots=True)
class Drift:
    """Counters that had gone wrong, with the run that they are of; a day's are of none."""

    record: CountDrift
    run: Run | None


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes. `database` is None where it cannot be told."""

    database: int | None
    free: int
    total: int


@dataclass(slots=True)
class Sweep:
    """One kind of question to the gateway: how far it has come, over all types that are asked about one by one."""

    name: str
    until: datetime | None = None
    ran_at: datetime | None = None
    rows: int = 0
    differences: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Everything of the health page, as of `at` (naive UTC)."""

    at: datetime
    workers: Sequence[WorkerSeen]
    batches: list[BatchCount]
    stuck: list[Stuck]
    ticks: Sequence[Tick]
    sweeps: list[Sweep]
    counted: CountRound | None
    drifts: list[Drift]
    hearing: bool  # whether callbacks come in
    heard_at: datetime | None  # the last of them
    audits: Sequence[Inquiry]
    storage: Storage
    versions: dict[str, str]

    @property
    def looked_at(self) -> datetime:
        """`at` as an aware moment."""
        return clock.aware(self.at)

    @property
    def has_worker(self) -> bool:
        """Whether any worker was heard of lately."""
        return any(self.is_live(worker) for worker in self.workers)

    def is_live(self, worker: WorkerSeen) -> bool:
        """Whether the worker was heard of lately."""
        return worker.seen_at > self.at - WORKER_QUIET

    def is_late(self, tick: Tick) -> bool:
        """Whether nobody ran the task although it was due."""
        return tick.due_at < self.at - TICK_LATE


def check(session: Session, settings: Settings, now: datetime | None = None) -> Health:
    """Look at everything that can be told from the database and this machine's disk."""
    now = now or clock.now()
    return Health(
        at=now,
        workers=session.scalars(select(WorkerSeen).order_by(WorkerSeen.seen_at.desc())).all(),
        batches=_batches(session),
        stuck=_stuck(session),
        ticks=session.scalars(select(Tick).order_by(Tick.name)).all(),
        sweeps=_sweeps(session),
        counted=session.get(CountRound, rounds.ALL),
        drifts=_drifts(session, now),
        hearing=hearing.comes_in(session, settings, now),
        heard_at=hearing.last_callback(session),
        audits=inquiries.latest(session, inquiries.AUDIT, AUDITS),
        storage=_storage(session, settings),
        versions=_versions(session),
    )


def _batches(session: Session) -> list[BatchCount]:
    rows = session.execute(
        select(Batch.state, func.count(), func.coalesce(func.sum(Batch.pending), 0)).group_by(Batch.state)
    ).all()
    found = {row[0]: BatchCount(row[0], row[1], row[2]) for row in rows}
    return [found.get(state, BatchCount(state, 0, 0)) for state in (*OPEN_BATCHES, BatchState.DONE)]


def _stuck(session: Session) -> list[Stuck]:
    rows = session.execute(
        select(Batch, Run)
        .join(Run, Run.id == Batch.run_id)
        .where(Batch.state.in_([BatchState.UNKNOWN, BatchState.HELD]))
        .where(func.coalesce(Batch.problem, "") != CANARY)  # those wait for their first few, not for a person
        .order_by(Batch.unknown_since, Batch.id)
        .limit(SHOWN)
    ).all()
    return [Stuck(row[0], row[1]) for row in rows]


def stuck_batch(session: Session, batch_id: int) -> Stuck:
    """One batch in trouble. NotFound where it is none, or no longer in trouble."""
    batch = session.get(Batch, batch_id)
    if batch is None or batch.state not in {BatchState.UNKNOWN, BatchState.HELD} or batch.problem == CANARY:
        raise NotFound("This batch is no longer held: it went on or was decided upon.")
    return Stuck(batch, session.get_one(Run, batch.run_id))


def _sweeps(session: Session) -> list[Sweep]:
    asked = ("inbox.%", "mt_date%")  # not the places of work that asks nobody
    found: dict[str, Sweep] = {}
    for row in session.scalars(
        select(Cursor).where(or_(*(Cursor.name.like(each) for each in asked))).order_by(Cursor.name)
    ):
        name = ".".join(row.name.split(".")[:2])
        sweep = found.setdefault(name, Sweep(name))
        sweep.until = max(filter(None, (sweep.until, row.until)), default=None)
        sweep.ran_at = max(filter(None, (sweep.ran_at, row.ran_at)), default=None)
        sweep.rows += row.rows
        sweep.differences += row.differences
        sweep.problem = sweep.problem or row.problem
    return list(found.values())


def _drifts(session: Session, now: datetime) -> list[Drift]:
    records = drift.lately(session, now)
    runs = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_({row.run_id for row in records})))}
    return [Drift(record, runs.get(record.run_id or 0)) for record in records]


def _storage(session: Session, settings: Settings) -> Storage:
    disk = shutil.disk_usage(settings.instance)
    return Storage(_database_size(session, settings), disk.free, disk.total)


def _database_size(session: Session, settings: Settings) -> int | None:
    path = settings.sqlite_path
    if path is not None:
        files = [path, path.with_name(path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())
    try:
        size: int = session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    except SQLAlchemyError:
        return None
    return size


def _versions(session: Session) -> dict[str, str]:
    bind = session.get_bind()
    version = getattr(bind.dialect, "server_version_info", None) or ()
    number = ".".join(str(part) for part in version)
    database = "SQLite" if bind.dialect.name == "sqlite" else "PostgreSQL"
    schema = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return {
        "Recado": metadata.version("recado"),
        "Python": platform.python_version(),
        database: number,
        N_("Schema"): str(schema or "—"),
        N_("System"): f"{platform.system()} {platform.release()}",
    }

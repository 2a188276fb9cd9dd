"""Background jobs. Huey carries the wake-up; the row it names carries the truth.

A queue that acknowledges nothing loses the task in hand when its process is killed. So every job is a row with a state
and a lease of its own, the queued call only says "look at row 7 now", and a periodic sweep says it again where nobody
came: a job must be safe to run twice.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog
from huey import PostgresHuey, SqliteHuey
from huey.api import Huey
from sqlalchemy import String, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core import leases
from webapp.core.db import Base, Database, moment

log = structlog.get_logger(__name__)
HOLD_SECONDS = 20.0  # a running task is its worker's for so long; a killed worker holds it up no longer
RENEW_SECONDS = 5.0  # between two renewals of that


class Tick(Base):
    """When each periodic task is due; a conditional UPDATE decides which worker runs it."""

    __tablename__ = "tick"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    due_at: Mapped[datetime]
    ran_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task that some worker runs every `seconds`; at most one runs it at a time, for `lease` seconds at the most.

    It holds the task for a shorter time, again and again while it runs.
    """

    name: str
    seconds: float
    run: Callable[[], object]
    lease: float = 300.0

    @property
    def hold(self) -> timedelta:
        """For how long a worker that runs it need not be heard of."""
        return timedelta(seconds=min(self.lease, HOLD_SECONDS))

    @property
    def furthest(self) -> timedelta:
        """How far ahead its due time can lie: the worker that runs it holds it, everybody else waits the interval."""
        return max(timedelta(seconds=self.seconds), self.hold)


@dataclass(slots=True)
class _Held:
    """A task that runs here: the due time that says so in the database, and since when (`time.monotonic()`)."""

    until: datetime
    began: float
    renewed: float


class Jobs:
    """The queue of one installation: `add` names a job's function once, `start` asks for a run of it."""

    def __init__(self, url: str, *, immediate: bool = False) -> None:
        self._functions: dict[str, Callable[..., object]] = {}
        self.periodic: list[Periodic] = []
        self.stopping = threading.Event()  # set when this process ends: long work leaves off where it can go on later
        self.huey = _queue(url, immediate)
        self._task = self.huey.task(name="recado.run")(self._run)

    def add(self, name: str, function: Callable[..., object]) -> None:
        """Register a job. Its arguments must be plain values (ids), as they travel through the queue."""
        self._functions[name] = function

    def every(self, name: str, seconds: float, run: Callable[[], object], *, lease: float = 300.0) -> None:
        """Register a periodic task."""
        self.periodic.append(Periodic(name, seconds, run, lease))

    def start(self, name: str, *args: int | str) -> None:
        """Ask for a run of a job, after the transaction that wrote its row; a sweep repeats what gets lost here."""
        if name not in self._functions:
            raise KeyError(name)
        self._task(name, *args)

    def _run(self, name: str, *args: int | str) -> None:
        try:
            self._functions[name](*args)
        except Exception:
            log.exception("job failed", job=name, arguments=args)
            raise


def _queue(url: str, immediate: bool) -> Huey:
    options: dict[str, Any] = {"results": False, "immediate": immediate}
    if url.startswith("sqlite:///"):
        return SqliteHuey("recado", filename=url.removeprefix("sqlite:///"), timeout=30, **options)
    while True:
        try:
            return PostgresHuey("recado", dsn=url.replace("+psycopg", "", 1), **options)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
            time.sleep(0.05)  # another machine is making the same table; the next time it is there


class Ticker(threading.Thread):
    """Runs the periodic tasks that are due, each by one worker of all and in a thread of its own: no task waits for
    another, however long that one takes."""

    def __init__(self, db: Database, tasks: list[Periodic], *, step: float = 0.5) -> None:
        super().__init__(name="ticker", daemon=True)
        self.db, self.tasks, self.step = db, tasks, step
        self.stopping = threading.Event()
        self._running: dict[str, threading.Thread] = {}
        self._held: dict[str, _Held] = {}

    def run(self) -> None:
        """Until `stopping` is set. A task that fails is logged and comes again at its next time."""
        while not self.stopping.is_set():
            try:
                self._start_what_is_due()
                self._renew()
            except Exception:
                log.exception("the ticker could not look what is due")
            self.stopping.wait(self.step)

    def stop(self, timeout: float) -> None:
        """Start nothing new and wait at most `timeout` seconds for what runs; what is cut off comes again."""
        self.stopping.set()
        deadline = time.monotonic() + timeout
        for thread in [self, *self._running.values()]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start_what_is_due(self) -> None:
        with self.db.reading() as session:
            now = moment(session)
            due = {tick.name: tick.due_at for tick in session.execute(select(Tick.name, Tick.due_at))}
        for task in self.tasks:
            running = self._running.get(task.name)
            waits = not leases.is_over(due.get(task.name, now), now, task.furthest)
            if waits or (running and running.is_alive()) or self.stopping.is_set():
                continue
            thread = threading.Thread(target=self.run_if_due, args=(task,), name=task.name, daemon=True)
            self._running[task.name] = thread
            thread.start()

    def run_if_due(self, task: Periodic) -> bool:
        """Claim the task where it is due, run it, and set its next time. True where it ran here."""
        try:
            if not self._claim(task):
                return False
        except IntegrityError:  # another worker made the row at the same moment
            return False
        except Exception:
            log.exception("periodic task could not be claimed", task=task.name)
            return False
        try:
            task.run()
        except Exception:
            log.exception("periodic task failed", task=task.name)
        try:
            self._set_next(task)
        except Exception:
            log.exception("the next time of a periodic task could not be set", task=task.name)
        return True

    def _renew(self) -> None:
        """Hold on to what still runs here, unless it has run for longer than it may, or is somebody else's by now."""
        for task in self.tasks:
            held, now = self._held.get(task.name), time.monotonic()
            if held is None or now - held.renewed < RENEW_SECONDS or now - held.began > task.lease:
                continue
            with self.db.writing(durable=False) as session:
                until = moment(session) + task.hold
                still = session.execute(
                    update(Tick).where(Tick.name == task.name, Tick.due_at == held.until).values(due_at=until)
                ).rowcount  # type: ignore[attr-defined]
            held.until, held.renewed = until, now
            if not still:
                self._held.pop(task.name, None)

    def _set_next(self, task: Periodic) -> None:
        self._held.pop(task.name, None)
        with self.db.writing(durable=False) as session:
            now = moment(session)
            session.execute(
                update(Tick)
                .where(Tick.name == task.name)
                .values(due_at=now + timedelta(seconds=task.seconds), ran_at=now)
            )

    def _claim(self, task: Periodic) -> bool:
        with self.db.reading() as session:
            due = session.scalar(select(Tick.due_at).where(Tick.name == task.name))
            if due is not None and not leases.is_over(due, moment(session), task.furthest):
                return False
        with self.db.writing(durable=False) as session:
            now = moment(session)
            until = now + task.hold
            if session.get(Tick, task.name) is None:
                session.add(Tick(name=task.name, due_at=until))
            elif not session.execute(
                update(Tick)
                .where(Tick.name == task.name, leases.over(Tick.due_at, now, task.furthest))
                .values(due_at=until)
            ).rowcount:  # type: ignore[attr-defined]
                return False
        self._held[task.name] = _Held(until, time.monotonic(), time.monotonic())
        return True

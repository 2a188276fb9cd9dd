"""An installation under fire: campaigns that never run out, a gateway that loses answers, workers that are killed.

At the end the gateway's ledger and our tables must tell the same story, person by person.
"""

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from sqlalchemy import func, select

from tests.crash.points import AT_RANDOM, IN_THE_CALL, POINTS, Point, run_worker
from webapp.campaigns import counting, launch, service
from webapp.campaigns.jobs import LAUNCH
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core.web import Services
from webapp.credits.models import BalanceReading
from webapp.gateway.codes import CLASSIC
from webapp.messages import queries
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import OPEN_BATCHES, RowState, RunState
from webapp.optouts import service as optouts
from webapp.sandbox.server import Sandbox

FIRST = 5511970000000
PEOPLE = 1000  # of each campaign
STOCK = 20  # batches to send that there are to be at any time
LONGEST_LIFE = 9.0  # seconds after which a worker is killed wherever it is
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lost", {}),
    ("cut", {}),
    ("torn", {}),
    ("empty", {}),
    ("partial", {}),
    ("partial-lost", {}),
    ("fewer", {}),
    ("drop", {}),
    ("html", {"after": True}),
    ("html", {"after": False}),
    ("http", {"after": True, "status": 502}),
    ("http", {"after": False, "status": 500}),
    ("code", {"code": "110", "after": True}),
    ("code", {"code": "110", "after": False}),
    ("code", {"code": "100"}),
    ("slow", {"seconds": 3.0}),  # beyond the whole call's time
)
# A clock that runs two minutes behind the others', or was set back: leases and due times seem far away then.
SHIFTS = (timedelta(0),) * 9 + (timedelta(minutes=-2),)
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.points"])


@dataclass
class Toll:
    """What the gateway's ledger says about what we say."""

    twice: int
    missed: int
    unknown_to_us: int
    people: int
    accepted: int
    suppressed: int


@dataclass
class Arena:
    """One installation, its gateway, and how it was treated."""

    box: Sandbox
    services: Services
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    kills: Counter[str] = field(default_factory=Counter)
    answers_lost: int = 0
    campaigns: int = 0
    list_id: int = 0
    opted_out: int = 0
    workers: list[BaseProcess] = field(default_factory=list)  # everyone who was ever started and may still live

    def settle_in(self) -> None:
        """A list, and credits."""
        with self.services.db.writing() as session:
            now = clock.now()
            made = ContactList(name="Clientes", created_at=now, size=PEOPLE)
            session.add(made)
            session.add(BalanceReading(at=now, **{f"balance_{n}": 10**9 for n in (1, 2, 3, 4)}))
            session.flush()
            self.list_id = made.id
            session.add_all(
                Contact(list_id=made.id, number=FIRST + n, name="", name_key="", fields={}, kind="mobile",
                        created_at=now, updated_at=now)
                for n in range(PEOPLE)
            )  # fmt: skip

    def launch(self) -> int:
        """One more campaign to everyone, from the draft on; its rows are written by a worker. Returns the run's id."""
        self.campaigns += 1
        db, settings = self.services.db, self.services.settings
        with db.writing() as session:
            made = service.create(session, name=f"Aviso {self.campaigns}", timezone="America/Sao_Paulo", person_id=None)
            made.lists, made.text, made.type = [self.list_id], f"Aviso {self.campaigns}", CLASSIC.types[0].type
            counting.begin(session, made)
        counting.carry_out(db, settings, made.id)
        with db.writing() as session:
            campaign = session.get_one(Campaign, made.id)
            # due for a while already: a worker whose clock is behind sends it, too
            run = launch.launch(session, settings, campaign, person_id=None, undo_seconds=-300)
        self.services.jobs.start(LAUNCH, made.id)
        return run.id

    def keep_stocked(self) -> None:
        """Enough to do for a worker that is killed soon."""
        with self.services.db.reading() as session:
            open_batches = session.scalar(select(func.count(Batch.id)).where(Batch.state == "queued")) or 0
            launching = session.scalar(select(func.count(Run.id)).where(Run.state == RunState.LAUNCHING)) or 0
        if open_batches < STOCK and launching < 3:
            self.launch()

    def trouble(self) -> None:
        """One answer is about to be lost, and now and then somebody opts out."""
        waiting = Counter(str(fault["path"]) for fault in self.box.faults())
        if waiting["send-multiple"] < 2 and self.dice.random() < 0.8:
            kind, how = self.dice.choice(FAULTS)
            self.box.fault(kind, "send-multiple", times=1, **how)
            self.answers_lost += 1
        if not waiting["mt_id"] and self.dice.random() < 0.3:
            kind, how = self.dice.choice((("html", {}), ("http", {"status": 503}), ("lost", {}), ("cut", {})))
            self.box.fault(kind, "mt_id", times=1, **how)
        if self.dice.random() < 0.1 and self.opted_out < PEOPLE // 10:
            self.opted_out += 1
            with self.services.db.writing() as session:
                optouts.add(session, FIRST + self.dice.randrange(PEOPLE), origin="person", reason="pediu para sair")

    def start(self, point: Point | None) -> BaseProcess:
        """A worker that dies at a point, or (None) lives on."""
        shift = self.dice.choice(SHIFTS) if point else timedelta(0)
        process = _processes.Process(
            target=run_worker,
            args=(self.services.settings, _forkserver(), point, self.dice.randrange(10**9), shift),
        )
        process.start()
        self.workers.append(process)
        return process

    def bury(self, process: BaseProcess, point: Point, since: float) -> bool:
        """Whether the worker is dead: by its own hand, or by ours after a while."""
        if process.is_alive() and time.monotonic() - since < LONGEST_LIFE:
            return False
        self.kills[point.name if not process.is_alive() else f"{AT_RANDOM.name} (was to die {point.name})"] += 1
        process.kill()
        process.join()
        self.workers.remove(process)
        assert process.exitcode == -9, f"a worker ended by itself with {process.exitcode}"
        return True

    def fire(self, kills: int, workers: int, say: Callable[[str], object]) -> None:
        """Kill so many workers, so many at work at once, at every point in turn and at random."""
        order: list[Point] = []
        living: list[tuple[BaseProcess, Point, float]] = []
        began = killed = 0
        while killed < kills:
            self.keep_stocked()
            while len(living) < workers and began < kills:
                if not order:
                    order = [*POINTS, *([AT_RANDOM, IN_THE_CALL] * 3)]
                    self.dice.shuffle(order)
                point = order.pop()
                if "launch" in point.name or "audience" in point.name:
                    self.launch()
                self.trouble()
                living.append((self.start(point), point, time.monotonic()))
                began += 1
            time.sleep(0.02)
            dead = [one for one in living if self.bury(*one)]
            living = [one for one in living if one not in dead]
            killed += len(dead)
            if dead and killed % 50 == 0:
                say(f"{killed} kills, {self.box.summary()['accepted']} messages")

    def come_to_rest(self, seconds: float) -> None:
        """A worker that nobody kills brings everything to its end."""
        self.answers_lost -= sum(fault["path"] == "send-multiple" for fault in self.box.faults())
        self.box.clear_faults()
        process = self.start(None)
        deadline = time.monotonic() + seconds
        while self.unfinished():
            assert process.is_alive()
            assert time.monotonic() < deadline, f"not at rest: {self.unfinished()}"
            time.sleep(0.1)
        process.terminate()
        process.join(20)
        assert process.exitcode == 0

    def close(self) -> None:
        """Nobody is left behind, however the test ended."""
        for process in self.workers:
            process.kill()
            process.join()

    def unfinished(self) -> dict[str, int]:
        """What is still to happen."""
        with self.services.db.reading() as session:
            batches = session.execute(
                select(Batch.state, func.count()).where(Batch.state.in_(OPEN_BATCHES)).group_by(Batch.state)
            )
            runs = session.execute(
                select(Run.state, func.count()).where(Run.state != RunState.FINISHED).group_by(Run.state)
            )
            return {f"{kind} {state}": n for kind, rows in (("batch", batches), ("run", runs)) for state, n in rows}

    def toll(self) -> Toll:
        """Compare the ledger with every row of every campaign, and the counters with the rows."""
        ledger = Counter((int(row["number"]), str(row["content"])) for row in self.box.ledger())
        people = accepted = suppressed = missed = 0
        ours: set[tuple[int, str]] = set()
        with self.services.db.reading() as session:
            for run in session.scalars(select(Run)):
                rows = session.execute(select(Message.number, Message.state).where(Message.run_id == run.id)).all()
                people += len(rows)
                taken = {(number, run.text) for number, state in rows if state == RowState.ACCEPTED}
                ours |= taken
                accepted += len(taken)
                left_out = sum(state == RowState.SUPPRESSED for _, state in rows)
                suppressed += left_out
                missed += PEOPLE - len(taken) - left_out  # no row, or one that neither left nor was kept back
                counts = queries.counts(session, run)
                assert counts.adds_up
                assert (counts.accepted, counts.suppressed) == (len(taken), left_out), run.id
        missed += len(ours - set(ledger))
        twice = sum(n - 1 for n in ledger.values())
        return Toll(twice, missed, len(set(ledger) - ours), people, accepted, suppressed)


def _forkserver() -> int:
    """The process that workers are children of."""
    from multiprocessing import forkserver

    forkserver.ensure_running()
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert isinstance(pid, int)
    os.kill(pid, 0)
    return pid

"""An installation under fire: campaigns that never run out, a gateway that loses answers, workers and web servers that
are killed."""

import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess

from sqlalchemy import func, select

from tests.crash import lives, ratchet, toll
from tests.crash.lives import Fate, Life
from tests.crash.marketing import Marketing
from tests.crash.points import AT_RANDOM, IN_THE_CALL, POINTS, WEB_POINTS, Need, Point
from tests.crash.stage import Stage
from tests.crash.weather import Weather
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core.web import Services
from webapp.credits.models import BalanceReading
from webapp.messages.models import Batch, Run
from webapp.messages.states import OPEN_BATCHES, RunState
from webapp.optouts import service as optouts
from webapp.sandbox.clock import NEVER
from webapp.sandbox.server import Sandbox

FIRST = 5511970000000
PEOPLE = 60  # of each campaign
LONGEST_LIFE = 12.0  # seconds after which a process is killed wherever it is
# How far a machine's clock is off. A worker's two minutes behind the others', or set back: leases and due times seem far
# away then. A web server's is a little behind only: by more, and it would believe no campaign's count.
SHIFTS = {"worker": (0,) * 9 + (-120,), "web": (0,) * 4 + (-50,)}


@dataclass
class Being:
    """A process, and where it is to die (None: nowhere)."""

    process: BaseProcess
    point: Point | None
    since: float = field(default_factory=time.monotonic)


@dataclass
class Front:
    """Processes of one kind: how many there are at once, and how many of them are to be killed, where."""

    kind: str
    life: Life
    points: tuple[Point, ...]
    at_once: int
    to_kill: int
    begun: int = 0
    killed: int = 0
    order: list[Point] = field(default_factory=list)
    living: list[Being] = field(default_factory=list)


@dataclass
class Arena:
    """One installation, its gateway, and how it was treated."""

    box: Sandbox
    services: Services
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)  # by kind of process and point
    opted_out: int = 0
    fronts: list[Front] = field(default_factory=list)
    weather: Weather = field(init=False)
    marketing: Marketing = field(init=False)
    stage: Stage = field(init=False)

    def settle_in(self) -> None:
        """A list, credits, and somebody who sends."""
        ratchet.watch(self.services.db)
        with self.services.db.writing() as session:
            now = clock.now()
            made = ContactList(name="Clientes", created_at=now, size=PEOPLE)
            session.add(made)
            session.add(BalanceReading(at=now, **{f"balance_{n}": 10**9 for n in (1, 2, 3, 4)}))
            session.flush()
            session.add_all(
                Contact(list_id=made.id, number=FIRST + n, name="", name_key="", fields={}, kind="mobile",
                        created_at=now, updated_at=now)
                for n in range(PEOPLE)
            )  # fmt: skip
        self.weather = Weather(self.box, self.dice)
        self.marketing = Marketing(self.services, made.id)
        self.stage = Stage(self.services, self.weather, self.marketing)

    def open_fronts(self, kills: int, workers: int) -> None:
        """Web servers, a good quarter of the dead, one at a time; and so many workers at once."""
        web_points, points = (*WEB_POINTS, AT_RANDOM), (*POINTS, AT_RANDOM, IN_THE_CALL)
        of_web = round(kills * len(web_points) / (len(web_points) + len(points)))
        self.fronts = [
            Front("web", lives.answer, web_points, 1, of_web),
            Front("worker", lives.work, points, workers, kills - of_web),
        ]

    def fire(self, kills: int, workers: int, say: Callable[[str], object]) -> None:
        """Kill so many processes, at every point in turn and at random."""
        self.open_fronts(kills, workers)
        web = self.fronts[0]
        web.living.append(self.begin(web, None))
        self.marketing.sign_in()
        self.end(web.living.pop())
        said = 0
        while (killed := sum(front.killed for front in self.fronts)) < kills:
            for front in self.fronts:
                self.man(front)
            self.stage.keep_supplied(
                {being.point.need for front in self.fronts for being in front.living if being.point}
            )
            time.sleep(0.02)
            for front in self.fronts:
                front.living = [being for being in front.living if not self.bury(front, being)]
            if killed >= said + 50:
                said = killed
                say(f"{killed} kills, {self.box.summary()['accepted']} messages")

    def man(self, front: Front) -> None:
        """As many as there are to be at once; who is not to be killed any more lives on."""
        while len(front.living) < front.at_once:
            point = self.next_point(front) if front.begun < front.to_kill else None
            if point is not None:
                front.begun += 1
                self.trouble()
            front.living.append(self.begin(front, point))

    def next_point(self, front: Front) -> Point:
        """Every point in its turn, drawn anew for each round, but for those around a lost sender: a point that needs
        one waits until there is one, and while somebody lives for it, more senders are lost."""
        if len(front.order) < 2:
            front.order = self.dice.sample(front.points, len(front.points)) + front.order
        chosen = front.order[-1]
        if any(being.point and being.point.need is Need.LOSS for being in front.living):
            chosen = next((point for point in reversed(front.order) if point.loses), chosen)
        elif chosen.need is Need.LOSS and not self.stage.has_losses():
            chosen = next(point for point in reversed(front.order) if point.need is not Need.LOSS)
        front.order.remove(chosen)
        return chosen

    def trouble(self) -> None:
        """The weather changes, and now and then somebody opts out."""
        self.weather.turn()
        if self.dice.random() < 0.2 and self.opted_out < PEOPLE // 10:
            self.opted_out += 1
            with self.services.db.writing() as session:
                optouts.add(session, FIRST + self.dice.randrange(PEOPLE), origin="person", reason="pediu para sair")

    def begin(self, front: Front, point: Point | None) -> Being:
        """One more process; it dies at a point, or (None) lives on."""
        shift = self.dice.choice(SHIFTS[front.kind]) if point else 0
        fate = Fate(point, self.dice.randrange(10**9), timedelta(seconds=shift))
        return Being(lives.begin(front.life, self.services.settings, fate), point)

    def bury(self, front: Front, being: Being) -> bool:
        """Whether the process is dead: by its own hand, or by ours after a while."""
        alive = being.process.is_alive()
        if alive and (being.point is None or time.monotonic() - being.since < LONGEST_LIFE):
            return False
        assert being.point is not None, f"a {front.kind} ended by itself with {being.process.exitcode}"
        where = f"{AT_RANDOM.name} (was to die {being.point.name})" if alive else being.point.name
        self.kills[front.kind, where] += 1
        front.killed += 1
        self.end(being)
        assert being.process.exitcode == -9, f"a {front.kind} ended by itself with {being.process.exitcode}"
        return True

    def end(self, being: Being) -> None:
        """SIGKILL, where it lives."""
        being.process.kill()
        being.process.join()
        self.stage.dead[f"{socket.gethostname()[:40]}:{being.process.pid}"] = time.monotonic()

    def come_to_rest(self, seconds: float) -> None:
        """A worker and a web server that nobody kills bring everything to its end."""
        self.weather.clear_up()
        self.close()
        self.stage.everybody_is_dead()
        for front in self.fronts:
            front.living.append(self.begin(front, None))
        deadline = time.monotonic() + seconds
        while left := self.unfinished():
            for front in self.fronts:
                assert front.living[0].process.is_alive()
            assert time.monotonic() < deadline, f"not at rest: {left}"
            time.sleep(0.1)
            self.stage.hurry()
        worker = self.fronts[1].living.pop()
        worker.process.terminate()
        worker.process.join(20)
        assert worker.process.exitcode == 0

    def unfinished(self) -> dict[str, int]:
        """What is still to happen."""
        if self.marketing.busy:
            return {"clicks": self.marketing.busy}
        with self.services.db.reading() as session:
            batches = session.execute(
                select(Batch.state, func.count()).where(Batch.state.in_(OPEN_BATCHES)).group_by(Batch.state)
            )
            runs = session.execute(
                select(Run.state, func.count()).where(Run.state != RunState.FINISHED).group_by(Run.state)
            )
            left = {f"{kind} {state}": n for kind, rows in (("batch", batches), ("run", runs)) for state, n in rows}
            if left:
                return left
            moving = self.box.store.next_event() != NEVER
            wrong = toll.statuses_wrong(session, self.box)
        return {"statuses": wrong} if wrong or moving else {}

    def close(self) -> None:
        """Nobody is left behind, however the test ended."""
        for front in self.fronts:
            while front.living:
                self.end(front.living.pop())

    def summary(self, cost: toll.Toll) -> str:
        """The whole story in one line."""
        by_kind = {front.kind: front.killed for front in self.fronts}
        callbacks = self.box.summary()["callbacks"]
        return (
            f"kills {sum(by_kind.values())} (workers {by_kind['worker']}, web {by_kind['web']}), "
            f"answers lost {self.weather.answers_lost}, clicks lost {self.marketing.unanswered}, "
            f"callbacks lost {callbacks['failed']} of {sum(callbacks.values())}, twice {cost.twice}, "
            f"missed {cost.missed}, statuses wrong {cost.statuses_wrong}; {cost}"
        )

"""Asking the gateway about statuses, round by round: who is asked about when is told by `ages` and `inquiries`.

One round after another, over all workers: the freshest messages, what a person wants to know, the young, an audit of
what callbacks told, the old. Each piece of work that takes long leaves off after a while and goes on in the next round,
where it stood.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import moment
from webapp.core.errors import NotFound, UserError
from webapp.core.web import Services
from webapp.gateway import account
from webapp.gateway.client import Gateway
from webapp.gateway.errors import Busy, GatewayError, NotSent, Stopped
from webapp.gateway.models import Account
from webapp.messages import ages, auditing, hearing, hours, inquiries, openings, receipts, turn
from webapp.messages.ages import Age, Task
from webapp.messages.asker import Asked, Asker, LeaveOff, against
from webapp.messages.hours import OTHER_KIND
from webapp.messages.models import Cursor, Inquiry, Message, Run
from webapp.messages.reference import encode

log = structlog.get_logger(__name__)
SLICE = 30.0  # seconds that one piece of work may take before the next has its turn
LEASE = 3600.0  # seconds a round takes at the most
TURN_WAIT = 60.0  # seconds that a person's question waits for the round that is under way


def gateway_of(services: Services) -> Gateway:
    """A client for the account in force. UserError while none is set."""
    with services.db.reading() as session:
        found = account.login(session, services.settings, services.box)
    if found is None:
        raise UserError("No gateway account is set. An administrator can enter it under Administration, Gateway.")
    return account.connect(found, services.settings)


class _Over(Exception):
    """The round ends here: the gateway is not to be asked for now."""


@dataclass(slots=True)
class _Round:
    """One round: every piece of work that is due, once."""

    services: Services
    asker: Asker
    now: datetime
    total: Asked = field(default_factory=Asked)
    failed: int = 0  # pieces of work in a row that the gateway did not answer

    def run(self) -> None:
        """Raises _Over where the gateway is not to be asked any more."""
        with self.services.db.reading() as session:
            word = against(session)
            told = hearing.comes_in(session, self.services.settings, self.now)
        if word is not None:
            self._tell_by_hand(word)
            raise _Over(word)
        fresh, young, *old = ages.AGES
        self._age(fresh, told)
        self._inquiry(inquiries.waiting, told)
        self._age(young, told)
        self._inquiry(lambda session: inquiries.audit(session, self.services.settings, self.now), told)
        for age in old:
            self._age(age, told)

    def _age(self, age: Age, told: bool) -> None:
        with self.services.db.reading() as session:
            rounds = ages.due(session, self.services.settings, self.now, age, told)
        for each in rounds:
            if each.begins:
                self._note(each.name, began=self.now)
            for task in each.tasks:
                self._do(task.name, lambda task=task: self._task(task), urgent=age is ages.AGES[0])  # type: ignore[misc]

    def _task(self, task: Task) -> None:
        self._note(task.name, began=self.now, reached=task.since)
        try:
            openings.ask(self.asker, task, lambda reached: self._note(task.name, reached=reached))
        except GatewayError as error:
            self._note(task.name, done=self.asker.done, problem=_words(error))
            raise
        except LeaveOff:
            self._note(task.name, done=self.asker.done)
            raise
        skipped = f"{self.asker.done.skipped} without an answer" if self.asker.done.skipped else None
        self._note(task.name, done=self.asker.done, problem=skipped, over=True)

    def _tell_by_hand(self, word: str) -> None:
        """A person who waits for an answer is told that there will be none before somebody acts."""
        if word.startswith("stopped"):
            with self.services.db.writing(durable=False) as session:
                if (one := inquiries.waiting(session)) is not None:
                    inquiries.end(one, self.now, word)

    def _inquiry(self, choose: Callable[[Session], Inquiry | None], told: bool) -> None:
        with self.services.db.writing(durable=False) as session:
            one = choose(session)
            if one is None:
                return
            if one.reached is None:
                one.hearing = told
            key, by_hand = one.id, one.hand is not None
        self._do(f"inquiry {key}", lambda: self._ask(key), urgent=by_hand)

    def _ask(self, key: int) -> None:
        try:
            auditing.ask(self.asker, key, self.now)
        except (GatewayError, LeaveOff) as error:
            with self.services.db.writing(durable=False) as session:
                one = session.get_one(Inquiry, key)
                if isinstance(error, GatewayError):
                    one.problem = _words(error)
                    if one.hand is not None:
                        inquiries.end(one, self.now, one.problem)  # the person is told, and may ask again
            raise

    def _do(self, name: str, work: Callable[[], None], *, urgent: bool = False) -> None:
        """A piece of work; what was read until it ends stays, whatever ends it."""
        self.asker.begin(urgent=urgent)
        try:
            work()
        except LeaveOff as left:
            log.debug("asking about statuses goes on later", work=name, why=left.word, calls=self.asker.done.asked)
            if left.word not in {"slice", "wanted"}:
                raise _Over(left.word) from None
        except GatewayError as error:
            log.warning(
                "the gateway did not answer about statuses; what came is kept, the rest is asked next time",
                work=name, error=_words(error), detail=error.detail, calls=self.asker.done.asked,
            )  # fmt: skip
            self.failed += 1
            if isinstance(error, NotSent | Busy | Stopped) or self.failed > 1:
                raise _Over(_words(error)) from None
        else:
            self.failed = 0
        finally:
            self.total.add(self.asker.done)

    def _note(
        self, name: str, *, began: datetime | None = None, reached: datetime | None = None, done: Asked | None = None,
        problem: str | None = None, over: bool = False,
    ) -> None:  # fmt: skip
        """Keep how far a piece of work has come; `until` is where it goes on, None at its end."""
        with self.services.db.writing(durable=False) as session:
            cursor = session.get(Cursor, name) or Cursor(name=name, rows=0, differences=0)
            cursor.ran_at = began or cursor.ran_at
            cursor.until = None if over else reached or cursor.until
            if done is not None:
                cursor.rows, cursor.differences, cursor.problem = done.rows, done.new + done.changed, problem
            session.add(cursor)


def _words(error: GatewayError) -> str:
    """An error in a word or two, for a cursor."""
    return f"{type(error).__name__} {error.code}".strip()


@dataclass(frozen=True, slots=True)
class Polled:
    """What a round did. `over` says why it ended before everything was asked that was due, None where it was."""

    asked: Asked
    over: str | None


def poll(services: Services, gateway: Gateway | None = None, now: datetime | None = None) -> Polled | None:
    """One round. None while no account is set, or while somebody else asks."""
    try:
        gateway = gateway or gateway_of(services)
    except UserError:
        return None
    with turn.taken(services.db, services.settings.gateway_timeout) as mine:
        if mine is None:
            return None
        now, over = now or clock.now(), None
        made = _Round(services, Asker(services, gateway, mine, SLICE), now)
        try:
            made.run()
        except _Over as end:
            over = str(end)
        with services.db.writing(durable=False) as session:
            inquiries.judge(session, now)
            cursor = session.get_one(Cursor, turn.NAME)
            cursor.ran_at, cursor.problem = now, over
            cursor.rows, cursor.differences = made.total.rows, made.total.new + made.total.changed
        return Polled(made.total, over)


def answer_by_hand(services: Services, inquiry_id: int) -> None:
    """Round after round until a person's question is over; polls go on with it where the gateway is to rest."""
    patience = time.monotonic() + TURN_WAIT
    while not services.jobs.stopping.is_set():
        with services.db.reading() as session:
            one = session.get(Inquiry, inquiry_id)
            if one is None or one.ended_at is not None:
                return
        if (problem := _no_account(services)) is not None:
            with services.db.writing(durable=False) as session:
                inquiries.end(session.get_one(Inquiry, inquiry_id), clock.now(), problem)
            return
        made = poll(services)
        if (made is None and time.monotonic() > patience) or (made is not None and made.over is not None):
            return
        if made is None:
            services.jobs.stopping.wait(0.5)


def _no_account(services: Services) -> str | None:
    with services.db.reading() as session:
        return None if account.login(session, services.settings, services.box) else inquiries.NO_ACCOUNT


def sync_statuses(services: Services, gateway: Gateway | None = None, now: datetime | None = None) -> Asked:
    """Ask once, now, about the last day, and of older days (up to 31) about what is still under way.

    Waits a while for the round of a worker that is asking. Raises UserError, GatewayError.
    """
    gateway, now = gateway or gateway_of(services), now or clock.now()
    _wait_for_turn(services)
    asker = Asker(services, gateway)
    day = now - timedelta(days=1)
    for window in asker.windows(OTHER_KIND, day - ages.AHEAD, now + ages.AHEAD):
        asker.take(window.rows or (), "mt_date")
    with services.db.reading() as session:
        older = hours.between(session, now - ages.OLDEST, day)
    for kind in sorted({hour.type for hour in older if hour.open}):
        those = [hour for hour in older if hour.type == kind]
        openings.ask(asker, Task("", kind, now - ages.OLDEST, day, those), lambda reached: None)
    return asker.done


def _wait_for_turn(services: Services) -> None:
    """A command asks beside a worker's round rather than not at all; asking twice does no harm."""
    for _ in range(50):
        with services.db.reading() as session:
            until = session.scalar(select(Cursor.held_until).where(Cursor.name == turn.NAME))
            if until is None or until <= moment(session):
                return
        services.jobs.stopping.wait(0.2)


def check_one(services: Services, message_id: int, gateway: Gateway | None = None) -> receipts.Applied:
    """Ask the gateway about one message, by our reference (or its id where we did not send it)."""
    with services.db.reading() as session:
        message = session.get(Message, message_id)
        if message is None:
            raise NotFound("This message does not exist.")
        run = session.get(Run, message.run_id) if message.run_id else None
        references = [encode(run.token, message.id)] if run else []
        ids = [message.gateway_id] if message.gateway_id and not run else []
    gateway = gateway or gateway_of(services)
    answer = gateway.look_up(references=references, ids=ids)
    source = "mt_id" if run else "mt_date"
    return services.db.retrying(lambda session: receipts.apply(session, answer.rows, source))


def probe(services: Services) -> None:
    """While the gateway's answers are unreadable or the login refused: ask `balance`, and go on once it answers."""
    with services.db.reading() as session:
        kept = session.get(Account, account.ROW)
        if kept is None or kept.stopped_code not in {account.UNREADABLE, "010"}:
            return
    try:
        gateway_of(services).balance()
    except (GatewayError, UserError):
        return
    with services.db.writing() as session:
        account.clear_stop(session)
    log.info("the gateway answers again; sending goes on")

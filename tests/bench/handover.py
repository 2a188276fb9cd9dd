"""How fast messages leave, beside plain loops that promise nothing: `python -m tests.bench.handover`.

(a) against a gateway that answers at once: the worker, and a loop over the same table that reads a batch, posts it,
reads the reply and marks the rows by one range update, with the same durability but no leases and no look-ups.
(b) against one that takes 200 ms a call: the worker, and as many threads that only post bodies made beforehand.

The gateway is a process of its own. Everybody sends one batch before the clock starts.
"""

import argparse
import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from statistics import median
from typing import Any, NamedTuple

import requests
from sqlalchemy import func, select, text

from tests.bench.ground import DATABASES, Ground, Wrong, apart, ground, peak_memory, told
from tests.bench.stub import Stub, stub
from webapp.core import clock, logs
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.core.window import is_holiday
from webapp.factory import make_services
from webapp.gateway.codes import CLASSIC
from webapp.gateway.outgoing import Manner, Recipient, batch_body
from webapp.messages import outbox, sending
from webapp.messages.models import Message, Run, RunCount
from webapp.messages.outbox import NewMessage
from webapp.messages.reference import encode
from webapp.messages.states import RowState, RunState
from webapp.messages.worker import Worker

FIRST = 5511970000000
TEXT = "Volta às aulas: tudo com 20% até sábado."
LOGIN = ("ana", "segredo")


class Sent(NamedTuple):
    """Seconds for everything but the first batch, and MB at the most."""

    seconds: float
    memory: float


def seed(settings: Settings, messages: int, own_texts: bool) -> None:
    """Two runs in the outbox: one of a single batch that goes first, and the one that is measured."""
    db = Database(settings.database_url)
    with db.writing(durable=False) as session:
        for total, priority in ((settings.batch_size, 1), (messages, 10)):
            run = outbox.open_run(
                session, kind="campaign", name="Volta às aulas", type=0, text=TEXT, total=total, priority=priority,
                not_before=clock.now() - timedelta(minutes=1),
            )  # fmt: skip
            for start in range(0, total, settings.batch_size):
                places = range(start, min(start + settings.batch_size, total))
                rows = [NewMessage(FIRST + place, f"Oi Ana {place}! {TEXT}" if own_texts else None) for place in places]
                outbox.write_chunk(session, run, rows, settings.batch_size)
            outbox.finish_launch(session, run)
    db.dispose()


def ours(settings: Settings) -> Sent:
    """The real worker, until the run is finished."""
    logs.configure(as_json=True, level=logging.WARNING)
    services = make_services(settings)
    worker = Worker(services)
    client = worker.connection.client()
    assert client is not None
    sending.send_next(services.db, settings, client)
    gc.freeze()  # as `recado worker` does
    began = time.perf_counter()
    worker.start()
    while not _finished(services.db):
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    worker.stop()
    services.db.dispose()
    return Sent(seconds, peak_memory())


def _finished(db: Database) -> bool:
    with db.reading() as session:
        return session.scalars(select(Run.state).order_by(Run.id.desc())).first() == RunState.FINISHED


def naive(settings: Settings) -> Sent:
    """A loop over the same table with nothing to fall back on: whatever goes wrong in it is sent twice, or never."""
    db, line = Database(settings.database_url), requests.Session()
    with db.reading() as session:
        runs = session.scalars(select(Run).order_by(Run.id)).all()
    began = 0.0
    for run in runs:
        began = time.perf_counter()
        last = run.first_key - 1
        while (last := _naive_step(db, line, settings, run, last)) < run.last_key:
            pass
    seconds = time.perf_counter() - began
    db.dispose()
    return Sent(seconds, peak_memory())


def _naive_step(db: Database, line: requests.Session, settings: Settings, run: Run, last: int) -> int:
    """Send the batch behind the key `last`; returns its last key."""
    with db.reading() as session:
        rows = session.execute(_NAIVE_READ, {"run": run.id, "last": last, "size": settings.batch_size}).all()
    messages: list[dict[str, Any]] = []
    for key, number, own in rows:
        message = {"country_code": 55, "number": number - 55 * 10**11, "campaign_id": f"{run.token}-{key}"}
        messages.append(message if own is None else {**message, "content": own})
    body = {"defaultValues": {"type": run.type, "content": run.text}, "messages": messages}
    reply = line.post(f"{settings.gateway_url}send-multiple", json=body, auth=LOGIN, timeout=30).json()
    codes = {item["responseCode"] for item in reply["messages"]}
    if codes != {"000"}:
        raise Wrong(f"the stub answered {codes}")
    first, last = rows[0][0], rows[-1][0]
    with db.writing() as session:
        session.execute(_NAIVE_MARK, {"at": _stored(db, clock.now()), "run": run.id, "first": first, "last": last})
    return last


def _stored(db: Database, at: datetime) -> datetime | str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if db.is_sqlite else at


_NAIVE_READ = text(
    "SELECT id, number, text FROM message WHERE run_id = :run AND id > :last AND state = 'pending' ORDER BY id LIMIT :size"
)
_NAIVE_MARK = text(
    "UPDATE message SET state = 'accepted', at = :at, credits = 1 WHERE id BETWEEN :first AND :last AND run_id = :run"
)


def bare(settings: Settings) -> Sent:
    """Threads that post bodies made beforehand and look at nothing."""
    bodies: SimpleQueue[bytes] = SimpleQueue()
    for body in _bodies(settings):
        bodies.put(body)
    url, headers = f"{settings.gateway_url}send-multiple", {"Content-Type": "application/json"}

    def post(line: requests.Session) -> None:
        assert line.post(url, bodies.get_nowait(), auth=LOGIN, headers=headers, timeout=30).content

    def drain() -> None:
        with requests.Session() as line:
            try:
                while True:
                    post(line)
            except Empty:
                return

    post(requests.Session())
    threads = [threading.Thread(target=drain) for _ in range(settings.concurrency)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sent(time.perf_counter() - began, peak_memory())


def _bodies(settings: Settings) -> list[bytes]:
    db = Database(settings.database_url)
    with db.reading() as session:
        rows = session.execute(select(Message.id, Message.number, Message.text).order_by(Message.id)).all()
    db.dispose()
    manner = Manner(0, TEXT)
    people = [Recipient(number, encode("k3x9a", key), own) for key, number, own in rows]
    return [
        batch_body(manner, people[start : start + settings.batch_size], CLASSIC)
        for start in range(0, len(people), settings.batch_size)
    ]


def check(settings: Settings, gateway: Stub, messages: int, *, marked: bool, counted: bool) -> None:
    """Every message was handed over once, and is written down where that was promised. Raises Wrong."""
    everybody = messages + settings.batch_size
    if gateway.calls() != everybody // settings.batch_size:
        raise Wrong(f"{gateway.calls()} calls for {everybody} messages")
    db = Database(settings.database_url)
    with db.reading() as session:
        accepted = session.scalar(select(func.count()).where(Message.state == RowState.ACCEPTED, Message.credits == 1))
        told_n, told_credits = session.execute(
            select(func.sum(RunCount.n), func.sum(RunCount.credits)).where(RunCount.state == RowState.ACCEPTED)
        ).one()
    db.dispose()
    if marked and accepted != everybody:
        raise Wrong(f"{accepted} rows accepted, should be {everybody}")
    if counted and (told_n, told_credits) != (everybody, everybody):
        raise Wrong(f"counters say {told_n} accepted for {told_credits} credits, should be {everybody}")


class Case(NamedTuple):
    """A gateway that takes so many seconds a call, whom the worker runs against there, and the least ratio."""

    gateway: str
    seconds: float
    rival: Callable[[Settings], Sent]
    called: str
    least: float


CASES = (
    Case("(a) at once", 0.0, naive, "a naive loop over the table", 0.6),
    Case("(b) 200 ms a call", 0.2, bare, "4 threads that only post", 0.8),
)


def measure(on: Ground, messages: int, rounds: int, own_texts: bool, cases: Sequence[Case] = CASES) -> None:
    """The worker and the plain loops in turn, some rounds; print what they took."""
    batch = min(messages, 5000)
    messages -= messages % batch  # the stub's answer is that of a whole batch
    label = "a text for each" if own_texts else "one text for all"
    with on.installation(batch_size=str(batch)) as seeded:
        seed(seeded, messages, own_texts)
        for case in cases:
            worker: list[Sent] = []
            rival: list[Sent] = []
            for _ in range(rounds):
                for work, sent in ((ours, worker), (case.rival, rival)):
                    with stub(batch, case.seconds) as gateway, _copy(on, seeded, gateway) as settings:
                        sent.append(apart(work, settings))
                        check(settings, gateway, messages, marked=work is not bare, counted=work is ours)
            print(f"{messages:,} messages, {label}; gateway {case.gateway}")
            print(told("worker", messages, [sent.seconds for sent in worker]))
            print(told(case.called, messages, [sent.seconds for sent in rival]))
            ratio = median(sent.seconds for sent in rival) / median(sent.seconds for sent in worker)
            memory = max(sent.memory for sent in worker)
            print(f"  ratio {ratio:.2f} (at least {case.least}), memory of the worker {memory:.0f} MB")


def _copy(on: Ground, seeded: Settings, gateway: Stub) -> Any:
    """A copy of the seeded installation whose gateway is this one. Its window is judged, but open round the clock."""
    user, password = LOGIN
    today = clock.aware(clock.now()).astimezone(clock.zone(seeded.timezone)).date()
    shut = any(is_holiday(today + timedelta(days=day)) for day in (-1, 0, 1))
    return on.installation(
        like=seeded, gateway_url=gateway.url, gateway_user=user, gateway_password=password,
        batch_size=str(seeded.batch_size), sending_window="always" if shut else "mon-sun 00:00-24:00",
    )  # fmt: skip


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.handover", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ground(given.database) as on:
        print(f"hand-over on {given.database}, {given.rounds} rounds in turn, medians")
        for own_texts in (False, True):
            measure(on, given.messages, given.rounds, own_texts)


if __name__ == "__main__":
    main()

"""How many callbacks a second are answered, beside a route that does nothing: `python -m tests.bench.callbacks`.

Each callback is durable (synchronous=FULL) and applied, with its raw receipt, status and counters, before its answer. The rival is a
plain Flask application whose one route does nothing, on the same server with the same number of threads. Servers and
client are processes of their own; the two take turns. Afterwards every callback must be found and all counters exact.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from flask import Flask
from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from tests import make
from tests.bench.ground import DATABASES, Wrong, apart, ground, told
from tests.bench.load import asked, in_turn, request
from tests.bench.store import borrowed
from webapp import serve
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.db import Database, one_of
from webapp.core.settings import Settings
from webapp.factory import create_app, make_services
from webapp.gateway import codes
from webapp.gateway.wire import Receipt as Told
from webapp.messages import counters, outbox, receipts
from webapp.messages.models import DayCount, Message, Receipt, Run, RunCount
from webapp.messages.outbox import NewMessage
from webapp.messages.reference import encode
from webapp.messages.states import RowState
from webapp.processes import die_with_parent

FIRST = 5511970000000
TOKEN = "benchmarks-know-their-callback-token"
CHUNK = 5000
CARRIERS = ("Vivo - Celular", "Claro", "TIM", "Oi - Celular")
NEXT = ("0", "1", "2")  # the callback that a message gets: the first of these that is news


class News(NamedTuple):
    """A callback to send: what it says of which message."""

    key: int
    status: str
    query: str


# What is measured


@contextmanager
def server(kind: str, settings: Settings, threads: int) -> Iterator[int]:
    """`recado` or `noop` on granian with so many blocking threads; yields its port."""
    port = _free_port()
    environ = {
        **os.environ, "RECADO_INSTANCE": str(settings.instance), "RECADO_DATABASE_URL": settings.database_url,
        "RECADO_SECRET_KEY": settings.secret_key or "", "RECADO_CALLBACK_TOKEN": TOKEN,
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "tests.bench.callbacks",
        "--serve",
        kind,
        "--port",
        str(port),
        "--threads",
        str(threads),
    ]
    with subprocess.Popen(command, env=environ) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise Wrong(f"nobody answers at {url}")


def run_server(kind: str, port: int, threads: int) -> None:
    """What the child of `server` does, until SIGTERM."""
    if kind == "recado":
        serve.web(settings_module.load(os.environ), "127.0.0.1", port, threads)
    else:
        serve.server("127.0.0.1", port, threads).serve(target_loader=partial(_noop, os.getpid()), wrap_loader=False)


def _noop(parent: int) -> Flask:
    die_with_parent(parent)
    app = Flask("noop")
    app.add_url_rule("/noop", "noop", lambda: "ok")
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    return app


# The store, and what is said of its messages


def launched(settings: Settings, messages: int) -> tuple[str, range]:
    """A launch of so many people, all pending: the random part of its references, and its keys."""
    db = Database(settings.database_url, settings.instance)
    with db.writing(durable=False) as session:
        run = outbox.open_run(
            session, kind="campaign", name="Volta às aulas", type=0, text="Oi!", total=messages, not_before=clock.now()
        )
        for start in range(0, messages, CHUNK):
            people = range(FIRST + start, FIRST + min(start + CHUNK, messages))
            outbox.write_chunk(session, run, [NewMessage(number) for number in people], CHUNK)
        outbox.finish_launch(session, run)
    db.dispose()
    return run.token, range(run.first_key, run.last_key + 1)


def seed(settings: Settings, messages: int) -> None:
    """Accepted messages of which nothing else was heard."""
    token, keys = launched(settings, messages)
    db = Database(settings.database_url, settings.instance)
    for start in range(0, messages, CHUNK):
        with db.writing(durable=False) as session:
            part = [_queued(encode(token, key), key) for key in keys[start : start + CHUNK]]
            receipts.apply(session, part, "mt_id")
    db.dispose()


def _queued(reference: str, key: int) -> Told:
    return Told(str(900_000_000 + key), reference, None, "-1", "-1", None, "", CARRIERS[key % len(CARRIERS)], 0)


def news(session: Session, count: int, dice: random.Random, *, spread: bool = False) -> list[News]:
    """Callbacks that move so many messages forward: as they come after a launch, a few batches' mixed with each other,
    or `spread` over the whole store."""
    found: dict[int, News] = {}
    for keys in _spread(session, count, dice) if spread else _in_order(session, count, dice):
        rows = session.execute(
            select(Message.id, Message.gateway_id, Message.status, Message.carrier, Run.token)
            .join(Run, Run.id == Message.run_id)
            .where(one_of(session, Message.id, keys), Message.state == RowState.ACCEPTED)
        )
        told = {row.id: row for row in rows}
        for key in keys:
            status = next(
                (each for each in NEXT if key in told and codes.rank(each) > codes.rank(told[key].status)), None
            )
            if status:
                row = told[key]
                found[key] = _news(key, row.token, row.gateway_id, status, row.carrier)
        if len(found) >= count:
            return list(found.values())[:count]
    raise Wrong(f"only {len(found)} messages can move forward")


def _spread(session: Session, count: int, dice: random.Random) -> Iterator[list[int]]:
    low, high = session.execute(select(func.min(Message.id), func.max(Message.id))).one()
    for _ in range(20):
        yield [dice.randint(low, high) for _ in range(min(count * 2, 20_000))]


def _in_order(session: Session, count: int, dice: random.Random) -> Iterator[list[int]]:
    newest = select(Run).where(Run.total >= count).order_by(Run.created_at.desc()).limit(1)
    run = session.scalars(newest).one()
    for first in range(run.first_key, run.last_key + 1, 4 * CHUNK):
        keys = list(range(first, min(first + 4 * CHUNK, run.last_key + 1)))
        dice.shuffle(keys)
        yield keys


def _news(key: int, token: str, gateway_id: str | None, status: str, carrier: str | None) -> News:
    told = {
        "campaign_id": encode(token, key), "id": gateway_id or str(key), "status": status,
        "date": clock.aware(clock.now()).astimezone(clock.GATEWAY_ZONE).strftime("%Y-%m-%d %H:%M:%S"),
        "carrier": carrier or CARRIERS[key % len(CARRIERS)],
    }  # fmt: skip
    return News(key, status, urlencode(told))


# What must be true afterwards


def check(settings: Settings, sent: Sequence[News], receipts_before: int) -> None:
    """Every callback is in the rows with its raw bytes, and every counter is what the rows say. Raises Wrong."""
    db = Database(settings.database_url, settings.instance)
    counters.set_zone(settings.timezone)
    with db.still() as session:
        kept = _callbacks(session) - receipts_before
        if kept != len(sent):
            raise Wrong(f"{kept} raw receipts of {len(sent)} callbacks")
        for start in range(0, len(sent), CHUNK):
            expected = {each.key: each.status for each in sent[start : start + CHUNK]}
            rows = session.execute(
                select(Message.id, Message.status).where(one_of(session, Message.id, list(expected)))
            )
            found = {row.id: row.status for row in rows}
            if found != expected:
                raise Wrong(f"{sum(found[key] != expected[key] for key in expected)} messages have another status")
        check_counters(session)
    db.dispose()


def _callbacks(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Receipt).where(Receipt.source == "callback")) or 0


def check_counters(session: Session) -> None:
    """Recount everything. Raises Wrong where a counter says something else."""
    said = Message.status, Message.carrier
    runs = session.execute(
        select(Message.run_id, Message.state, Message.reason, *said, func.count(), func.sum(Message.credits))
        .where(Message.run_id.is_not(None))
        .group_by(Message.run_id, Message.state, Message.reason, *said)
    )
    counted = {}
    for run_id, state, reason, status, carrier, n, credits in runs:
        key = run_id, state, "" if state == RowState.PENDING else reason or "", status or "", carrier or ""
        counted[key] = n, credits or 0
    kept = {
        (each.run_id, each.state, each.reason, each.status, each.carrier): (each.n, each.credits)
        for each in session.scalars(select(RunCount).where(RunCount.n != 0))
    }
    if kept != counted:
        raise Wrong(f"{len(set(kept.items()) ^ set(counted.items()))} counters of runs are not what the rows say")
    hours: Counter[tuple[object, ...]] = Counter()
    hour = func.substr(cast(Message.at, Text), 1, 13)
    for at, type_, status, carrier, n in session.execute(
        select(hour, Message.type, *said, func.count())
        .where(Message.state == RowState.ACCEPTED)
        .group_by(hour, Message.type, *said)
    ):
        day = counters.day_and_hour(datetime.fromisoformat(at + ":00"))
        hours[(*day, -1 if type_ is None else type_, carrier or "", status or "")] += n
    days = {
        (each.day, each.hour, each.type, each.carrier, each.status): each.n
        for each in session.scalars(select(DayCount).where(DayCount.n != 0))
    }
    if days != hours:
        raise Wrong(f"{len(set(days.items()) ^ set(hours.items()))} counters of days are not what the rows say")


# The benchmark


def measure(settings: Settings, rounds: int, count: int, threads: int, *, spread: bool = False) -> float:
    """Both servers in turn, some rounds of `count` requests each; print what they took, return the ratio."""
    db, dice = Database(settings.database_url, settings.instance), random.Random(7)
    with db.reading() as session:
        before, drawn = _callbacks(session), news(session, count * rounds + threads, dice, spread=spread)
    db.dispose()
    warm, drawn = drawn[:threads], drawn[threads:]
    ours: list[float] = []
    noop: list[float] = []
    with server("recado", settings, threads) as at, server("noop", settings, threads) as beside:
        apart(asked, at, [request(f"/callback/{TOKEN}/status?{each.query}") for each in warm])
        for start in range(0, count * rounds, count):
            part = drawn[start : start + count]
            noop.append(apart(asked, beside, [request(f"/noop?{each.query}") for each in part]))
            ours.append(apart(asked, at, [request(f"/callback/{TOKEN}/status?{each.query}") for each in part]))
    check(settings, [*warm, *drawn], before)
    print(told("callbacks, each committed and applied", count, ours))
    print(told("a route that does nothing", count, noop))
    ratio = median(theirs / mine for mine, theirs in zip(ours, noop, strict=True))
    print(f"  ratio {ratio:.2f} (at least 0.6), {threads} threads", flush=True)
    return ratio


PAGES = ("/dashboard", "/dashboard/figures", "/messages")


def flood(settings: Settings, connections: int, count: int, threads: int) -> None:
    """Pages of somebody who is signed in, on an idle server and while so many connections bring callbacks: p50, p95."""
    db, cookie = Database(settings.database_url, settings.instance), _cookie(settings)
    with db.reading() as session:
        before, drawn = _callbacks(session), news(session, count, random.Random(9))
    db.dispose()
    callbacks = [request(f"/callback/{TOKEN}/status?{each.query}") for each in drawn]
    with server("recado", settings, threads) as at, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for path in PAGES:
            _told_pages(f"{path}, nobody else", in_turn(at, [request(path, cookie)] * 40))
        bringing = pool.submit(asked, at, callbacks, connections)
        taken: dict[str, list[float]] = {path: [] for path in PAGES}
        time.sleep(1)  # its process starts
        while not bringing.done():
            for path in PAGES:
                taken[path] += in_turn(at, [request(path, cookie)])
        seconds = bringing.result()
    for path in PAGES:
        _told_pages(f"{path}, {connections} connections", taken[path])
    check(settings, drawn, before)
    print(told(f"callbacks over {connections} connections meanwhile", count, [seconds]), flush=True)


def _told_pages(label: str, taken: Sequence[float]) -> None:
    ordered = sorted(taken)
    p50, p95 = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
    print(f"  {label:<44}p50 {p50 * 1000:6.0f} ms   p95 {p95 * 1000:6.0f} ms   ({len(taken)} pages)", flush=True)


def _cookie(settings: Settings) -> str:
    services = make_services(settings)
    client = create_app(settings, services).test_client()
    token = make.signed_in_person(services.db, "admin")
    with client.session_transaction() as kept:
        kept["_user_id"], kept["_fresh"] = token, True
    services.db.dispose()
    cookie = client.get_cookie("recado")
    assert cookie is not None
    return f"recado={cookie.value}"


@contextmanager
def installation(database: str, store: Path | None, messages: int) -> Iterator[Settings]:
    """One with messages in it that may be changed: a copy of a store's, or a smaller one made here."""
    if store is not None:
        with borrowed(store, database) as settings:
            yield settings
        return
    with ground(database) as on, on.installation() as settings:
        seed(settings, messages)
        yield settings


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.callbacks", description=__doc__)
    parser.add_argument("--messages", type=int, default=500_000, help="in the store that is made where none is given")
    parser.add_argument("--store", type=Path, help="folder of a seeded installation; it is copied")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000, help="callbacks a round")
    parser.add_argument("--threads", type=int, default=serve.THREADS)
    parser.add_argument(
        "--flood", type=int, default=0, help="connections that bring callbacks while pages are asked for"
    )
    parser.add_argument("--spread", action="store_true", help="about messages of the whole store, not of a launch")
    parser.add_argument("--serve", choices=("recado", "noop"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_server(given.serve, given.port, given.threads)
        return
    with installation(given.database, given.store, given.messages) as settings:
        print(f"callbacks on {given.database}, {given.rounds} rounds in turn, medians", flush=True)
        measure(settings, given.rounds, given.count, given.threads, spread=given.spread)
        if given.flood:
            flood(settings, given.flood, given.count * 2, given.threads)


if __name__ == "__main__":
    main()

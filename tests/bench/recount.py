"""What it costs to count every message anew, beside a plain GROUP BY: `python -m tests.bench.recount --store FOLDER`.

The store (`tests.bench.store`) is counted in a copy by what the periodic job does, all in one go: first alone, then
while a writer in a process of its own takes receipts, group by group, as callbacks bring them. The plain reader is the
same question as two GROUP BY over the whole table, which a page would have to ask if there were no counters.
"""

import argparse
import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from sqlalchemy import func, select

from tests.bench import store
from tests.bench.ground import DATABASES, Wrong, apart
from webapp import migrate
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.factory import make_services
from webapp.gateway.wire import Receipt
from webapp.messages import receipts, recount, rounds
from webapp.messages.models import Message, Run, RunCount
from webapp.messages.reference import encode

GROUP = 32  # receipts in one transaction: half of 64 threads, as measured
STATUSES = ("0", "1", "2", "-2", "9")
ALONE_SECONDS = 10.0


class Written(NamedTuple):
    """What each transaction of a writer took, in ms, and the most bytes of SQLite's log that waited to be written back."""

    took: list[float]
    log: int


def plain(url: str) -> float:
    """Seconds for two questions over the whole table, as somebody would put them by hand."""
    db, table = Database(url), Message.__table__.c
    began = time.perf_counter()
    with db.reading() as session:
        by_run = (table.run_id, table.state, table.reason, table.status, table.carrier)
        session.execute(select(*by_run, func.count(), func.sum(table.credits)).group_by(*by_run)).all()
        hour = func.substr(table.at, 1, 13) if db.is_sqlite else func.date_trunc("hour", table.at)
        by_hour = (hour, table.type, table.carrier, table.status)
        session.execute(
            select(*by_hour, func.count(), func.sum(table.credits)).where(table.state == "accepted").group_by(*by_hour)
        ).all()
    db.dispose()
    return time.perf_counter() - began


def ours(settings: Settings) -> rounds.Found:
    """A whole round. Wrong where it says that the store's counters are not those of its messages."""
    services = make_services(settings)
    found = rounds.whole(services.db)
    services.db.dispose()
    if found.drifts:
        raise Wrong(f"{len(found.drifts)} drifts, the first: {found.drifts[0].cells[:3]}")
    return found


def write(url: str, stop: Event, seconds: float, told: "multiprocessing.Queue[Written]") -> None:
    """Groups of receipts about messages anywhere in the store, one after the other."""
    db, dice, took, log = Database(url), random.Random(5), list[float](), Path(url.removeprefix("sqlite:///") + "-wal")
    biggest = 0
    with db.reading() as session:
        runs = session.execute(select(Run.token, Run.first_key, Run.last_key).where(Run.total > 1000)).all()
    began = time.perf_counter()
    while not stop.is_set() and (not seconds or time.perf_counter() - began < seconds):
        news = []
        for _ in range(GROUP):
            token, first, last = dice.choice(runs)
            reference, status = encode(token, dice.randint(first, last)), dice.choice(STATUSES)
            news.append(Receipt("", reference, None, status, status, None, "", "Vivo", None))
        since = time.perf_counter()
        db.retrying(lambda session: receipts.apply(session, news, "callback"))  # noqa: B023
        took.append((time.perf_counter() - since) * 1000)
        biggest = max(biggest, log.stat().st_size if log.exists() else 0)
    db.dispose()
    told.put(Written(took, biggest))


def writing(url: str, work: Callable[[], object] | None) -> Written:
    """What a writer wrote while `work` went on, or for some seconds alone."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.Queue()
    seconds = 0.0 if work else ALONE_SECONDS
    writer = context.Process(target=write, args=(url, stop, seconds, told))
    writer.start()
    if work:
        work()
        stop.set()
    written: Written = told.get()
    writer.join()
    return written


def measure(settings: Settings, rounds_: int) -> None:
    """Print the table."""
    url = settings.database_url
    for _ in range(rounds_):
        seconds, found = apart(plain, url), apart(ours, settings)
        print(f"  {'two GROUP BY over the whole table':<44}{seconds:8.1f} s")
        print(
            f"  {'a whole round, counters compared':<44}{found.seconds:8.1f} s   {found.messages:,} messages of "
            f"{found.runs} runs, {found.accepted:,} of {found.days} days"
        )
    alone = writing(url, None)
    during: list[rounds.Found] = []
    meanwhile = writing(url, lambda: during.append(apart(ours, settings)))
    for label, (took, log) in (("a writer alone", alone), ("a writer meanwhile", meanwhile)):
        slow = quantiles(took, n=100)
        rate = GROUP * 1000 / (sum(took) / len(took))
        print(
            f"  {label:<44}{median(took):8.1f} ms for {GROUP} receipts, p95 {slow[94]:.1f}, p99 {slow[98]:.1f}, "
            f"worst {max(took):.0f}; {rate:,.0f} receipts/s; log up to {log / 1e6:.0f} MB"
        )
    print(f"  the round meanwhile {during[0].seconds:.1f} s, {during[0].moving} stretches moved too fast")
    part = rounds.WORK_SECONDS[rounds.ALL] / rounds.TICK_SECONDS[rounds.ALL]
    print(f"  by the periodic job, at {part:.0%} of one processor: {found.seconds / part / 60:.0f} minutes a round")


def check(url: str) -> None:
    """What was measured did count: after the writer, too, counters and rows are as many."""
    db = Database(url)
    with db.reading() as session:
        held = session.scalar(select(func.sum(RunCount.n)))
        rows = session.scalar(select(func.count()).where(Message.run_id.is_not(None)))
    db.dispose()
    if held != rows:
        raise Wrong(f"{held} by the counters, {rows} rows")


def main() -> None:
    """Measure as asked on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recount", description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--database", choices=DATABASES, default=DATABASES[0])
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    with store.borrowed(asked.store.absolute(), asked.database) as settings:
        db = Database(settings.database_url)
        migrate.upgrade(db)  # the store may be older than the tables of the rounds
        db.dispose()
        print(f"Counting anew, on {asked.database}, {recount.PIECE:,} messages a snapshot", flush=True)
        measure(settings, asked.rounds)
        check(settings.database_url)


if __name__ == "__main__":
    main()

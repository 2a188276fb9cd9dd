"""An installation with ten million messages behind it, kept in a folder: `python -m tests.bench.store FOLDER`.

Made once, in minutes, and used by the benchmarks that ask what a page, a callback or an export costs a busy company
(`--store FOLDER`). SQLite and PostgreSQL lie side by side in the folder; what a benchmark changes, it changes in a copy.
"""

import argparse
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import insert, text

from tests import make
from tests.bench import lists, past
from tests.bench.ground import DATABASES
from tests.postgres import new_database, server_in
from webapp import migrate
from webapp.campaigns.models import Campaign
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.inbox.models import Conversation, Inbound
from webapp.messages import counters
from webapp.messages.models import Batch, KeyCounter, Run
from webapp.messages.states import BatchState, RowState, RunState

MESSAGES, DAYS, CONTACTS = 10_000_000, 30, 1_000_000
SECRET = "a secret for benchmarks"
OUTSIDE = 500  # messages of other systems, after each tenth run
_MESSAGE = ("id", "run_id", "number", "type", "text", "state", "reason", "at", "gateway_id", "status", "status_at",
            "carrier", "credits")  # fmt: skip
_RECEIPT = ("message_id", "heard_at", "source", "raw", "reference", "gateway_id", "status", "status_at", "carrier")
_CONTACT = ("list_id", "number", "kind", "name", "name_key", "fields", "created_at", "updated_at")
_BIG = ("message", "receipt", "contact")  # their indexes are made at the end


@contextmanager
def opened(folder: Path, database: str, **values: str) -> Iterator[Settings]:
    """The store itself, to be read from; for PostgreSQL its server runs as long as the block."""
    with _url(folder, database) as url:
        yield _settings(folder / database / "instance", url, values)


@contextmanager
def borrowed(folder: Path, database: str, **values: str) -> Iterator[Settings]:
    """A copy of the store that may be written to; it goes with the block."""
    with tempfile.TemporaryDirectory(prefix="recado-bench-", dir=folder) as place:
        instance = Path(place)
        if database == "postgresql":
            with server_in(folder / database) as server, new_database(server, "store") as url:
                yield _settings(instance, url, values)
        else:
            shutil.copy(folder / database / "instance" / "recado.db", instance / "recado.db")
            yield _settings(instance, f"sqlite:///{instance / 'recado.db'}", values)


@contextmanager
def _url(folder: Path, database: str) -> Iterator[str]:
    if database == "postgresql":
        with server_in(folder / database) as server:
            yield server.format(name="store")
    else:
        yield f"sqlite:///{folder / database / 'instance' / 'recado.db'}"


def _settings(instance: Path, url: str, values: dict[str, str]) -> Settings:
    return settings_module.load({}, instance=instance, database_url=url, secret_key=SECRET, **values)


def seed(folder: Path, database: str, messages: int, days: int, contacts: int) -> None:
    """Make the store anew."""
    shutil.rmtree(folder / database, ignore_errors=True)
    (folder / database / "instance").mkdir(parents=True)
    if database == "postgresql":
        with server_in(folder / database) as server:
            admin = server.format(name="postgres").replace("+psycopg", "")
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute("CREATE DATABASE store")
            _fill(server.format(name="store"), messages, days, contacts)
            with psycopg.connect(server.format(name="store").replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
    else:
        _fill(f"sqlite:///{folder / database / 'instance' / 'recado.db'}", messages, days, contacts)


def _fill(url: str, messages: int, days: int, contacts: int) -> None:
    db = Database(url)
    migrate.upgrade(db)
    dice, now = random.Random(11), clock.now().replace(microsecond=0)
    told, writer = _Progress(messages), _Writer(db)
    with writer:
        written = _Filling(db, writer, dice, now)
        for plan in past.plans(messages, days, now, dice):
            written.run(plan)
            told(written.messages)
        written.finish(contacts)
    db.dispose()


class _Progress:
    def __init__(self, messages: int) -> None:
        self._messages, self._since, self._next = messages, time.perf_counter(), 0

    def __call__(self, done: int) -> None:
        if done >= self._next:
            print(
                f"  {done:>12,} of {self._messages:,} messages, {time.perf_counter() - self._since:.0f} s", flush=True
            )
            self._next = done + self._messages // 10


class _Filling:
    """Writes run after run, and counts as it goes what the product's counters would say."""

    def __init__(self, db: Database, writer: "_Writer", dice: random.Random, now: datetime) -> None:
        self._db, self._writer, self._dice, self._now = db, writer, dice, now
        self._numbers = past.numbers()
        self._changes = counters.Changes()
        self._next_key, self._runs, self.messages = 1, 0, 0
        self._singles: list[past.Plan] = []
        self._replies: dict[int, dict[str, Any]] = {}

    def run(self, plan: past.Plan) -> None:
        """One run with everything that belongs to it."""
        first = self._next_key
        start = self._dice.randrange(len(self._numbers))
        people = list(islice(_around(self._numbers, start), plan.people))
        with self._db.writing(durable=False) as session:
            run = _run_of(plan, first)
            session.add(run)
            session.flush()
            run_id, token = run.id, run.token
            if plan.kind == "campaign":
                session.add(_campaign_of(plan, run_id))
        batches = []
        for lived in past.lived(plan, run_id, token, first, people, self._now, self._dice):
            self._writer.write("message", _MESSAGE, lived.messages)
            self._writer.write("receipt", _RECEIPT, lived.receipts)
            self._count(run_id, plan.type, lived)
            batches.append(_batch_of(run_id, lived))
            self._answer(run_id, lived)
        with self._db.writing(durable=False) as session:
            session.execute(insert(Batch), batches)
        self._next_key += plan.people
        self.messages += plan.people
        self._runs += 1
        if plan.kind == "campaign" and self._runs % 10 == 0:
            self._others(plan, people[:OUTSIDE])

    def _others(self, plan: past.Plan, people: Sequence[int]) -> None:
        rows = past.outside(self._next_key, len(people), people, plan.start)
        self._writer.write("message", _MESSAGE, rows)
        place = counters.Place(None, RowState.ACCEPTED, None, "1", "TIM", None, plan.start, None)
        self._changes.add(place, len(rows))
        self._next_key += len(rows)

    def _count(self, run_id: int, type: int, lived: past.Lived) -> None:
        for fate, n in lived.fates.items():
            credits = 1 if fate.state == RowState.ACCEPTED else None
            place = counters.Place(run_id, fate.state, fate.reason, fate.status, fate.carrier, type, lived.at, credits)
            self._changes.add(place, n)

    def _answer(self, run_id: int, lived: past.Lived) -> None:
        """One person in 200 answers."""
        for row in lived.messages[::200]:
            key, number = int(str(row[0])), int(str(row[2]))
            if row[9] in {"1", "2"} and number not in self._replies:
                at = lived.at + timedelta(minutes=7, seconds=key % 50)
                self._replies[number] = {
                    "number": number, "number_raw": str(number), "text": "Quero sim!", "words": "quero sim",
                    "text_key": f"{key:064x}", "second": int(clock.aware(at).timestamp()), "at": at, "received_at": at,
                    "source": "callback", "message_id": key, "run_id": run_id, "type": row[3], "carrier": row[11],
                    "opted_out": key % 7 == 0, "suspect": False, "undated": False,
                }  # fmt: skip

    def finish(self, contacts: int) -> None:
        """What is not of one run: counters, keys, replies, a list of everybody, people who can sign in."""
        with self._db.writing(durable=False) as session:
            self._changes.write(session)
            session.merge(KeyCounter(name="message", value=self._next_key))
            for role in ("admin", "marketing", "support"):
                make.person(session, role, locale="pt_BR")
            replies = list(self._replies.values())
            for place in range(0, len(replies), 5000):
                part = replies[place : place + 5000]
                session.execute(insert(Conversation), [_conversation(place + n, row) for n, row in enumerate(part)])
                session.execute(insert(Inbound), part)
            everybody = ContactList(name="Clientes", created_at=self._now, size=contacts)
            session.add(everybody)
            session.flush()
            list_id = everybody.id
        name, moment = lists.names(self._dice), past.text(self._now)
        for place in range(0, contacts, 50_000):
            part = self._numbers[place : min(place + 50_000, contacts)]
            named = ((number, name()) for number in part)
            self._writer.write(
                "contact",
                _CONTACT,
                [(list_id, number, "mobile", who, who.casefold(), "{}", moment, moment) for number, who in named],
            )


def _around(numbers: Sequence[int], start: int) -> Iterator[int]:
    yield from islice(numbers, start, None)
    yield from islice(numbers, start)


def _run_of(plan: past.Plan, first: int) -> Run:
    paused, newest = plan.end is not None and plan.end.state == RowState.PENDING, plan.share == 0
    state = RunState.PAUSED if paused else RunState.FINISHED
    ended = None if paused else plan.start + timedelta(seconds=past.BATCH_SECONDS * (plan.people // past.BATCH + 1))
    return Run(
        kind=plan.kind, name=plan.name, type=plan.type, text="Oi! Tudo com 20% até sábado. Resp. SAIR p/ cancelar",
        caption="", token=f"{first % 36**5:05d}"[-5:], state=state, pause_reason="person" if paused else None,
        priority=10 if plan.kind == "campaign" else 0, served=1, first_key=first, last_key=first + plan.people - 1,
        launched_keys=plan.people, not_before=plan.start, total=plan.people, forecast=plan.people,
        created_at=plan.start - timedelta(minutes=2), finished_at=ended if not newest else plan.start,
    )  # fmt: skip


def _campaign_of(plan: past.Plan, run_id: int) -> Campaign:
    at = plan.start - timedelta(minutes=30)
    return Campaign(
        name=plan.name, created_at=at, updated_at=at, type=plan.type, text="Oi! Tudo com 20% até sábado.", lists=[1],
        timezone="America/Sao_Paulo", run_id=run_id,
    )  # fmt: skip


def _batch_of(run_id: int, lived: past.Lived) -> dict[str, Any]:
    return {
        "run_id": run_id, "first_key": lived.first_key, "last_key": lived.first_key + len(lived.messages) - 1,
        "pending": lived.pending, "state": BatchState.QUEUED if lived.pending else BatchState.DONE,
        "not_before": lived.at, "attempts": 0 if lived.pending else 1, "doubts": 0, "looks": 0, "scheduled": False,
        "worker": None if lived.pending else "bench",
    }  # fmt: skip


def _conversation(place: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"], "key": f"{place:012x}", "state": "open" if place % 5 == 0 else "closed", "unread": 0,
        "name": "", "name_key": "", "channel_type": row["type"], "snippet": row["text"], "snippet_out": False,
        "suspect": False, "version": 1, "opened_at": row["at"], "last_at": row["at"], "last_inbound_at": row["at"],
    }  # fmt: skip


class _Index(NamedTuple):
    name: str
    made_by: str


class _Writer:
    """Rows by the database's own fastest way; the indexes of the big tables are away meanwhile."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._indexes: list[_Index] = []

    def __enter__(self) -> "_Writer":
        query = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :table"
            if self._db.is_sqlite
            else "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table AND indexname NOT IN "
            "(SELECT conname FROM pg_constraint)"
        )
        with self._db.durable_engine.begin() as connection:
            for table in _BIG:
                self._indexes += [_Index(*row) for row in connection.execute(text(query), {"table": table})]
            for index in self._indexes:
                connection.exec_driver_sql(f"DROP INDEX {index.name}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        for index in self._indexes:
            with self._db.durable_engine.begin() as connection:
                connection.exec_driver_sql(index.made_by)
        if self._db.is_sqlite:
            with self._db.durable_engine.begin() as connection:
                connection.exec_driver_sql("PRAGMA analysis_limit=1000")
                connection.exec_driver_sql("ANALYZE")

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Many rows of one table, committed."""
        with self._db.writing(durable=False) as session:
            driver: Any = session.connection().connection.driver_connection
            names = ", ".join(columns)
            if isinstance(driver, sqlite3.Connection):
                marks = ", ".join("?" * len(columns))
                driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
                return
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


def main() -> None:
    """Make the store as asked on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.store", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", choices=DATABASES, default=DATABASES[0])
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    asked = parser.parse_args()
    since = time.perf_counter()
    seed(asked.folder.absolute(), asked.database, asked.messages, asked.days, asked.contacts)
    size = subprocess.run(["du", "-sm", str(asked.folder / asked.database)], capture_output=True, text=True).stdout
    print(
        f"{asked.messages:,} messages on {asked.database} in {time.perf_counter() - since:.0f} s: {size.split()[0]} MB"
    )


if __name__ == "__main__":
    main()

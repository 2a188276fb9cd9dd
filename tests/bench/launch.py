"""How long a launch takes, beside a bulk INSERT of the same rows into the same table: `python -m tests.bench.launch`.

The launch is the real one, from the click to the run that may send: the audience walked over with its opt-outs, fixed
in files, written in chunks with batches and counters. The plain INSERT has its rows ready as tuples in memory. Both
begin with a copy of the same database, and commit every 5,000 rows with the same durability.
"""

import argparse
import gc
import random
import time
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select

import webapp.factory  # noqa: F401 - knows every part that has a table
from tests.bench.ground import DATABASES, Ground, Wrong, apart, ground, peak_memory, told
from webapp.campaigns import counting, launch, service
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.phone import DDDS
from webapp.core.settings import Settings
from webapp.credits.models import BalanceReading
from webapp.messages import outbox
from webapp.messages.models import Message, Run, RunCount
from webapp.messages.states import RowState, RunState
from webapp.optouts.models import OptOut

CHUNK = 5000
OPTED_OUT = 100  # one of so many people
TEXTS = {"no field": "Volta às aulas: tudo com 20% até sábado.", "one field": "Oi {{nome|tudo bem}}! 20% até sábado."}
COLUMNS = ("id", "run_id", "number", "type", "text", "state", "reason", "at")
Rows = list[tuple[Any, ...]]


class Launched(NamedTuple):
    """What one launch took: seconds, and MB at its most in a process that did nothing else."""

    seconds: float
    memory: float


def seed(settings: Settings, people: int, text: str) -> None:
    """A list of people with numbers as they come, one in a hundred opted out, and a counted draft to them."""
    dice, now = random.Random(7), clock.now()
    codes = sorted(DDDS)
    numbers: dict[int, None] = {}
    while len(numbers) < people:
        numbers[55 * 10**11 + dice.choice(codes) * 10**9 + 9 * 10**8 + dice.randrange(6 * 10**7, 10**8)] = None
    db = Database(settings.database_url)
    with db.writing(durable=False) as session:
        made = ContactList(name="Clientes", created_at=now, size=people)
        session.add(made)
        session.flush()
        session.add(ListField(list_id=made.id, key="nome", label="Nome", kind="name", position=0))
        shared = {"list_id": made.id, "kind": "mobile", "created_at": now, "updated_at": now}
        rows = [
            {
                **shared,
                "number": number,
                "name": f"Ana {place}",
                "name_key": f"ana {place}",
                "fields": {"loja": "Centro"},
            }
            for place, number in enumerate(numbers)
        ]
        for start in range(0, people, CHUNK):
            session.execute(insert(Contact), rows[start : start + CHUNK])
        gone = {"channel": "all", "since": now, "origin": "reply", "reason": "SAIR"}
        session.execute(insert(OptOut), [{"number": number, **gone} for number in list(numbers)[::OPTED_OUT]])
        session.add(BalanceReading(at=now, **{f"balance_{purse}": 10 * people for purse in (1, 2, 3, 4)}))
        draft = service.create(session, name="Volta às aulas", timezone="America/Sao_Paulo", person_id=None)
        draft.lists, draft.text = [made.id], text
        counting.begin(session, draft)
        session.flush()
        draft_id = draft.id
    counting.carry_out(db, settings, draft_id)
    db.dispose()


def ours(settings: Settings) -> Launched:
    """Launch the draft and carry it out."""
    db = Database(settings.database_url)
    began = time.perf_counter()
    with db.writing() as session:
        draft = session.scalars(select(Campaign)).one()
        launch.launch(session, settings, draft, person_id=None, undo_seconds=0)
    launch.carry_out(db, settings, draft.id)
    seconds = time.perf_counter() - began
    db.dispose()
    return Launched(seconds, peak_memory())


def check(settings: Settings, people: int) -> None:
    """Everybody is there once, in the state that is theirs, and the counters say so. Raises Wrong."""
    left_out = -(-people // OPTED_OUT)
    wanted = {RowState.PENDING: people - left_out, RowState.SUPPRESSED: left_out}
    db = Database(settings.database_url)
    with db.reading() as session:
        run = session.scalars(select(Run)).one()
        rows = dict(session.execute(select(Message.state, func.count()).group_by(Message.state)).all())
        counted = dict(session.execute(select(RunCount.state, RunCount.n)).all())
        different = session.scalar(select(func.count(Message.number.distinct())))
    db.dispose()
    if run.state != RunState.RUNNING or rows != wanted or counted != wanted or different != people:
        raise Wrong(f"{run.state}: rows {rows}, counters {counted}, {different} people; should be {wanted}")


def rows_of(settings: Settings) -> Rows:
    """What a launch wrote, as the tuples that a driver takes."""
    db = Database(settings.database_url)
    with db.engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {', '.join(COLUMNS)} FROM message ORDER BY id").all()
    db.dispose()
    return [tuple(row) for row in found]


def plain(settings: Settings, rows: Rows) -> float:
    """Seconds that a bulk INSERT of the rows takes: executemany of 5,000 on SQLite, COPY on PostgreSQL."""
    db = Database(settings.database_url)
    with db.writing() as session:
        run = outbox.open_run(
            session, kind="campaign", name="Plain", type=0, text="", total=len(rows), not_before=clock.now()
        )
        if run.id != rows[0][1]:
            raise Wrong("the rows belong to another run")
    gc.collect()
    began = time.perf_counter()
    for start in range(0, len(rows), CHUNK):
        with db.writing(durable=False) as session:
            _insert(session.connection(), db, rows[start : start + CHUNK])
    seconds = time.perf_counter() - began
    db.dispose()
    return seconds


def _insert(connection: Any, db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    if db.is_sqlite:
        marks = ", ".join("?" * len(COLUMNS))
        connection.exec_driver_sql(f"INSERT INTO message ({', '.join(COLUMNS)}) VALUES ({marks})", list(rows))
        return
    with connection.connection.cursor().copy(f"COPY message ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def measure(on: Ground, people: int, rounds: int, label: str, text: str) -> None:
    """Launch and plain INSERT in turn, some rounds; print what they took."""
    launches: list[Launched] = []
    inserts: list[float] = []
    rows: Rows = []
    with on.installation() as seeded:
        seed(seeded, people, text)
        for _ in range(rounds):
            with on.installation(like=seeded) as settings:
                launches.append(apart(ours, settings))
                check(settings, people)
                rows = rows or rows_of(settings)
            with on.installation(like=seeded) as settings:
                inserts.append(plain(settings, rows))
    print(f"{people:,} people, {label}")
    print(told("launch", people, [launched.seconds for launched in launches]))
    print(told("plain INSERT of the same rows", people, inserts))
    ratio = median(launched.seconds for launched in launches) / median(inserts)
    print(f"  ratio {ratio:.2f} (at most 3), memory {max(launched.memory for launched in launches):.0f} MB (below 250)")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.launch", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ground(given.database) as on:
        print(f"launch on {given.database}, {given.rounds} rounds in turn, medians")
        for label, text in TEXTS.items():
            measure(on, given.people, given.rounds, label, text)


if __name__ == "__main__":
    main()

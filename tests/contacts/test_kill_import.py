"""SIGKILL at random moments of an import, in each of its states: no row is lost, none is counted twice.

`pytest tests/contacts/test_kill_import.py --kills 200 -s` is the long form.
"""

import multiprocessing
import random
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import func, select

from tests.contacts import steps
from webapp import make_services
from webapp.contacts import uploads, work
from webapp.contacts.models import Contact, ImportFault
from webapp.contacts.states import AT_WORK
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.core.web import Services

PEOPLE, WRONG, REPEATED = 6000, 60, 40
ROWS = PEOPLE + WRONG + REPEATED
KILLS_A_STATE = 3  # in the long form; then it may come to its end: a check begins anew each time


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only"
    )


def _table() -> list[list[str]]:
    rows = [[f"Pessoa {n}", f"119{80_000_000 + n}", f"Cidade {n % 9}"] for n in range(PEOPLE)]
    rows[500:500] = [[f"Errada {n}", f"12{n}", ""] for n in range(WRONG)]
    return [["Nome", "Celular", "Cidade"], *rows, *rows[:REPEATED]]


def _file(folder: Path, sheet: bool) -> Path:
    if not sheet:
        path = folder / "list.csv"
        path.write_text("\n".join(map(";".join, _table())), encoding="utf-8")
        return path
    path = folder / "list.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        for line, row in enumerate(_table()):
            page.write_row(line, 0, row)
    return path


def work_at(url: str, folder: str, import_id: int) -> None:
    """What the process does that is killed."""
    work.CHUNK = 500
    work.run(Database(url), Path(folder), import_id)


class _Killer:
    def __init__(self, services: Services, dice: random.Random, kills_a_state: int) -> None:
        self.services, self.dice, self.kills, self._most = services, dice, 0, kills_a_state
        self.by_state: dict[str, int] = {}
        self._context = multiprocessing.get_context("forkserver")
        # What takes long to import; each process is a fork of one that has it all, and starts at once.
        self._context.set_forkserver_preload(["webapp", "webapp.cli", "pytest", "xlsxwriter", "psycopg", "hypothesis"])

    def finish(self, import_id: int) -> None:
        """Have the import's state done, under fire."""
        start = steps.the_import(self.services)
        here = 0
        rows = start.rows
        while (found := steps.the_import(self.services)).state == start.state:
            assert found.rows >= rows or start.state == "checking", "progress was lost"
            rows = found.rows
            with self.services.db.writing() as session:
                uploads.the_import(session, import_id).lease_until = clock.now() - timedelta(seconds=1)
            process = self._process(import_id)
            process.join(self.dice.uniform(0.01, 0.5) if here < self._most else 60)
            if process.is_alive():
                process.kill()
                here += 1
                self.by_state[start.state] = self.by_state.get(start.state, 0) + 1
            process.join()
        self.kills += here
        assert found.state not in AT_WORK, found.state

    def _process(self, import_id: int) -> Any:
        folder = str(self.services.settings.instance)
        process = self._context.Process(target=work_at, args=(self.services.db.url, folder, import_id))
        process.start()
        return process


def _round(killer: _Killer, path: Path) -> None:
    services = killer.services
    folder = services.settings.instance
    with path.open("rb") as stream:
        kept = uploads.keep(folder, stream)
    with services.db.writing() as session:
        import_id = uploads.register(session, folder, kept, path.name, None).id
    if steps.the_import(services).state == "reading":
        killer.finish(import_id)
    with services.db.writing() as session:
        uploads.start_check(session, import_id, {}, {})
    killer.finish(import_id)
    assert steps.the_import(services).checked["rows"] == ROWS
    with services.db.writing() as session:
        uploads.confirm(session, import_id, "Clientes", uploads.Consent(), None)
    killer.finish(import_id)
    _expect(services, import_id, PEOPLE)
    with services.db.writing() as session:
        uploads.start_undo(session, import_id)
    killer.finish(import_id)
    assert steps.the_import(services).state == "undone"
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == 0
    assert steps.size_of(services) == 0


def _expect(services: Services, import_id: int, people: int) -> None:
    done = steps.the_import(services)
    counts = (done.rows, done.imported, done.created, done.duplicates, done.rejected, done.suppressed)
    assert (done.state, *counts) == ("done", ROWS, PEOPLE, PEOPLE, REPEATED, WRONG, 0)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == people
        mine = ImportFault.import_id == import_id
        assert session.scalar(select(func.count()).where(mine)) == WRONG + REPEATED
        assert session.scalar(select(func.count(ImportFault.line.distinct())).where(mine)) == WRONG + REPEATED
    assert steps.size_of(services) == people


def test_a_process_killed_at_any_moment_loses_and_doubles_no_row(
    services: Services, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    asked = request.config.getoption("--kills")
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    again = make_services(replace(services.settings), immediate_jobs=False)
    killer = _Killer(again, random.Random(seed), KILLS_A_STATE if asked else 1)
    began, rounds = time.monotonic(), 0
    while not rounds or killer.kills < asked:
        _round(killer, _file(tmp_path, sheet=rounds % 2 == 0))
        rounds += 1
    again.db.dispose()
    print(f"{killer.kills} kills in {rounds} imports, {time.monotonic() - began:.0f} s: {killer.by_state}")

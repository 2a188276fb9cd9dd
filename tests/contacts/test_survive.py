"""Imports under fire: killed workers, slow workers, two at once, both databases."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.contacts import steps
from webapp import migrate
from webapp.contacts import apart, faults, jobs, progress, uploads, work
from webapp.contacts.commands import run_import_command
from webapp.contacts.models import Contact, Import, ImportFault
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import make_services
from webapp.optouts import service as optouts

ROWS = 700
CHUNK = 100


def lines() -> str:
    """700 rows: 10 wrong, 20 repeated, 1 who opted out; 669 imported."""
    rows = [f"Pessoa {n};1198765{n:04};Cidade {n}" for n in range(670)]
    rows[100:100] = [f"Errada {n};12{n}" for n in range(10)]
    return "Nome;Celular;Cidade\n" + "\n".join(rows + rows[:20])


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK", CHUNK)


def start(services: Services, text: str = "") -> int:
    """An import that waits for a worker; its id."""
    folder = services.settings.instance
    path = uploads.keep_paste(folder, text or lines())
    with services.db.writing() as session:
        found = uploads.register(session, folder, path, "list.csv", None)
        found.state = "ready"
        uploads.confirm(session, found.id, "Clientes", uploads.Consent(), None)
        optouts.add(session, 5511987650000, origin="reply", reason="SAIR")
        return found.id


def expect_all(services: Services) -> None:
    done = steps.the_import(services)
    assert done.state == "done"
    assert (done.rows, done.imported, done.duplicates, done.rejected, done.suppressed) == (ROWS, 669, 20, 10, 1)
    assert done.created == 669
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == 670
        assert session.scalar(select(func.count()).select_from(ImportFault)) == 10 + 20
    assert steps.size_of(services) == 670


class Killed(BaseException):
    """What a power cut is to a test."""


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_worker_that_dies_anywhere_loses_and_doubles_no_row(
    services: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    import_id = start(services)
    calls = 0
    store = work._store

    def dying(*args: object) -> int:
        nonlocal calls
        calls += 1
        created = store(*args)  # type: ignore[arg-type]
        if calls == after:
            raise Killed  # the chunk is written but not committed
        return created

    monkeypatch.setattr(work, "_store", dying)
    with pytest.raises(Killed):
        work.run(services.db, services.settings.instance, import_id)
    monkeypatch.setattr(work, "_store", store)
    assert steps.the_import(services).rows == (after - 1) * CHUNK
    work.run(services.db, services.settings.instance, import_id)  # the dead worker's lease still runs
    assert steps.the_import(services).state == "importing"
    with services.db.writing() as session:
        uploads.the_import(session, import_id).lease_until = clock.now() - timedelta(seconds=1)
    jobs.sweep(services)
    expect_all(services)


def test_after_the_clock_was_set_back_a_dead_workers_import_rests_no_longer_than_its_lease(
    services: Services, small_chunks: None
) -> None:
    import_id = start(services)
    assert work.claim(services.db, import_id)  # and here its worker dies
    assert not work.claim(services.db, import_id)
    with clock.shifted(-timedelta(hours=1)):
        jobs.sweep(services)
    expect_all(services)


def test_a_slow_worker_cannot_write_what_another_has_taken_over(
    services: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = start(services)
    overtaken = False
    first = services.db.retrying

    def retrying(*args: object, **kwargs: object) -> object:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            with services.db.writing() as session:
                uploads.the_import(session, import_id).lease_until = clock.now() - timedelta(seconds=1)
            work.run(services.db, services.settings.instance, import_id)
        return first(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(services.db, "retrying", retrying)
    work.run(services.db, services.settings.instance, import_id)
    expect_all(services)


def die(services: Services) -> None:
    """The process of the import is gone, and its lease has run out."""
    with services.db.writing() as session:
        session.execute(update(Import).values(lease_until=clock.now() - timedelta(seconds=1)))


def test_an_import_whose_process_dies_each_time_is_given_up_with_a_sentence(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    import_id = start(services)
    for _ in range(work.TRIES):
        assert work.claim(services.db, import_id)
        die(services)
    assert work_of(services) == [import_id]
    apart.run(services.db, services.settings.instance, import_id)
    found = steps.the_import(services)
    assert (found.state, found.error, found.error_values) == ("failed", faults.FILE["died"], {"times": work.TRIES})
    assert not (services.settings.instance / found.path).exists()
    assert work_of(services) == []
    assert "import given up" in capsys.readouterr().out


def work_of(services: Services) -> list[int]:
    with services.db.reading() as session:
        return work.waiting(session)


def test_only_deaths_without_a_step_forward_count(services: Services, small_chunks: None) -> None:
    import_id = start(services)
    for _ in range(work.TRIES):
        assert work.claim(services.db, import_id)
        die(services)
    with services.db.writing() as session:  # the fifth got a chunk in before it died
        found = session.get_one(Import, import_id)
        progress.advance(session, found, 0, rows=0)
    die(services)
    for _ in range(work.TRIES - 1):
        assert work.claim(services.db, import_id)
        die(services)
    work.run(services.db, services.settings.instance, import_id)
    expect_all(services)
    assert steps.the_import(services).tries == 0


def test_a_check_begins_anew_each_time_so_its_rows_are_no_step_forward(services: Services) -> None:
    import_id = start(services)
    with services.db.writing() as session:
        found = session.get_one(Import, import_id)
        found.state, found.tries = "checking", 3
        session.flush()
        progress.advance(session, found, 0, rows=100)
    assert steps.the_import(services).tries == 3


def test_a_file_that_vanished_ends_the_import_with_a_sentence(services: Services) -> None:
    import_id = start(services)
    for path in (services.settings.instance / uploads.FOLDER).iterdir():
        path.unlink()
    jobs.sweep(services)
    found = steps.the_import(services)
    assert (found.id, found.state) == (import_id, "failed")
    assert found.error is not None
    assert "gone from the disk" in found.error


def test_what_nobody_expected_ends_the_import_and_not_the_worker(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = start(services)
    monkeypatch.setattr(work, "_store", lambda *_: 1 / 0)
    work.run(services.db, services.settings.instance, import_id)
    found = steps.the_import(services)
    assert found.state == "failed"
    assert "unexpected" in (found.error or "")


def test_a_big_file_is_read_in_a_child_that_leaves_nothing_open(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = start(services)
    monkeypatch.setattr(apart, "SMALL", 10)
    apart.run(services.db, services.settings.instance, import_id)
    expect_all(services)


def test_two_imports_into_one_list_at_once_double_nobody(services: Services, small_chunks: None) -> None:
    first, second = start(services), start(services)
    both = [
        threading.Thread(target=work.run, args=(services.db, services.settings.instance, one))
        for one in (first, second)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    with services.db.reading() as session:
        found = session.scalars(select(Import).order_by(Import.id)).all()
        assert [one.imported for one in found] == [669, 669]
        assert sum(one.created for one in found) == 669
        assert session.scalar(select(func.count()).select_from(Contact)) == 670
    assert steps.size_of(services) == 670


@pytest.fixture
def postgres(postgres_url: str, settings: Settings) -> Iterator[Services]:
    """The same services on PostgreSQL."""
    made = make_services(replace(settings, database_url=postgres_url), immediate_jobs=True)
    migrate.upgrade(made.db)
    yield made
    made.db.dispose()


@pytest.mark.postgres
def test_postgresql_counts_the_same(postgres: Services, small_chunks: None) -> None:
    import_id = start(postgres)
    work.run(postgres.db, postgres.settings.instance, import_id)
    expect_all(postgres)


@pytest.mark.postgres
def test_postgresql_updates_restores_and_undoes(postgres: Services, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nome;Celular;Cidade\nAna;11987654321;Santos\n")
    run_import_command(postgres.db, postgres.settings, path, "Clientes")
    path.write_text("Nome;Celular;Plano\nAna Nova;11987654321;B\nBruno;21998765432;\x00A\n")
    result = run_import_command(postgres.db, postgres.settings, path, "Clientes")
    assert result["imported"] == 2
    ana, _ = steps.people(postgres)
    assert (ana.name, ana.fields) == ("Ana Nova", {"cidade": "Santos", "plano": "B"})
    with postgres.db.writing() as session:
        import_id = uploads.start_undo(session, steps.the_import(postgres).id).id
    work.run(postgres.db, postgres.settings.instance, import_id)
    (ana,) = steps.people(postgres)
    assert (ana.name, ana.fields, steps.size_of(postgres)) == ("Ana", {"cidade": "Santos"}, 1)


@pytest.mark.postgres
def test_postgresql_takes_two_imports_at_once(postgres: Services, small_chunks: None) -> None:
    test_two_imports_into_one_list_at_once_double_nobody(postgres, small_chunks)


def _run_and_wait(url: str, folder: str, import_id: int) -> None:
    work.run(Database(url, Path(folder)), Path(folder), import_id)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
def test_a_killed_process_is_taken_over_where_it_stopped(services: Services) -> None:
    text = "Nome;Celular\n" + "\n".join(f"Pessoa {n};119{60_000_000 + n}" for n in range(60_000))
    import_id = start(services, text)
    process = multiprocessing.get_context("spawn").Process(
        target=_run_and_wait, args=(services.db.url, str(services.settings.instance), import_id)
    )
    process.start()
    waiting = threading.Event()
    while process.is_alive() and steps.the_import(services).rows == 0:
        waiting.wait(0.01)
    process.kill()
    process.join()
    with services.db.writing() as session:
        uploads.the_import(session, import_id).lease_until = clock.now() - timedelta(seconds=1)
    jobs.sweep(services)
    done = steps.the_import(services)
    assert (done.state, done.rows, done.imported) == ("done", 60_000, 60_000)
    assert steps.size_of(services) == 60_000

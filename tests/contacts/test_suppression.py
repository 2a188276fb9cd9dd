"""Files of opt-outs on both databases: counts, channels, undoing, dying halfway, two at once."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from tests.contacts import steps
from webapp import make_services, migrate
from webapp.contacts import apart, jobs, suppressing, suppression, uploads, work
from webapp.contacts.models import Import, ImportFault
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.optouts import queries, service
from webapp.optouts.models import CHANNELS, OptOut, OptOutEvent

FIRST = 5511987650000
ROWS, CHUNK = 700, 100


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressing, "CHUNK", CHUNK)


@pytest.fixture
def anywhere(database: str, settings: Settings) -> Iterator[Services]:
    """The services on SQLite, and on PostgreSQL."""
    made = make_services(replace(settings, database_url=database), immediate_jobs=True)
    migrate.upgrade(made.db)
    yield made
    made.db.dispose()


def lines() -> str:
    """700 rows: 10 wrong, 20 repeated far below and 1 right below, 669 numbers of which 2 are known."""
    rows = [f"1198765{n:04}" for n in range(669)]
    rows[100:100] = [f"12{n}" for n in range(10)]
    return "Celular\n" + "\n".join([*rows, *rows[:20], rows[19]])


def start(services: Services, text: str = "", channel: str = "all") -> int:
    """A file that waits for a worker to take it in; its id."""
    folder = services.settings.instance
    path = uploads.keep_paste(folder, text or lines())
    with services.db.writing() as session:
        found = suppression.register(session, folder, path, "lista.csv", None, channel=channel, source="Não Me Ligue")
        found.state = "ready"
        session.flush()
        return suppression.confirm(session, found.id).id


def carry_out(services: Services, import_id: int) -> Import:
    work.run(services.db, services.settings.instance, import_id)
    with services.db.reading() as session:
        return session.get_one(Import, import_id)


def undo(services: Services, import_id: int) -> Import:
    with services.db.writing() as session:
        suppression.start_undo(session, import_id, "lista errada", None)
    return carry_out(services, import_id)


def know_two(services: Services) -> None:
    with services.db.writing() as session:
        service.add_many(session, [FIRST, FIRST + 1], origin="reply", reason="SAIR")


def expect_all(services: Services) -> None:
    done = steps.the_import(services)
    assert done.state == "done"
    assert (done.rows, done.imported, done.suppressed, done.duplicates, done.rejected) == (ROWS, 667, 2, 21, 10)
    with services.db.reading() as session:
        assert queries.count(session) == 669
        assert session.scalar(select(func.count()).select_from(OptOutEvent)) == 669
        assert session.scalar(select(func.count()).select_from(ImportFault)) == 21 + 10
    expect_events_to_tell_all(services)


def expect_events_to_tell_all(services: Services) -> None:
    """What the events say from the first to the last is what the table holds."""
    told: set[tuple[int, str]] = set()
    with services.db.reading() as session:
        for event in session.scalars(select(OptOutEvent).order_by(OptOutEvent.id)):
            who = (event.number, event.channel)
            told.add(who) if event.change == "added" else told.remove(who)
        assert told == {(row.number, row.channel) for row in session.scalars(select(OptOut))}


def let_go(services: Services, import_id: int) -> None:
    """The dead worker's lease runs out."""
    with services.db.writing() as session:
        session.get_one(Import, import_id).lease_until = clock.now() - timedelta(hours=2)


def test_every_row_ends_in_one_count_and_who_added_them_is_known(anywhere: Services, small_chunks: None) -> None:
    know_two(anywhere)
    carry_out(anywhere, start(anywhere))
    expect_all(anywhere)
    with anywhere.db.reading() as session:
        kept = session.get_one(OptOut, (FIRST + 5, "all"))
        assert (kept.origin, kept.reason) == ("import", "Não Me Ligue")
        assert session.get_one(OptOut, (FIRST, "all")).reason == "SAIR"
        line = session.scalars(select(ImportFault.line).where(ImportFault.reason == "duplicate")).all()
        assert sorted(line) == list(range(681, 702))
    assert not list((anywhere.settings.instance / uploads.FOLDER).iterdir())


def test_the_check_counts_what_the_import_will(services: Services, small_chunks: None) -> None:
    know_two(services)
    import_id = start(services)
    with services.db.writing() as session:
        session.get_one(Import, import_id).state = "checking"
    checked = carry_out(services, import_id).checked
    counts = [checked[key] for key in ("rows", "imported", "suppressed", "duplicates", "rejected")]
    assert counts == [ROWS, 667, 2, 21, 10]


@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_worker_that_dies_anywhere_adds_nobody_twice(
    anywhere: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    class Killed(BaseException):
        """What a power cut is to a test."""

    know_two(anywhere)
    import_id = start(anywhere)
    store, calls = suppressing._store, 0

    def dying(*args: Any) -> None:
        nonlocal calls
        calls += 1
        store(*args)
        if calls == after:
            raise Killed  # the chunk is written but not committed

    monkeypatch.setattr(suppressing, "_store", dying)
    with pytest.raises(Killed):
        work.run(anywhere.db, anywhere.settings.instance, import_id)
    monkeypatch.setattr(suppressing, "_store", store)
    assert steps.the_import(anywhere).rows == (after - 1) * CHUNK
    let_go(anywhere, import_id)
    jobs.sweep(anywhere)
    expect_all(anywhere)


def test_a_slow_worker_cannot_write_what_another_has_taken_over(
    services: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_two(services)
    import_id = start(services)
    first, overtaken = services.db.retrying, False

    def retrying(*args: Any, **kwargs: Any) -> Any:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            let_go(services, import_id)
            work.run(services.db, services.settings.instance, import_id)
        return first(*args, **kwargs)

    monkeypatch.setattr(services.db, "retrying", retrying)
    work.run(services.db, services.settings.instance, import_id)
    expect_all(services)


def test_undoing_frees_those_who_are_out_by_this_list_alone(anywhere: Services, small_chunks: None) -> None:
    know_two(anywhere)
    import_id = start(anywhere)
    carry_out(anywhere, import_id)
    with anywhere.db.writing() as session:
        assert not service.add(session, FIRST + 10, origin="reply", reason="PARE")  # out already, but now by their wish
        assert service.lift(session, FIRST + 11, reason="pediu", person_id=None)
        assert service.lift(session, FIRST + 12, reason="pediu", person_id=None)
        assert service.add(session, FIRST + 12, origin="hand", reason="pediu de novo")
        service.add(session, FIRST + 13, origin="hand", reason="ligação não", channel="voice")
    other = start(anywhere, f"fone\n{FIRST + 14}\n{FIRST + 700}")
    carry_out(anywhere, other)
    undone = undo(anywhere, import_id)
    assert (undone.state, undone.imported, undone.created) == ("undone", 667, 4)  # 10, 11, 12 and 14
    with anywhere.db.reading() as session:
        rows = session.execute(select(OptOut.number - FIRST, OptOut.channel, OptOut.reason).order_by(OptOut.number))
        assert [tuple(row) for row in rows] == [
            (0, "all", "SAIR"), (1, "all", "SAIR"), (10, "all", "PARE"), (12, "all", "pediu de novo"),
            (13, "voice", "ligação não"), (14, "all", "Não Me Ligue"), (700, "all", "Não Me Ligue"),
        ]  # fmt: skip
        latest = queries.history(session, FIRST + 20)[0]
        assert (latest.change, latest.origin, latest.reason) == ("lifted", "import", "lista errada")
    expect_events_to_tell_all(anywhere)


def test_an_undoing_that_dies_halfway_lifts_nobody_twice(
    services: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_two(services)
    import_id = start(services)
    carry_out(services, import_id)
    lift, calls = suppressing._lift, 0

    def dying(*args: Any) -> int | None:
        nonlocal calls
        calls += 1
        if calls == 4:
            lift(*args)
            raise KeyboardInterrupt
        return lift(*args)

    monkeypatch.setattr(suppressing, "_lift", dying)
    with pytest.raises(KeyboardInterrupt):
        undo(services, import_id)
    monkeypatch.setattr(suppressing, "_lift", lift)
    let_go(services, import_id)
    jobs.sweep(services)
    done = steps.the_import(services)
    assert (done.state, done.created) == ("undone", 0)
    with services.db.reading() as session:
        assert queries.count(session) == 2
        assert session.scalar(select(func.count()).where(OptOutEvent.change == "lifted")) == 667
    expect_events_to_tell_all(services)


def test_the_same_file_twice_adds_nobody_and_says_so(services: Services) -> None:
    carry_out(services, start(services))
    again = carry_out(services, start(services))
    assert (again.imported, again.suppressed, again.rows) == (0, 669, ROWS)


def test_two_lists_at_once_add_each_number_once(anywhere: Services, small_chunks: None) -> None:
    know_two(anywhere)
    both = [start(anywhere), start(anywhere)]
    threads = [threading.Thread(target=carry_out, args=(anywhere, one)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with anywhere.db.reading() as session:
        found = session.scalars(select(Import).order_by(Import.id)).all()
        assert [one.state for one in found] == ["done", "done"]
        assert sum(one.imported for one in found) == 667
        assert sum(one.suppressed for one in found) == 671
        assert session.scalar(select(func.count()).select_from(OptOutEvent)) == 669
    expect_events_to_tell_all(anywhere)


def test_who_is_lifted_while_the_file_is_read_stays_free_though_their_number_comes_again(
    services: Services, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_two(services)
    import_id = start(services)
    store, calls = suppressing._store, 0

    def lifting(session: Any, *args: Any) -> None:
        nonlocal calls
        calls += 1
        store(session, *args)
        if calls == 2:
            assert service.lift(session, FIRST + 5, reason="pediu", person_id=None)

    monkeypatch.setattr(suppressing, "_store", lifting)
    carry_out(services, import_id)
    with services.db.reading() as session:
        assert not queries.is_opted_out(session, FIRST + 5)  # it stands at the file's end once more
    expect_events_to_tell_all(services)


def test_landlines_and_foreign_numbers_are_opted_out_as_well(services: Services) -> None:
    text = "fone\n11 3456-7890\n+1 212 555 0123\n11 98765-4321"
    done = carry_out(services, start(services, text, channel="voice"))
    assert (done.imported, done.landlines, done.rejected) == (3, 1, 0)
    with services.db.reading() as session:
        assert queries.opted_out(session, [551134567890, 12125550123], "voice") == {551134567890, 12125550123}
        assert not queries.opted_out(session, [551134567890, 12125550123], "sms")


def test_a_big_file_is_read_in_a_child(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    know_two(services)
    import_id = start(services)
    monkeypatch.setattr(apart, "SMALL", 10)
    apart.run(services.db, services.settings.instance, import_id)
    expect_all(services)


def _run(url: str, folder: str, import_id: int) -> None:
    work.run(Database(url), Path(folder), import_id)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
def test_a_killed_process_is_taken_over_where_it_stopped(services: Services) -> None:
    import_id = start(services, "fone\n" + "\n".join(f"119{60_000_000 + n}" for n in range(60_000)))
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(services.db.url, str(services.settings.instance), import_id)
    )
    process.start()
    waiting = threading.Event()
    while process.is_alive() and steps.the_import(services).rows == 0:
        waiting.wait(0.01)
    process.kill()
    process.join()
    let_go(services, import_id)
    jobs.sweep(services)
    done = steps.the_import(services)
    assert (done.state, done.rows, done.imported) == ("done", 60_000, 60_000)
    with services.db.reading() as session:
        assert queries.count(session) == 60_000
        assert session.scalar(select(func.count()).select_from(OptOutEvent)) == 60_000


def test_a_list_without_a_channel_or_an_origin_is_refused_and_its_file_removed(services: Services) -> None:
    folder = services.settings.instance
    for channel, source in (("fax", "x"), ("all", " \t")):
        path = uploads.keep_paste(folder, "11987654321")
        with pytest.raises(UserError), services.db.writing() as session:
            suppression.register(session, folder, path, "x", None, channel=channel, source=source)
        assert not path.exists()


def test_the_ways_of_people_and_of_opt_outs_do_not_cross(services: Services) -> None:
    import_id = start(services, "fone\n11987654321")
    with services.db.writing() as session:
        session.get_one(Import, import_id).state = "ready"
    with services.db.writing() as session, pytest.raises(UserError):
        uploads.confirm(session, import_id, "Clientes", uploads.Consent(), None)
    with services.db.writing() as session:
        session.get_one(Import, import_id).state = "done"
    with services.db.writing() as session, pytest.raises(UserError):
        uploads.start_undo(session, import_id)
    with services.db.writing() as session, pytest.raises(UserError, match="Say why"):
        suppression.start_undo(session, import_id, "  ", None)


few = st.integers(0, 7).map(lambda n: FIRST + n)
channels = st.sampled_from(sorted(CHANNELS))
deeds = st.one_of(
    st.tuples(st.just("add"), few, channels, st.sampled_from(["reply", "hand"])),
    st.tuples(st.just("lift"), few, channels),
    st.tuples(st.just("import"), st.lists(few, min_size=1, max_size=6), channels),
    st.tuples(st.just("undo"), st.integers(0, 3)),
)


@given(st.lists(deeds, max_size=14))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_events_tell_who_is_out_and_no_wish_is_ever_undone(
    services: Services, story: list[tuple[Any, ...]]
) -> None:
    with services.db.writing() as session:
        for model in (OptOut, OptOutEvent, ImportFault, Import):
            session.execute(delete(model))
    wishes: set[tuple[int, str]] = set()
    imports: list[int] = []
    for deed, *what in story:
        if deed == "import":
            imports.append(start(services, "fone\n" + "\n".join(map(str, what[0])), what[1]))
            done = carry_out(services, imports[-1])
            assert done.rows == done.imported + done.suppressed + done.duplicates + done.rejected
        elif deed == "undo" and what[0] < len(imports):
            undo(services, imports.pop(what[0]))
        with services.db.writing() as session:
            if deed == "add":
                service.add(session, what[0], channel=what[1], origin=what[2], reason="quer sair")
                wishes.add((what[0], what[1]))
            elif deed == "lift":
                service.lift(session, what[0], channel=what[1], reason="pediu", person_id=None)
                wishes.discard((what[0], what[1]))
        expect_events_to_tell_all(services)
    with services.db.reading() as session:
        assert wishes <= {(row.number, row.channel) for row in session.scalars(select(OptOut))}

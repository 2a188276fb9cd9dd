"""Jobs: named once, run through the queue; periodic tasks run by one worker of all."""

import threading
import time
from datetime import datetime, timedelta

import pytest

from webapp.core import clock, jobs
from webapp.core.jobs import Periodic, Tick, Ticker
from webapp.core.web import Services


def test_a_job_runs_with_the_ids_it_was_given(services: Services) -> None:
    seen: list[tuple[object, ...]] = []
    services.jobs.add("look", lambda *ids: seen.append(ids))
    services.jobs.start("look", 7, "x")
    assert seen == [(7, "x")]


def test_a_job_nobody_named_is_a_programming_error(services: Services) -> None:
    with pytest.raises(KeyError):
        services.jobs.start("no such job")


def test_a_periodic_task_runs_when_due_and_not_before(services: Services) -> None:
    runs: list[int] = []
    ticker = Ticker(services.db, [])
    task = Periodic("count", 60, lambda: runs.append(1))
    assert ticker.run_if_due(task)
    assert not ticker.run_if_due(task)
    with services.db.writing() as session:
        session.get_one(Tick, "count").due_at = clock.now() - timedelta(seconds=1)
    assert ticker.run_if_due(task)
    assert runs == [1, 1]


def test_two_workers_never_run_the_same_task_at_once(services: Services) -> None:
    inside = threading.Event()
    leave = threading.Event()

    def slow() -> None:
        inside.set()
        leave.wait(5)

    task = Periodic("slow", 60, slow)
    first = threading.Thread(target=Ticker(services.db, []).run_if_due, args=(task,))
    first.start()
    assert inside.wait(5)
    assert not Ticker(services.db, []).run_if_due(task)
    leave.set()
    first.join()


def test_a_task_whose_worker_died_comes_again_when_its_lease_ends(services: Services) -> None:
    runs: list[int] = []
    task = Periodic("lost", 60, lambda: runs.append(1), lease=30)
    ticker = Ticker(services.db, [])
    assert ticker._claim(task)  # and here its worker dies
    assert not ticker.run_if_due(task)
    with services.db.writing() as session:
        session.get_one(Tick, "lost").due_at = clock.now() - timedelta(seconds=1)
    assert ticker.run_if_due(task)


def test_a_long_task_is_held_while_it_runs_and_a_killed_worker_lets_go_soon(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HOLD_SECONDS", 2.0)
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.05)
    inside, leave, runs = threading.Event(), threading.Event(), []

    def slow() -> None:
        runs.append(1)
        inside.set()
        leave.wait(20)

    task = Periodic("slow", 60, slow, lease=300)
    worker, other = Ticker(services.db, [task], step=0.02), Ticker(services.db, [task])
    worker.start()
    assert inside.wait(5)
    until = clock.now() + timedelta(seconds=2.5)
    while clock.now() < until:
        assert not other.run_if_due(task)
        time.sleep(0.01)  # whoever asks without a pause keeps the holder from the database
    worker.stopping.set()  # as if killed: nobody renews, and the task never ends
    worker.join()
    soon = time.monotonic() + 5
    while not other._claim(task):
        assert time.monotonic() < soon
    leave.set()
    assert runs == [1]


def test_a_task_that_runs_for_longer_than_it_may_is_anybodys(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.0)
    ticker, task = Ticker(services.db, []), Periodic("stuck", 60, lambda: None, lease=0.2)
    ticker.tasks = [task]
    assert ticker._claim(task)
    soon = time.monotonic() + 5
    while not Ticker(services.db, []).run_if_due(task):
        ticker._renew()
        assert time.monotonic() < soon
    due = _due(services, "stuck")
    ticker._renew()  # it is not ours any more
    assert _due(services, "stuck") == due


def _due(services: Services, name: str) -> datetime:
    with services.db.reading() as session:
        return session.get_one(Tick, name).due_at


def test_a_task_that_fails_is_logged_and_comes_again(services: Services) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    ticker = Ticker(services.db, [])
    assert ticker.run_if_due(Periodic("broken", 60, broken))
    with services.db.reading() as session:
        assert session.get_one(Tick, "broken").due_at > clock.now()


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=3)])
def test_after_the_clock_was_set_back_a_task_waits_no_longer_than_its_interval(
    services: Services, back: timedelta
) -> None:
    runs: list[int] = []
    ticker, task = Ticker(services.db, []), Periodic("count", 60, lambda: runs.append(1), lease=30)
    assert ticker.run_if_due(task)
    with clock.shifted(-back):
        assert ticker.run_if_due(task)
        assert not ticker.run_if_due(task)
    assert runs == [1, 1]


def test_a_worker_that_died_before_the_clock_was_set_back_holds_nothing_up(services: Services) -> None:
    runs: list[int] = []
    ticker, task = Ticker(services.db, []), Periodic("lost", 5, lambda: runs.append(1), lease=300)
    assert ticker._claim(task)  # and here its worker dies
    with clock.shifted(-timedelta(hours=1)):
        ticker.tasks = [task]
        ticker._start_what_is_due()
        ticker._running["lost"].join(10)
    assert runs == [1]


def test_a_clock_put_right_by_a_second_takes_no_task_from_who_runs_it(services: Services) -> None:
    ticker, task = Ticker(services.db, []), Periodic("slow", 5, lambda: None, lease=300)
    assert ticker._claim(task)
    with clock.shifted(-timedelta(seconds=1)):
        assert not ticker._claim(task)

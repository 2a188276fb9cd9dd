"""Batches that are ready before a call may begin: no more calls than allowed, and nothing leaves that was stopped."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.messages.conftest import FIRST, Launch
from webapp.core.web import Services
from webapp.gateway import account
from webapp.gateway.client import Gateway
from webapp.messages import liveness, outbox, queries, sending
from webapp.messages.claim import LOOK_AHEAD, Claimed, claim
from webapp.messages.models import Batch, Run
from webapp.messages.worker import Worker
from webapp.optouts import service as optouts
from webapp.sandbox.server import Sandbox


def alive(services: Services, worker: str) -> None:
    services.db.retrying(lambda session: liveness.beat(session, worker))


def claimed_by(services: Services, worker: str, **settings: float) -> list[int]:
    """Every batch that this worker gets now."""
    found: list[int] = []
    while taken := services.db.retrying(
        lambda session: claim(session, replace(services.settings, **settings), worker)  # type: ignore[arg-type]
    ):
        found.append(taken.batch_id)
    return found


def counts(services: Services, run: Run) -> queries.Counts:
    with services.db.reading() as session:
        return queries.counts(session, session.get_one(Run, run.id))


def test_a_worker_that_is_alone_makes_a_few_batches_ready(services: Services, launch: Launch) -> None:
    launch(1000)
    alive(services, "a")
    assert len(claimed_by(services, "a")) == services.settings.concurrency + LOOK_AHEAD


def test_two_workers_hold_no_more_between_them_than_may_leave(services: Services, launch: Launch) -> None:
    launch(1000)
    alive(services, "a")
    alive(services, "b")
    assert len(claimed_by(services, "a")) == services.settings.concurrency
    assert claimed_by(services, "b") == []


def test_who_comes_second_waits_until_what_was_made_ready_has_left(services: Services, launch: Launch) -> None:
    launch(1000)
    alive(services, "a")
    claimed_by(services, "a")
    alive(services, "b")
    assert claimed_by(services, "b") == []
    assert claimed_by(services, "a") == []


def test_with_a_rate_every_batch_leaves_as_it_is_claimed(services: Services, launch: Launch) -> None:
    launch(1000)
    alive(services, "a")
    found = claimed_by(services, "a", rate=10**9, concurrency=1)
    assert len(found) == 1


def test_with_all_of_the_vendors_connections_look_ups_and_polls_still_find_one(
    services: Services, launch: Launch
) -> None:
    launch(2500)
    alive(services, "a")
    alive(services, "b")
    assert len(claimed_by(services, "a", concurrency=20)) == 18


def test_no_more_calls_are_under_way_than_allowed(services: Services, box: Sandbox, launch: Launch) -> None:
    run = launch(2000)
    under_way, most, lock = [0], [0], threading.Lock()
    ready = [0]
    real = Gateway.hand_over

    def counted(self: Gateway, letter: object, **options: object) -> bytes:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with services.db.reading() as session:
            sending_now = session.scalar(select(func.count()).select_from(Batch).where(Batch.state == "sending"))
        ready[0] = max(ready[0], sending_now or 0)
        try:
            return real(self, letter, **options)  # type: ignore[arg-type]
        finally:
            with lock:
                under_way[0] -= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gateway, "hand_over", counted)
        worker = Worker(services)
        worker.start()
        deadline = time.monotonic() + 60
        while counts(services, run).accepted < 2000 and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.stop()
    assert counts(services, run).accepted == 2000
    assert len({row["number"] for row in box.ledger()}) == len(box.ledger()) == 2000
    assert most == [services.settings.concurrency]
    assert services.settings.concurrency < ready[0] <= services.settings.concurrency + LOOK_AHEAD


@contextmanager
def waiting_for_a_line(services: Services, gateway: Gateway) -> Iterator[Callable[[], Future[Claimed | None]]]:
    """A batch that is ready while the only line is taken; the line is free when the returned function is called."""
    line = threading.Semaphore(1)
    line.acquire()
    sender = sending.Sender(services.db, services.settings, lines=line)
    claimed = sender.claim()
    assert claimed is not None
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sender.send, gateway, claimed)
        time.sleep(0.3)

        def freed() -> Future[Claimed | None]:
            line.release()
            return sent

        yield freed


def test_what_waited_for_a_line_leaves_when_it_is_free(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(3)
    with waiting_for_a_line(services, gateway) as freed:
        assert box.ledger() == []
        freed().result(20)
    assert len(box.ledger()) == counts(services, run).accepted == 3


def test_a_pause_holds_what_was_ready(services: Services, box: Sandbox, launch: Launch, gateway: Gateway) -> None:
    run = launch(3)
    with waiting_for_a_line(services, gateway) as freed:
        with services.db.writing() as session:
            outbox.pause(session, session.get_one(Run, run.id))
        freed().result(20)
    assert box.ledger() == []
    assert counts(services, run).held == 3
    with services.db.writing() as session:
        outbox.resume(session, session.get_one(Run, run.id))
    assert sending.send_next(services.db, services.settings, gateway)
    assert len(box.ledger()) == counts(services, run).accepted == 3


def test_a_cancel_closes_what_was_ready(services: Services, box: Sandbox, launch: Launch, gateway: Gateway) -> None:
    run = launch(3)
    with waiting_for_a_line(services, gateway) as freed:
        with services.db.writing() as session:
            outbox.cancel(session, session.get_one(Run, run.id))
        freed().result(20)
    assert box.ledger() == []
    assert counts(services, run).cancelled == 3


def test_an_opt_out_wins_over_what_was_ready(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(3)
    with waiting_for_a_line(services, gateway) as freed:
        with services.db.writing() as session:
            optouts.add(session, FIRST + 1, origin="person", reason="pediu para sair")
        freed().result(20)
    assert box.ledger() == []
    assert sending.send_next(services.db, services.settings, gateway)
    assert sorted(int(row["number"]) for row in box.ledger()) == [FIRST, FIRST + 2]
    found = counts(services, run)
    assert (found.accepted, found.suppressed) == (2, 1)


def test_a_refused_account_stops_what_was_ready(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(3)
    with waiting_for_a_line(services, gateway) as freed:
        with services.db.writing() as session:
            account.stop(session, "010")
        freed().result(20)
    assert box.ledger() == []
    assert counts(services, run).waiting == 3


def test_what_waited_too_long_is_given_back_before_its_lease_is_too_short_for_a_call(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(3)
    monkeypatch.setattr(sending, "LEASE_MARGIN", 0.5)
    with waiting_for_a_line(services, gateway) as freed:
        time.sleep(0.5)
        assert counts(services, run).queued == 3  # given back without the line
        freed().result(20)
    assert box.ledger() == []
    assert sending.send_next(services.db, services.settings, gateway)
    assert len(box.ledger()) == counts(services, run).accepted == 3


def test_a_machine_that_slept_with_a_batch_in_hand_gives_it_back(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(3)
    sender = sending.Sender(services.db, services.settings)
    claimed = sender.claim()
    assert claimed is not None
    with monkeypatch.context() as asleep:  # the steady clock stood still meanwhile
        awake = time.time
        asleep.setattr(time, "time", lambda: awake() + 3600)
        sender.send(gateway, claimed)
    assert box.ledger() == []
    assert counts(services, run).queued == 3
    assert sending.send_next(services.db, services.settings, gateway)
    assert len(box.ledger()) == counts(services, run).accepted == 3


def test_the_first_senders_of_an_installation_do_not_stand_in_each_others_way(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(300)  # three batches, and none of the rows yet that every sender shares
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(sending.send_next, services.db, services.settings, gateway) for _ in range(3)]
        assert [each.result(20) for each in sent] == [True, True, True]
    assert len(box.ledger()) == counts(services, run).accepted == 300

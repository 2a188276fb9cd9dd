"""Workers that die, machines that sleep, clocks that are set back: sending goes on, and late campaigns ask."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tests.messages.conftest import FIRST, Launch, hand_over
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.messages import doubt, liveness, outbox, queries, reconcile, sending
from webapp.messages.claim import claim
from webapp.messages.models import Batch, Dispatch, Run, WorkerSeen
from webapp.messages.outbox import NewMessage
from webapp.messages.sweep import leases_that_ran_out, sweep
from webapp.sandbox.server import Sandbox

HOUR = timedelta(hours=1)


def beat(services: Services, worker: str) -> None:
    with services.db.writing() as session:
        liveness.beat(session, worker)


def silence(services: Services, worker: str, since: timedelta) -> None:
    """The worker was last heard of that long ago."""
    with services.db.writing() as session:
        session.get_one(WorkerSeen, worker).seen_at -= since


def take(services: Services, worker: str) -> int | None:
    """The batch that the worker gets, if any."""
    with services.db.writing() as session:
        claimed = claim(session, services.settings, worker)
        return claimed.batch_id if claimed else None


def only(services: Services) -> Batch:
    with services.db.reading() as session:
        return session.scalars(select(Batch)).one()


def run_of(services: Services, run: Run) -> Run:
    with services.db.reading() as session:
        return session.get_one(Run, run.id)


def test_a_killed_workers_calls_hold_up_the_others_for_seconds_not_for_their_lease(
    services: Services, launch: Launch
) -> None:
    launch(900)
    beat(services, "a")
    beat(services, "b")
    held = [take(services, "a") for _ in range(services.settings.concurrency)]
    assert None not in held
    assert take(services, "b") is None
    silence(services, "a", liveness.SILENT)
    assert take(services, "b") not in {None, *held}


def test_a_worker_without_a_fresh_pulse_takes_nothing(services: Services, launch: Launch) -> None:
    launch(3)
    assert take(services, "a") is None
    beat(services, "a")
    silence(services, "a", liveness.SILENT)
    assert take(services, "a") is None
    beat(services, "a")
    assert take(services, "a") is not None


def test_a_pulse_from_the_future_is_no_sign_of_life(services: Services, launch: Launch) -> None:
    launch(3)
    beat(services, "a")
    silence(services, "a", -HOUR)
    assert take(services, "a") is None


def test_what_was_to_leave_at_once_does_not_wait_for_a_clock_that_was_set_back(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    ahead = clock.now() + HOUR
    with clock.shifted(HOUR):
        now, later = launch(3), launch(rows=[NewMessage(FIRST + 5, None, ahead + HOUR)])
        scheduled = launch(numbers=[FIRST + 6], deliver_at=ahead, deliver_zone="America/Sao_Paulo", not_before=ahead)
    assert drain() == 0
    with services.db.writing() as session:
        sweep(session, services.settings)
    assert drain() == 1
    with services.db.reading() as session:
        left = [queries.counts(session, session.get_one(Run, run.id)).accepted for run in (now, later, scheduled)]
    assert left == [3, 0, 0]


def test_a_late_campaign_that_is_declined_expires(services: Services, launch: Launch) -> None:
    run = launch(3, not_before=clock.now() - 2 * HOUR)
    with services.db.writing() as session:
        assert outbox.cancel(session, session.get_one(Run, run.id)).stopped == 3
        found = queries.counts(session, session.get_one(Run, run.id))
    assert (found.expired, found.cancelled, found.waiting) == (3, 0, 0)


@pytest.mark.parametrize("scheduled", [True, False])
def test_after_an_hour_without_any_worker_what_is_late_asks_a_person(
    services: Services, launch: Launch, scheduled: bool
) -> None:
    past = clock.now() - 3 * HOUR
    beat(services, "a")
    late = launch(3)
    fresh = launch(numbers=[FIRST + 7])
    reply = launch(numbers=[FIRST + 8], kind="reply")
    later = launch(rows=[NewMessage(FIRST + 9, None, clock.now() + HOUR)])
    with services.db.writing() as session:
        runs = [late.id, reply.id]
        session.execute(update(Run).where(Run.id.in_([*runs, later.id])).values(not_before=past))
        session.execute(update(Batch).where(Batch.run_id.in_(runs)).values(not_before=past))
        if scheduled:
            session.execute(update(Run).where(Run.id == late.id).values(deliver_at=past, served=1))
    silence(services, "a", 2 * HOUR)
    beat(services, "b")
    found = {name: run_of(services, run) for name, run in locals().items() if isinstance(run, Run)}
    assert (found["late"].state, found["late"].pause_reason) == ("paused", "late")
    assert [found[name].state for name in ("fresh", "reply", "later")] == ["running"] * 3
    with services.db.writing() as session:
        assert outbox.resume(session, session.get_one(Run, late.id))
    beat(services, "b")
    with services.db.writing() as session:
        sweep(session, services.settings)
    assert run_of(services, late).state == "running"


def test_a_short_stop_asks_nobody(services: Services, launch: Launch) -> None:
    run = launch(3, not_before=clock.now() - 3 * HOUR)
    with services.db.writing() as session:
        outbox.resume(session, session.get_one(Run, run.id))
    beat(services, "a")
    silence(services, "a", timedelta(minutes=50))
    beat(services, "b")
    assert run_of(services, run).state == "running"


def test_a_launch_that_ends_hours_after_its_time_asks_a_person(services: Services, launch: Launch) -> None:
    run = launch(3, not_before=clock.now() - 2 * HOUR)
    assert (run_of(services, run).state, run_of(services, run).pause_reason) == ("paused", "late")


def test_a_campaign_resumed_after_its_time_goes_at_once_and_asks_no_more(
    services: Services, launch: Launch, drain: Callable[[], int], box: Sandbox
) -> None:
    run = launch(3, deliver_at=clock.now() + HOUR, deliver_zone="America/Sao_Paulo", not_before=clock.now() + HOUR / 2)
    with services.db.writing() as session:
        found = session.get_one(Run, run.id)
        assert outbox.pause(session, found)
        found.deliver_at = found.not_before = clock.now() - 2 * HOUR
        session.execute(update(Batch).values(not_before=clock.now() - 2 * HOUR))
        session.flush()
        assert outbox.resume(session, found)
        sweep(session, services.settings)
    drain()
    assert [row["schedule"] for row in box.ledger()] == [None] * 3


def test_a_lease_written_before_the_clock_was_set_back_ends_when_it_should(services: Services, launch: Launch) -> None:
    launch(3)
    beat(services, "a")
    assert take(services, "a") is not None
    ahead = clock.now() + HOUR
    with services.db.writing() as session:
        session.execute(update(Batch).values(lease_until=ahead))
    with services.db.writing() as session:
        sweep(session, services.settings)
    lease = only(services).lease_until
    assert lease is not None
    assert timedelta(0) < lease - clock.now() <= timedelta(seconds=services.settings.gateway_timeout + 5)


def test_a_doubt_from_before_the_clock_was_set_back_settles_as_long_as_it_should(
    services: Services, launch: Launch, gateway: Gateway, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(3)
    box.fault("lost", "send-multiple", times=1)
    sending.send_next(services.db, services.settings, gateway)
    before = only(services)
    assert before.settle_at is not None
    assert before.unknown_since is not None
    with services.db.writing() as session:
        session.execute(
            update(Batch).values(
                unknown_since=before.unknown_since + HOUR, settle_at=before.settle_at + 2 * HOUR,
                look_at=before.unknown_since + HOUR,
            )
        )  # fmt: skip
        sweep(session, services.settings)
    after = only(services)
    assert after.unknown_since is not None
    assert after.settle_at is not None
    assert after.unknown_since <= clock.now()
    assert abs((after.settle_at - after.unknown_since) - HOUR) < timedelta(seconds=1)
    assert reconcile.look_at_next(services.db, services.settings, gateway)
    assert only(services).state == "done"


def test_a_rest_from_before_the_clock_was_set_back_is_over(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    launch(3)
    with services.db.writing() as session:
        session.add(Dispatch(id=1, turn=0, failures=1, free_at=clock.now() + HOUR))
    assert drain() == 0
    with services.db.writing() as session:
        sweep(session, services.settings)
    assert drain() == 1


class TestWithTimeToSettle:
    """What the gateway knows counts at once; what it does not know waits."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, settle_seconds=600.0)

    def test_a_killed_senders_batch_is_found_in_the_first_look_not_after_ten_minutes(
        self, services: Services, launch: Launch, gateway: Gateway
    ) -> None:
        run = launch(10)
        with services.db.writing() as session:
            claimed = claim(session, services.settings)
        assert claimed is not None
        hand_over(services, gateway, claimed)
        with services.db.writing() as session:
            leases_that_ran_out(session, services.settings, clock.now() + HOUR)
            session.execute(update(Batch).values(look_at=clock.now()))
        assert reconcile.look_at_next(services.db, services.settings, gateway)
        with services.db.reading() as session:
            assert queries.counts(session, session.get_one(Run, run.id)).accepted == 10
            assert_counters_exact(session)

    def test_never_heard_of_it_counts_only_after_settling(
        self, services: Services, launch: Launch, gateway: Gateway, box: Sandbox
    ) -> None:
        launch(10)
        box.fault("http", "send-multiple", times=1)
        sending.send_next(services.db, services.settings, gateway)
        for _ in range(5):
            assert reconcile.look_at_next(services.db, services.settings, gateway)
            assert not reconcile.look_at_next(services.db, services.settings, gateway)  # not before the next look
            assert (only(services).state, only(services).looks) == ("unknown", 0)
            with services.db.writing() as session:
                session.execute(update(Batch).values(look_at=clock.now()))
        for looks in (1, 2):
            with services.db.writing() as session:
                session.execute(update(Batch).values(look_at=clock.now(), settle_at=clock.now()))
            assert reconcile.look_at_next(services.db, services.settings, gateway)
            assert only(services).state == ("unknown" if looks == 1 else "queued")

    def test_the_looks_before_settling_come_less_and_less_often(self, services: Services, launch: Launch) -> None:
        batch, now = Batch(doubts=0), clock.now()
        doubt.begin(batch, services.settings, now, None)
        looks = []
        while batch.look_at is not None and len(looks) < 20:
            looks.append((batch.look_at - now).total_seconds())
            if doubt.look(batch, services.settings, batch.look_at):
                break
        assert looks == [0, 15, 30, 60, 120, 240, 480, 600]


def test_a_smaller_batch_size_holds_for_launches_made_before(
    services: Services, launch: Launch, gateway: Gateway, box: Sandbox
) -> None:
    run = launch(100)
    smaller = replace(services.settings, batch_size=30)
    while sending.send_next(services.db, smaller, gateway):
        pass
    with services.db.reading() as session:
        assert session.scalars(select(Batch.last_key - Batch.first_key + 1).order_by(Batch.id)).all() == [
            30,
            30,
            30,
            10,
        ]
    with services.db.reading() as session:
        assert queries.counts(session, session.get_one(Run, run.id)).accepted == 100
        assert_counters_exact(session)

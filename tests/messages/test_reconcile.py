"""Unknown outcomes: looked up first, resent only as the design allows, whatever the look-ups meet."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.messages.conftest import Launch, hand_over
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.client import Gateway, Letter
from webapp.gateway.errors import Refused
from webapp.gateway.wire import Receipts
from webapp.messages import outbox, queries, reconcile, sending
from webapp.messages.claim import claim
from webapp.messages.models import Batch, Message, Run
from webapp.messages.reference import encode
from webapp.messages.sweep import leases_that_ran_out, sweep
from webapp.sandbox.server import Sandbox

Resolve = Callable[[], None]


@pytest.fixture
def resolve(services: Services, gateway: Gateway) -> Resolve:
    """Let the settling time of everything unknown pass, again and again, sending and asking until nothing moves."""

    def run() -> None:
        for turn in count():
            assert turn < 30, "the outcome never settles"
            with services.db.writing() as session:
                unknown = session.scalars(select(Batch).where(Batch.state == "unknown")).all()
                for batch in unknown:
                    batch.settle_at = batch.look_at = clock.now() - timedelta(seconds=1)
            moved = False
            while reconcile.look_at_next(services.db, services.settings, gateway):
                moved = True
            while sending.send_next(services.db, services.settings, gateway):
                moved = True
            if not moved:
                return

    return run


def state_of(services: Services, run: Run) -> queries.Counts:
    with services.db.reading() as session:
        assert_counters_exact(session)
        return queries.counts(session, session.get_one(Run, run.id))


def assert_each_once(box: Sandbox, people: int) -> None:
    numbers = [row["number"] for row in box.ledger()]
    assert len(numbers) == len(set(numbers)) == people


@pytest.mark.parametrize("duplicates_refused", [True, False])
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("lost", {}),
        ("cut", {}),
        ("torn", {}),
        ("empty", {}),
        ("html", {"after": True}),
        ("http", {"after": True, "status": 502}),
        ("http", {"after": False, "status": 500}),
        ("drop", {}),
        ("fewer", {}),
        ("partial", {}),
        ("partial-lost", {}),
        ("code", {"code": "110", "after": True}),
        ("code", {"code": "110", "after": False}),
    ],
)
def test_nobody_twice_and_nobody_missed_whatever_happens_to_the_answer(
    services: Services, box: Sandbox, launch: Launch, resolve: Resolve, fault: str, options: dict[str, object],
    duplicates_refused: bool,
) -> None:  # fmt: skip
    box.settings(refuse_duplicates=duplicates_refused)
    launch(5, numbers=range(5521981232000, 5521981232005))
    resolve()
    run = launch(230)
    box.fault(fault, "send-multiple", times=2, **options)
    resolve()
    found = state_of(services, run)
    assert (found.accepted, found.waiting) == (230, 0)
    assert_each_once(box, 235)


def test_a_look_up_that_lacks_what_we_know_proves_nothing(
    services: Services, box: Sandbox, launch: Launch, resolve: Resolve, gateway: Gateway
) -> None:
    launch(1, numbers=[5521981232000])
    resolve()
    box.fault("lost", "send-multiple", times=1)
    run = launch(10)
    sending.send_next(services.db, services.settings, gateway)
    box.settings(late_seconds=1e9)  # rows are accepted, and look-ups do not show them
    for _ in range(4):
        with services.db.writing() as session:
            for batch in session.scalars(select(Batch).where(Batch.state == "unknown")):
                batch.settle_at = batch.look_at = clock.now() - timedelta(seconds=1)
        assert reconcile.look_at_next(services.db, services.settings, gateway)
        assert not sending.send_next(services.db, services.settings, gateway)
    with services.db.reading() as session:
        batch = session.scalars(select(Batch).where(Batch.run_id == run.id)).one()
        assert (batch.state, batch.problem) == ("unknown", "control")
    box.settings(late_seconds=0)
    resolve()
    assert state_of(services, run).accepted == 10
    assert_each_once(box, 11)


def look(services: Services, gateway: Gateway, *, settled: bool) -> Batch:
    """One look at the only unknown batch, now; afterwards it is as returned."""
    with services.db.writing() as session:
        batch = session.scalars(select(Batch).where(Batch.state == "unknown")).one()
        batch.look_at = clock.now() - timedelta(seconds=1)
        if settled:
            batch.settle_at = batch.look_at
        batch_id = batch.id
    assert reconcile.look_at_next(services.db, services.settings, gateway)
    with services.db.reading() as session:
        return session.get_one(Batch, batch_id)


def test_scheduled_messages_that_stay_invisible_until_their_time_are_not_sent_again_before(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve
) -> None:
    launch(1, numbers=[5521981232000])
    resolve()
    box.settings(hide_scheduled=True)
    box.fault("lost", "send-multiple", times=1)
    time = clock.now() + timedelta(hours=1)
    run = launch(10, deliver_at=time, deliver_zone="America/Sao_Paulo")
    assert sending.send_next(services.db, services.settings, gateway)
    for _ in range(3):
        batch = look(services, gateway, settled=False)
        assert (batch.state, batch.looks) == ("unknown", 0)
        assert batch.settle_at is not None
        assert batch.settle_at >= time
    box.advance(3700)
    assert look(services, gateway, settled=True).state == "done"
    assert state_of(services, run).accepted == 10
    assert_each_once(box, 11)


def test_a_row_with_our_reference_and_another_number_is_not_ours(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve
) -> None:
    box.fault("http", "send-multiple", times=1)
    run = launch(3)
    assert sending.send_next(services.db, services.settings, gateway)
    strangers = [
        {"number": 5531977770000 + key, "campaign_id": encode(run.token, key), "content": "Outro"}
        for key in range(run.first_key, run.last_key + 1)
    ]
    box.seed_history(strangers)
    assert look(services, gateway, settled=True).state == "unknown"
    assert state_of(services, run).unknown == 3
    resolve()
    assert state_of(services, run).accepted == 3
    assert sum(row["origin"] == "api" for row in box.ledger()) == 3


def test_of_several_rows_for_one_reference_the_one_with_the_number_counts(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve
) -> None:
    box.fault("lost", "send-multiple", times=1)
    run = launch(3)
    assert sending.send_next(services.db, services.settings, gateway)
    box.seed_history([{"number": 5531977770000, "campaign_id": encode(run.token, run.first_key), "content": "Outro"}])
    resolve()
    assert state_of(services, run).accepted == 3
    assert sum(row["origin"] == "api" for row in box.ledger()) == 3


@pytest.mark.parametrize("first_ever", [True, False])
def test_a_gateway_that_keeps_less_than_the_whole_reference_proves_nothing(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve,
    monkeypatch: pytest.MonkeyPatch, first_ever: bool,
) -> None:  # fmt: skip
    if not first_ever:
        launch(1, numbers=[5521981232000])
        resolve()
    box.fault("lost", "send-multiple", times=1)
    run = launch(10)
    assert sending.send_next(services.db, services.settings, gateway)
    real = gateway.look_up

    def cut(**asked: Any) -> Receipts:
        found = real(**asked)
        rows = [replace(row, reference=row.reference[:6]) for row in found.rows]
        return Receipts(rows, found.odd, found.stated)

    monkeypatch.setattr(gateway, "look_up", cut)
    for _ in range(4):
        batch = look(services, gateway, settled=True)
        assert (batch.state, batch.looks, batch.problem) == ("unknown", 0, "control")
        assert not sending.send_next(services.db, services.settings, gateway)
    monkeypatch.undo()
    resolve()
    assert state_of(services, run).accepted == 10
    assert_each_once(box, 10 if first_ever else 11)


def test_a_control_whose_reference_begins_like_one_that_is_asked_is_no_cut_reference(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(150)
    assert sending.send_next(services.db, services.settings, gateway)
    control, asked = (encode(run.token, key) for key in (run.first_key + 2, (run.first_key + 2) * 36))
    assert asked.startswith(control)
    with services.db.writing() as session:  # the newest message that is known is the third
        others = Message.state == "accepted", Message.id != run.first_key + 2
        session.execute(update(Message).where(*others).values(at=clock.now() - timedelta(minutes=1)))
    box.fault("http", "send-multiple", times=1)
    assert sending.send_next(services.db, services.settings, gateway)
    assert look(services, gateway, settled=True).looks == 1
    assert look(services, gateway, settled=True).state == "queued"


def test_look_ups_that_fail_themselves_count_for_nothing(
    services: Services, box: Sandbox, launch: Launch, resolve: Resolve
) -> None:
    run = launch(10)
    box.fault("lost", "send-multiple", times=1)
    box.fault("html", "mt_id", times=3)
    resolve()
    assert state_of(services, run).accepted == 10
    assert_each_once(box, 10)


def test_a_batch_unknown_for_a_day_waits_for_a_person(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    box.fault("http", "send-multiple", times=1)
    run = launch(4)
    sending.send_next(services.db, services.settings, gateway)
    with services.db.writing() as session:
        batch = session.scalars(select(Batch)).one()
        batch.unknown_since = batch.settle_at = batch.look_at = clock.now() - timedelta(days=2)
    assert reconcile.look_at_next(services.db, services.settings, gateway)
    with services.db.writing() as session:
        batch = session.scalars(select(Batch)).one()
        assert (batch.state, batch.problem) == ("unknown", "person")
        assert reconcile.decide(session, batch, again=False) == 4
    found = state_of(services, run)
    assert (found.expired, found.waiting) == (4, 0)
    assert box.ledger() == []


def test_cancelling_while_a_batch_is_unknown_ends_with_the_truth(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve
) -> None:
    box.fault("partial-lost", "send-multiple", times=1)
    run = launch(10)
    sending.send_next(services.db, services.settings, gateway)
    with services.db.writing() as session:
        assert outbox.cancel(session, session.get_one(Run, run.id)).stopped == 0
    resolve()
    found = state_of(services, run)
    assert (found.accepted, found.cancelled) == (5, 5)
    assert_each_once(box, 5)


def test_a_dead_senders_batch_is_looked_up_and_never_simply_sent_again(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, resolve: Resolve
) -> None:
    run = launch(10)
    with services.db.writing() as session:
        claimed = claim(session, services.settings)
    assert claimed is not None
    hand_over(services, gateway, claimed)  # and here it dies, before anything is recorded
    assert not sending.send_next(services.db, services.settings, gateway)
    with services.db.writing() as session:
        for batch in session.scalars(select(Batch)):
            batch.lease_until = clock.now() - timedelta(seconds=1)
        assert leases_that_ran_out(session, services.settings, clock.now()) == 1
    resolve()
    assert state_of(services, run).accepted == 10
    assert_each_once(box, 10)


def test_a_whole_call_refused_for_one_messages_sake_is_halved_until_that_one_stands_alone(
    services: Services,
    box: Sandbox,
    launch: Launch,
    resolve: Resolve,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = gateway.hand_over

    def picky(letter: Letter) -> bytes:
        if b"11981232007" in letter.body:
            raise Refused("050")
        return real(letter)

    monkeypatch.setattr(gateway, "hand_over", picky)
    run = launch(20)
    resolve()
    found = state_of(services, run)
    assert (found.accepted, found.refused) == (19, 1)
    assert_each_once(box, 19)


def test_a_late_campaign_asks_a_person_and_what_is_too_late_expires(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    past = clock.now() - timedelta(hours=3)
    late = launch(2, deliver_at=past, not_before=past - timedelta(minutes=10), deliver_zone="America/Sao_Paulo")
    stale = launch(2, numbers=[5521981232001, 5521981232002], valid_until=clock.now() - timedelta(minutes=1))
    with services.db.writing() as session:
        sweep(session, services.settings)
    with services.db.writing() as session:
        paused = session.get_one(Run, late.id)
        assert (paused.state, paused.pause_reason) == ("paused", "late")
        assert outbox.resume(session, paused)
    assert state_of(services, stale).expired == 2
    assert sending.send_next(services.db, services.settings, gateway)
    assert state_of(services, late).accepted == 2


def test_people_whose_window_opens_later_are_not_late(services: Services, box: Sandbox, launch: Launch) -> None:
    past, soon = clock.now() - timedelta(hours=3), clock.now() + timedelta(hours=1)
    rows = [outbox.NewMessage(5511981232000, None, soon)]
    waiting = launch(rows=rows, deliver_at=past, not_before=past, deliver_zone="America/Sao_Paulo")
    with services.db.writing() as session:
        sweep(session, services.settings)
    with services.db.reading() as session:
        assert session.get_one(Run, waiting.id).state == "running"

"""One batch's way out, against a real gateway stand-in over HTTP."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.messages.conftest import FIRST, Launch, hand_over
from webapp.core.web import Services
from webapp.gateway import account
from webapp.gateway.client import Gateway
from webapp.messages import outbox, queries, reconcile, record, sending
from webapp.messages.claim import claim
from webapp.messages.models import Batch, Dispatch, Message, Run
from webapp.optouts import service as optouts
from webapp.sandbox.server import Sandbox


def counts(services: Services, run: Run) -> queries.Counts:
    with services.db.reading() as session:
        found = queries.counts(session, session.get_one(Run, run.id))
    assert found.adds_up
    return found


def written_to(box: Sandbox) -> list[str]:
    return [row["number"] for row in box.ledger()]


def test_a_campaign_leaves_in_batches_and_everybody_is_written_to_once(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(250)
    assert drain() == 3
    assert len(written_to(box)) == len(set(written_to(box))) == 250
    found = counts(services, run)
    assert (found.accepted, found.credits) == (250, 250)
    with services.db.reading() as session:
        assert session.get_one(Run, run.id).state == "finished"


@pytest.mark.parametrize("fault", ["lost", "cut", "html"])
def test_a_lost_answer_is_looked_up_and_nobody_is_written_to_twice(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway, fault: str
) -> None:
    box.fault(fault, "send-multiple", times=1, after=True)
    run = launch(150)
    drain()
    assert counts(services, run).unknown == 100
    while reconcile.look_at_next(services.db, services.settings, gateway):
        pass
    drain()
    found = counts(services, run)
    assert found.accepted == 150
    assert len(written_to(box)) == len(set(written_to(box))) == 150


def test_what_the_gateway_never_heard_of_is_sent_again_after_two_looks(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    box.fault("http", "send-multiple", times=1)
    run = launch(20)
    drain()
    assert counts(services, run).unknown == 20
    assert written_to(box) == []
    looks = 0
    while counts(services, run).unknown:
        with services.db.writing() as session:
            for batch in session.scalars(select(Batch)):
                batch.settle_at = batch.look_at = batch.unknown_since
        looks += reconcile.look_at_next(services.db, services.settings, gateway)
    assert looks == 2
    drain()
    assert counts(services, run).accepted == 20
    assert len(set(written_to(box))) == 20


def test_who_opts_out_after_the_launch_is_not_written_to(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(3)
    with services.db.writing() as session:
        optouts.add(session, FIRST + 1, origin="hand", reason="pediu por telefone")
    drain()
    found = counts(services, run)
    assert (found.accepted, found.suppressed) == (2, 1)
    assert not any(str(FIRST + 1).endswith(number[-11:]) for number in written_to(box))


@pytest.mark.parametrize(
    ("type", "channel", "goes"), [(0, "sms", 2), (1, "sms", 2), (0, "whatsapp", 3), (5, "whatsapp", 2)]
)
def test_an_opt_out_of_a_channel_holds_for_all_kinds_of_message_by_it(
    services: Services, launch: Launch, drain: Callable[[], int], type: int, channel: str, goes: int
) -> None:
    run = launch(3, type=type)
    with services.db.writing() as session:
        optouts.add(session, FIRST + 1, origin="import", reason="Não Me Ligue", channel=channel)
    drain()
    found = counts(services, run)
    assert (found.accepted, found.suppressed) == (goes, 3 - goes)


def test_cancel_stops_what_has_not_left_and_says_how_many_had(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    run = launch(250)
    assert sending.send_next(services.db, services.settings, gateway)
    with services.db.writing() as session:
        result = outbox.cancel(session, session.get_one(Run, run.id))
    assert (result.stopped, result.left) == (150, 100)
    assert not sending.send_next(services.db, services.settings, gateway)
    found = counts(services, run)
    assert (found.accepted, found.cancelled) == (100, 150)


def test_an_empty_purse_pauses_the_campaign_and_loses_nobody(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(150)
    box.fault("code", "send-multiple", times=1, code="080")
    drain()
    with services.db.writing() as session:
        paused = session.get_one(Run, run.id)
        assert (paused.state, paused.pause_reason) == ("paused", "080")
        assert outbox.resume(session, paused)
    drain()
    assert counts(services, run).accepted == 150


@pytest.mark.parametrize("code", ["010", "090", "091"])
def test_a_refused_account_stops_all_sending(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], code: str
) -> None:
    run, other = launch(10), launch(10, numbers=range(5521981232000, 5521981232010))
    box.fault("code", "send-multiple", times=1, code=code)
    drain()
    assert written_to(box) == []
    with services.db.writing() as session:
        assert account.row(session).stopped_code == code
        account.clear_stop(session)
    drain()
    assert counts(services, run).accepted == counts(services, other).accepted == 10


def test_a_small_campaign_does_not_wait_for_a_big_one(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    launch(500)
    small = launch(2, numbers=[5521981232001, 5521981232002])
    for _ in range(2):
        sending.send_next(services.db, services.settings, gateway)
    assert counts(services, small).accepted == 2


def test_a_reply_leaves_first_and_learns_its_id_at_once(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    launch(500)
    with services.db.writing() as session:
        reply = outbox.send_one(session, kind="reply", name="Ana", number=5521981232001, type=2, text="Claro!")
    sending.send_next(services.db, services.settings, gateway)
    with services.db.reading() as session:
        sent = session.get_one(Message, reply.id)
        assert (sent.state, sent.gateway_id) == ("accepted", str(box.ledger()[0]["id"]))


def test_a_gateway_that_is_down_is_waited_for_and_nothing_is_lost(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(150)
    nowhere = Gateway("http://127.0.0.1:1/webservice-rest/", "ana", "segredo", timeout=2)
    assert sending.send_next(services.db, services.settings, nowhere)
    assert not sending.send_next(services.db, services.settings, nowhere)  # everybody rests before the next try
    with services.db.writing() as session:
        batches = session.scalars(select(Batch)).all()
        assert [(batch.state, batch.attempts) for batch in batches] == [("queued", 0)] * 2
        session.get_one(Dispatch, 1).free_at = None
    drain()
    assert counts(services, run).accepted == 150
    assert len(set(written_to(box))) == 150


def test_a_slow_gateway_is_left_after_the_timeout_and_asked_later(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway
) -> None:
    box.fault("slow", "send-multiple", times=1, seconds=30)
    run = launch(20)
    sending.send_next(services.db, services.settings, gateway)
    assert counts(services, run).unknown == 20
    assert reconcile.look_at_next(services.db, services.settings, gateway)
    assert counts(services, run).accepted == 20
    assert len(written_to(box)) == 20


def test_pause_stops_the_hand_over_within_the_batch_in_hand_and_resume_goes_on(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    run = launch(350)
    with services.db.writing() as session:
        claimed = claim(session, services.settings)
        assert claimed is not None
    with services.db.writing() as session:
        assert outbox.pause(session, session.get_one(Run, run.id))
    assert drain() == 0
    load, outcome = hand_over(services, gateway, claimed)
    services.db.retrying(
        lambda session: record.answered(session, services.settings, claimed, load.keys, outcome, load.later)
    )
    assert drain() == 0
    found = counts(services, run)
    assert (found.accepted, found.held, len(written_to(box))) == (100, 250, 100)
    with services.db.writing() as session:
        assert outbox.resume(session, session.get_one(Run, run.id))
    assert drain() == 3
    assert len(set(written_to(box))) == len(written_to(box)) == 350


def test_a_batch_whose_people_are_all_gone_is_done_whatever_was_counted(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(3)
    with services.db.writing() as session:
        session.execute(update(Message).where(Message.run_id == run.id).values(state="refused"))
    drain()
    with services.db.reading() as session:
        assert session.scalars(select(Batch.state)).all() == ["done"]
    assert box.ledger() == []


def test_a_claim_that_took_long_to_be_written_is_given_back_while_its_whole_call_no_longer_fits(
    services: Services, box: Sandbox, launch: Launch, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly_committed(*given: Any) -> Any:
        claimed = claim(*given)
        time.sleep(0.2)
        return claimed

    run = launch(3)
    with monkeypatch.context() as patch:
        patch.setattr(sending, "LEASE_MARGIN", 0.1)
        patch.setattr(sending, "claim", slowly_committed)
        assert sending.send_next(services.db, services.settings, gateway)
    assert box.ledger() == []
    assert counts(services, run).queued == 3
    assert sending.send_next(services.db, services.settings, gateway)
    assert len(box.ledger()) == counts(services, run).accepted == 3

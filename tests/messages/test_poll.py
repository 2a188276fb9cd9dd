"""Rounds of questions about statuses: who is asked about when, what stands in their way, one worker at a time."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.messages.conftest import Launch, made_old, recount, statuses, told_by_callback
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway import account, codes
from webapp.gateway.client import Gateway
from webapp.gateway.models import Account
from webapp.gateway.wire import Receipt as Told
from webapp.messages import ages, claim, counters, hearing, hours, inquiries, polling, receipts, turn
from webapp.messages.models import Cursor, Dispatch, Inquiry, Message, Receipt, Run
from webapp.messages.reference import encode
from webapp.sandbox.server import Sandbox

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("short_past")


def cursor(services: Services, name: str) -> Cursor | None:
    with services.db.reading() as session:
        return session.get(Cursor, name)


def test_statuses_come_by_mt_date_when_no_callback_does(
    services: Services, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(30)
    done = polling.sync_statuses(services, gateway)
    assert done.asked >= 24
    assert done.changed == 30
    assert None not in statuses(services)
    with services.db.reading() as session:
        assert_counters_exact(session)
    assert polling.sync_statuses(services, gateway).changed == 0


def test_a_round_asks_about_a_few_messages_by_their_references(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(30)
    made_old(services, box, MINUTE)
    box.calls.clear()
    polling.poll(services, gateway)
    assert None not in statuses(services)
    assert box.calls["mt_id"] == 1


def test_where_much_of_an_hour_is_open_its_window_is_asked_with_the_type(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "IDS_PER_CALL", 10)
    sent(30)
    asked: list[int | None] = []
    by_date = Gateway.by_date
    monkeypatch.setattr(
        Gateway, "by_date", lambda *given, **how: asked.append(how["type"]) or by_date(*given, **how)  # type: ignore[func-returns-value]
    )  # fmt: skip
    polling.poll(services, gateway)
    assert None not in statuses(services)
    assert asked[0] == 0


def test_what_is_final_is_not_asked_about_again(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    run = sent(2)
    for place, (status, carrier) in enumerate([("1", "Vivo"), ("0", "Oi - Celular")]):
        with services.db.writing() as session:
            key = run.first_key + place
            number = session.get_one(Message, key).number
            told = Told("g", encode(run.token, key), number, status, status, None, "", carrier, None)
            receipts.apply(session, [told], "mt_id")
    with services.db.reading() as session:
        found = hours.between(session, clock.now() - HOUR, clock.now())
    assert sum(hour.total for hour in found) == 2
    assert sum(hour.open for hour in found) == 0


@pytest.mark.parametrize("days", [32, 40])
def test_nobody_is_asked_about_past_32_days(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, days: int
) -> None:
    sent(2)
    made_old(services, box, timedelta(days=days))
    box.calls.clear()
    polling.poll(services, gateway)
    assert "mt_id" not in box.calls
    with services.db.reading() as session:
        for age in ages.AGES:
            for due in ages.due(session, services.settings, clock.now(), age, False):
                assert not due.tasks


def test_the_old_are_asked_rarely_and_the_young_often(services: Services) -> None:
    settings, now = replace(services.settings, poll_seconds=60.0), clock.now()
    every = {age.name: age.interval(settings) for age in ages.AGES}
    assert every["fresh"] == MINUTE
    assert list(every.values()) == sorted(every.values())
    assert every["month"] == timedelta(days=1)
    assert ages.AGES[0].period(now)[1] > now
    for one, next_one in zip(ages.AGES, ages.AGES[1:], strict=False):
        assert one.older == next_one.younger
    for seconds in (1.0, 7.5, 3600.0, 86400.0):
        odd = replace(settings, poll_seconds=seconds)
        assert all(age.interval(odd) >= timedelta(seconds=seconds) for age in ages.AGES)
        assert ages.AGES[0].interval(odd) == timedelta(seconds=seconds)


def test_an_age_is_asked_again_only_after_its_time(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    box.settings(speed=0.0001)
    sent(2)
    made_old(services, box, 3 * HOUR)
    now = clock.now()
    box.calls.clear()
    polling.poll(services, gateway, now)
    polling.poll(services, gateway, now + 10 * MINUTE)
    assert box.calls["mt_id"] == 1
    polling.poll(services, gateway, now + 61 * MINUTE)
    assert box.calls["mt_id"] == 2


def test_a_single_callback_says_that_callbacks_come_in_and_silence_that_they_do_not(
    services: Services, sent: Callable[..., Run]
) -> None:
    settings = replace(services.settings, poll_seconds=60.0)

    def comes_in(later: timedelta = timedelta(0)) -> bool:
        with services.db.reading() as session:
            return hearing.comes_in(session, settings, clock.now() + later)

    run = sent(3)
    assert not comes_in()  # never heard one
    told_by_callback(services, run)
    assert comes_in()
    assert comes_in(timedelta(days=3))  # nothing was sent since, so nothing is to be told
    sent(1, numbers=[5511981239999])
    assert comes_in(2 * MINUTE)  # it has some minutes
    assert not comes_in(6 * MINUTE)
    with services.db.writing() as session:  # what polls tell changes nothing
        told = Told("g", encode(run.token, run.first_key + 1), None, "1", "1", None, "", "Vivo", None)
        receipts.apply(session, [told], "mt_id")
    assert not comes_in(6 * MINUTE)
    told_by_callback(services, run, 2)
    assert comes_in(6 * MINUTE)


def test_while_callbacks_come_in_the_young_are_not_asked_about(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    run = sent(3)
    told_by_callback(services, run)
    box.calls.clear()
    polling.poll(services, gateway)
    polling.poll(services, gateway)
    assert "mt_id" not in box.calls
    first = box.calls["mt_date"]  # the audit of the last day, once
    polling.poll(services, gateway)
    assert box.calls["mt_date"] == first


def test_an_hour_of_which_nobody_told_anything_is_asked_about_although_callbacks_come_in(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(30)
    made_old(services, box, 2 * HOUR + 30 * MINUTE)
    told_by_callback(services, sent(1, numbers=[5511981239999]))
    box.calls.clear()
    with services.db.reading() as session:
        assert hearing.comes_in(session, services.settings, clock.now())
        tasks = [
            task.name
            for age in ages.AGES
            for due in ages.due(session, services.settings, clock.now(), age, True)
            for task in due.tasks
        ]
    assert any(name.startswith("mt_date.today.untold") for name in tasks)
    polling.poll(services, gateway)
    assert None not in statuses(services)[:30]


@pytest.mark.parametrize("stop", ["010", "090", "091", account.UNREADABLE])
def test_no_round_while_the_account_is_stopped(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, stop: str
) -> None:
    sent(3)
    with services.db.writing() as session:
        account.stop(session, stop)
    box.calls.clear()
    done = polling.poll(services, gateway)
    assert done and done.over == f"stopped {stop}"
    assert not box.calls
    kept = cursor(services, turn.NAME)
    assert kept and kept.problem == f"stopped {stop}"


def test_five_answers_that_nobody_can_read_stop_all_sending(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    box.fault("html", "send-multiple")
    launch(600)
    assert drain() == 5
    with services.db.reading() as session:
        assert session.get_one(Account, account.ROW).stopped_code == account.UNREADABLE


def test_no_round_while_the_gateway_rests_but_the_rate_alone_is_no_rest(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(3)
    with services.db.writing() as session:
        claim.rest(session)
    box.calls.clear()
    done = polling.poll(services, gateway)
    assert done and done.over == "resting"
    assert not box.calls
    with services.db.writing() as session:
        session.execute(update(Dispatch).values(failures=0))
    polling.poll(services, gateway)
    assert None not in statuses(services)


@pytest.mark.parametrize(("code", "words"), [("100", "Busy 100"), ("010", "Stopped 010")])
def test_a_gateway_that_does_not_want_to_be_asked_is_left_alone_after_one_call(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, code: str, words: str
) -> None:
    sent(3)
    box.fault("code", "look-up", code=code)
    box.calls.clear()
    done = polling.poll(services, gateway)
    assert done and done.over == words
    assert sum(box.calls.values()) == 1
    kept = cursor(services, "mt_date.fresh.0")
    assert kept and kept.problem == words
    box.clear_faults()
    polling.poll(services, gateway)
    kept = cursor(services, "mt_date.fresh.0")
    assert kept and kept.problem is None
    assert kept.until is None
    assert None not in statuses(services)


def test_a_gateway_out_of_reach_is_left_alone_after_one_call(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(3)
    box.stop()
    done = polling.poll(services, gateway)
    assert done and done.over == "NotSent"
    assert done.asked.asked == 1


def test_two_workers_never_ask_at_once(services: Services, sent: Callable[..., Run], gateway: Gateway) -> None:
    sent(1)
    took: list[turn.Turn | None] = []
    threads = [
        threading.Thread(
            target=lambda: took.append(turn.take(services.db, services.settings.gateway_timeout)), daemon=True
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine = [one for one in took if one]
    assert len(took) == 6
    assert len(mine) == 1
    assert polling.poll(services, gateway) is None
    assert mine[0].renew()
    mine[0].give_up()
    assert polling.poll(services, gateway) is not None


def test_the_turn_of_a_worker_that_died_ends_by_itself(services: Services, gateway: Gateway) -> None:
    dead = turn.take(services.db, services.settings.gateway_timeout)
    assert dead
    with services.db.writing() as session:
        session.execute(update(Cursor).values(held_until=clock.now() - MINUTE))
    assert polling.poll(services, gateway) is not None
    assert not dead.renew()


def test_a_worker_that_ends_leaves_off_and_the_next_goes_on_where_it_stood(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(3)
    with services.db.reading() as session:
        began = clock.now()
    asked: list[datetime] = []
    by_date = Gateway.by_date

    def ended(self: Gateway, start: datetime, end: datetime, **how: Any) -> Any:
        asked.append(start)
        if len(asked) == 3:
            services.jobs.stopping.set()
        return by_date(self, start, end, **how)

    monkeypatch.setattr(Gateway, "by_date", ended)
    done = polling.poll(services, gateway, began)
    assert done and done.over == "ending"
    services.jobs.stopping.clear()
    polling.poll(services, gateway, began)
    assert len(asked) == len(set(asked)) == 5  # the first audit, no window twice
    with services.db.reading() as session:
        audit = inquiries.last(session, inquiries.AUDIT)
        assert audit and audit.ended_at and audit.share == 100


def test_what_takes_long_leaves_off_so_that_other_work_has_its_turn(
    services: Services, sent: Callable[..., Run], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(3)
    monkeypatch.setattr(polling, "SLICE", 0.0)
    done = polling.poll(services, gateway)
    assert done and done.over is None
    assert done.asked.asked == 0
    monkeypatch.setattr(polling, "SLICE", 30.0)
    polling.poll(services, gateway)
    assert None not in statuses(services)


def test_one_message_is_asked_about_by_its_reference(
    services: Services, sent: Callable[..., Run], gateway: Gateway
) -> None:
    run = sent(1)
    applied = polling.check_one(services, run.first_key, gateway)
    assert applied.found == 1
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).gateway_id


def test_what_other_systems_sent_is_asked_about_by_its_id(services: Services, box: Sandbox, gateway: Gateway) -> None:
    box.seed_history(
        [{"number": "5511981232001", "content": "Oi", "campaign_id": "erp-1", "status": 0, "days_ago": 0.1}]
    )
    polling.poll(services, gateway)
    assert statuses(services) == ["0"]
    box.status(1, campaign_id="erp-1")
    with services.db.writing() as session:
        session.execute(update(Message).values(carrier="Vivo"))
    recount(services)
    box.calls.clear()
    polling.poll(services, gateway, clock.now() + 2 * HOUR)
    assert box.calls["mt_id"] == 1
    assert statuses(services) == ["1"]


def test_without_an_account_a_sync_says_what_to_do_and_a_poll_rests(services: Services) -> None:
    bare = replace(services, settings=replace(services.settings, gateway_url=None))
    with pytest.raises(UserError, match="No gateway account"):
        polling.sync_statuses(bare)
    assert polling.poll(bare) is None


def test_old_hours_are_asked_by_a_sync_only_where_something_is_open(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(2)
    made_old(services, box, timedelta(days=5))
    box.calls.clear()
    assert polling.sync_statuses(services, gateway).changed == 2
    assert (box.calls["mt_date"], box.calls["mt_id"]) == (25, 1)


def test_every_status_is_open_or_not_as_the_codes_say(services: Services) -> None:
    for code in codes.STATUSES:
        assert (code in hours.UNHEARD) == (code in {"-1", "3", "6"})


def test_a_doubled_hour_of_a_zone_is_two_hours_long(services: Services) -> None:
    counters.set_zone("America/New_York")
    try:
        start, end = counters.hour_span(datetime(2025, 11, 2).date(), 1)
        assert end - start == 2 * HOUR
        start, end = counters.hour_span(datetime(2025, 11, 2).date(), 2)
        assert end - start == HOUR
        for at in (start, end - timedelta(seconds=1)):
            assert counters.day_and_hour(at) == (datetime(2025, 11, 2).date(), 2)
    finally:
        counters.set_zone(services.settings.timezone)


def test_a_question_by_hand_goes_before_the_audit(
    services: Services, sent: Callable[..., Run], gateway: Gateway
) -> None:
    sent(2)
    now = clock.now()
    with services.db.writing() as session:
        one, made = inquiries.by_hand(session, now - HOUR, now, None, now)
        again, made_again = inquiries.by_hand(session, now - 9 * HOUR, now, None, now)
    assert made and not made_again and again.id == one.id
    polling.poll(services, gateway)
    with services.db.reading() as session:
        asked = session.get_one(Inquiry, one.id)
        assert (asked.hand, asked.problem, asked.share, asked.ours) == (None, None, 100, 2)
        assert session.scalars(select(Receipt.source)).all()

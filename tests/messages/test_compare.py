"""Audits: what we hold beside what the gateway says, what counts as a difference, and what is mended."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tests.messages.conftest import made_old, recount, statuses, told_by_callback
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.messages import inquiries, polling
from webapp.messages.models import Inquiry, Message, Receipt, Run
from webapp.messages.reference import encode
from webapp.sandbox.server import Sandbox

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("short_past")


@pytest.fixture
def run(sent: Callable[..., Run], services: Services, box: Sandbox) -> Run:
    """Four messages, 90 minutes old, that arrived; callbacks come in."""
    made = sent(4)
    made_old(services, box, 90 * MINUTE)
    for place in range(4):
        box.status(1, campaign_id=encode(made.token, made.first_key + place))
    return made


def told(services: Services, run: Run, *statuses: str) -> None:
    """Callbacks told this of the run's messages, in their order; "" for nothing."""
    for place, status in enumerate(statuses):
        if status:
            told_by_callback(services, run, place, status)


def audit(services: Services, gateway: Gateway, later: timedelta = timedelta(0)) -> Inquiry:
    """An audit, and what it is judged to have found three minutes later."""
    polling.poll(services, gateway, clock.now() + later)
    with services.db.writing() as session:
        found = inquiries.last(session, inquiries.AUDIT)
        assert found and found.ended_at
        if found.judged_at is None:
            inquiries.judge(session, found.ended_at + 3 * MINUTE)
        session.expunge(found)
    return found


def test_where_both_say_the_same_there_is_no_difference(services: Services, run: Run, gateway: Gateway) -> None:
    told(services, run, "1", "1", "1", "1")
    found = audit(services, gateway)
    assert (found.ours, found.others, found.differences, found.news) == (4, 0, 0, 0)
    assert found.hearing
    assert found.since < clock.now() - 3 * HOUR
    assert found.until < clock.now() - 10 * MINUTE


def test_a_callback_that_never_came_is_missed_and_mended(services: Services, run: Run, gateway: Gateway) -> None:
    told(services, run, "1", "0", "1", "")
    found = audit(services, gateway)
    assert statuses(services) == ["1"] * 4
    assert (found.missed, found.ahead, found.missing, found.differences) == (2, 0, 0, 2)
    with services.db.reading() as session:
        lines = inquiries.mended(session, found, 10)
        assert sorted(line.message_id or 0 for line in lines) == [run.first_key + 1, run.first_key + 3]
        assert_counters_exact(session)


def test_a_callback_that_was_on_its_way_is_not_missed(services: Services, run: Run, gateway: Gateway) -> None:
    told(services, run, "1", "0", "1", "1")
    polling.poll(services, gateway)
    assert statuses(services) == ["1"] * 4
    told(services, run, "", "1")  # a moment later
    assert audit(services, gateway).missed == 0


def test_what_callbacks_never_tell_is_not_missed(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway
) -> None:
    box.settings(speed=0.0001)
    made = sent(2)
    with box.store._transaction():  # still being prepared after 90 minutes
        box.store._db.execute("UPDATE message SET due_at = due_at - 5400, prepared_at = prepared_at - 99999")
    with services.db.writing() as session:
        session.execute(update(Message).values(at=clock.now() - 90 * MINUTE))
    recount(services)
    with services.db.writing() as session:  # of other messages they come in
        session.add(Receipt(heard_at=clock.now(), source="callback"))
    found = audit(services, gateway)
    assert statuses(services) == ["3", "3"]
    assert (found.ours, found.missed, made.total) == (2, 0, 2)


def test_nothing_is_said_of_what_was_missed_before_callbacks_had_their_time(
    services: Services, run: Run, gateway: Gateway
) -> None:
    told(services, run, "1", "0", "1", "1")
    polling.poll(services, gateway)
    with services.db.reading() as session:
        assert inquiries.last(session, inquiries.AUDIT, judged=True) is None
    polling.poll(services, gateway, clock.now() + 3 * MINUTE)
    with services.db.reading() as session:
        found = inquiries.last(session, inquiries.AUDIT, judged=True)
        assert found and found.missed == 1


def test_where_the_gateway_says_less_it_is_shown_and_left_as_it_is(
    services: Services, box: Sandbox, run: Run, gateway: Gateway
) -> None:
    told(services, run, "1", "1", "1", "1")
    with services.db.writing() as session:  # heard long before the gateway was asked
        session.execute(update(Receipt).values(heard_at=clock.now() - HOUR))
    box.status(0, campaign_id=encode(run.token, run.first_key))
    found = audit(services, gateway)
    assert (found.ahead, found.missed, found.differences) == (1, 0, 1)
    assert statuses(services) == ["1"] * 4


def test_what_is_heard_while_the_gateway_is_asked_is_no_difference(
    services: Services, box: Sandbox, run: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(services, run, "0", "1", "1", "1")
    box.status(0, campaign_id=encode(run.token, run.first_key))
    by_date = Gateway.by_date

    def slow(self: Gateway, *when: object, **how: object) -> object:
        found = by_date(self, *when, **how)  # type: ignore[arg-type]
        told(services, run, "1")  # after the gateway answered, before we look
        return found

    monkeypatch.setattr(Gateway, "by_date", slow)
    assert audit(services, gateway).ahead == 0


def test_an_accepted_message_that_the_gateway_does_not_know_is_missing(
    services: Services, box: Sandbox, run: Run, gateway: Gateway
) -> None:
    told(services, run, "1", "1", "1", "1")
    with box.store._transaction():
        box.store._db.execute("DELETE FROM message WHERE campaign_id = ?", (encode(run.token, run.first_key + 2),))
    found = audit(services, gateway)
    assert (found.ours, found.missing, found.differences) == (3, 1, 1)


def test_a_message_that_only_its_window_lacks_is_not_missing(
    services: Services, box: Sandbox, run: Run, gateway: Gateway
) -> None:
    told(services, run, "1", "1", "1", "0")
    with box.store._transaction():  # the gateway has it at another time: it was unknown for a while
        box.store._db.execute(
            "UPDATE message SET due_at = due_at - 86400 WHERE campaign_id = ?", (encode(run.token, run.first_key + 3),)
        )
    found = audit(services, gateway)
    assert (found.missing, found.missed) == (0, 1)
    assert statuses(services) == ["1"] * 4


def test_what_other_systems_sent_is_counted_apart(services: Services, box: Sandbox, run: Run, gateway: Gateway) -> None:
    told(services, run, "1", "1", "1", "1")
    box.seed_history(
        {"number": f"551198123200{n}", "content": "Oi", "campaign_id": "erp", "status": 1, "days_ago": 0.1}
        for n in range(3)
    )
    found = audit(services, gateway)
    assert (found.ours, found.others, found.news, found.differences) == (4, 3, 3, 0)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Message).where(Message.run_id.is_(None))) == 3


def test_in_silence_what_is_asked_for_is_news_and_the_audit_says_so(
    services: Services, run: Run, gateway: Gateway
) -> None:
    found = audit(services, gateway)
    assert not found.hearing
    assert statuses(services) == ["1"] * 4


def test_audits_follow_each_other_without_a_gap_and_not_too_often(
    services: Services, run: Run, gateway: Gateway
) -> None:
    first = audit(services, gateway)
    assert audit(services, gateway, 10 * MINUTE).id == first.id
    second = audit(services, gateway, 40 * MINUTE)
    assert second.id != first.id
    assert second.since <= first.until < second.until
    with services.db.writing() as session:
        after = clock.now() + timedelta(days=50)
        long_after = inquiries.audit(session, services.settings, after)
        assert long_after and long_after.since == after - timedelta(days=31)  # the gateway remembers no more


def test_old_audits_are_forgotten(services: Services, run: Run, gateway: Gateway) -> None:
    first = audit(services, gateway)
    with services.db.writing() as session:
        inquiries.judge(session, clock.now() + timedelta(days=41))
        assert session.get(Inquiry, first.id) is None


def test_a_window_that_lacks_thousands_asks_about_some_of_them_only(
    services: Services, box: Sandbox, sent: Callable[..., Run], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.messages import auditing

    monkeypatch.setattr(auditing, "CONFIRMED", 5)
    made = sent(9)
    made_old(services, box, 90 * MINUTE)
    told(services, made, *["1"] * 9)
    recount(services)
    with box.store._transaction():
        box.store._db.execute("DELETE FROM message")
    box.calls.clear()
    assert audit(services, gateway).missing == 5
    assert box.calls["mt_id"] == 1

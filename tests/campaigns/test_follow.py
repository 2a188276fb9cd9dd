"""One campaign while it goes out: what its page says, and what people can still do."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.campaigns.cast import balance, contact_list, counted, draft, found, people
from tests.campaigns.test_compose import text_of
from webapp.accounts.models import Audit
from webapp.campaigns import launch, queries
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import RESPONSES, STATUSES, UNDELIVERED, Verdict
from webapp.messages.models import Batch, Message, Run, RunCount
from webapp.messages.states import REASONS

SignIn = Callable[..., FlaskClient]


def sent(services: Services, recipients: int = 10, *, undo: int = 0, **values: object) -> int:
    """A campaign that was sent and of which nothing has left."""
    with services.db.writing() as session:
        balance(session)
        key = draft(session, [contact_list(session, "Loja", people(recipients))], "Oi", **values).id
    counted(services, key)
    with services.db.writing() as session:
        launch.launch(session, services.settings, session.get_one(Campaign, key), person_id=None, undo_seconds=undo)
    launch.carry_out(services.db, services.settings, key)
    return key


def put(services: Services, key: int, *rows: tuple[str, str, str, str, int]) -> None:
    """Counters as the outbox would have them: (state, reason, status, carrier, people), in place of those there."""
    run_id = found(services.db, key).run_id
    with services.db.writing() as session:
        session.query(RunCount).filter(RunCount.run_id == run_id).delete()
        for state, reason, status, carrier, n in rows:
            session.add(
                RunCount(run_id=run_id, state=state, reason=reason, status=status, carrier=carrier, n=n, credits=n)
            )
        run = session.get_one(Run, run_id)
        run.total = sum(row[-1] for row in rows)


def test_undo_takes_everything_back_while_its_seconds_run(browser: FlaskClient, services: Services) -> None:
    key = sent(services, undo=15)
    shown = browser.get(f"/campaigns/{key}")
    assert "It leaves in" in text_of(shown)
    assert "data-until" in shown.get_data(as_text=True)
    assert 'hx-trigger="every 3s"' in shown.get_data(as_text=True)
    answer = browser.post(f"/campaigns/{key}/cancel")
    after = text_of(browser.get(answer.location))
    assert "Cancelled in time: nothing has left." in after
    assert "10 audience = 0 handed over + 0 refused + 0 left out + 10 cancelled" in after
    assert "It leaves in" not in after


def test_a_pause_holds_and_a_resume_goes_on(browser: FlaskClient, services: Services) -> None:
    key = sent(services)
    paused = text_of(browser.get(browser.post(f"/campaigns/{key}/pause").location))
    assert "A colleague paused it." in paused
    assert "Resume" in paused
    assert "nothing to pause any more" in text_of(browser.get(browser.post(f"/campaigns/{key}/pause").location))
    assert "It goes on." in text_of(browser.get(browser.post(f"/campaigns/{key}/resume").location))
    assert found(services.db, key).run.state == "running"
    with services.db.reading() as session:
        noted = session.scalars(select(Audit.action).where(Audit.subject == f"campaign {key}").order_by(Audit.id))
        assert [action for action in noted if action != "campaign.create"] == ["campaign.pause", "campaign.resume"]


def test_cancelling_says_how_many_had_left(browser: FlaskClient, services: Services) -> None:
    key = sent(services, 12)
    with services.db.writing() as session:
        batch = session.scalars(select(Batch)).one()
        batch.state, batch.pending = "done", 0
        session.query(Message).update({"state": "accepted"})
    put(services, key, ("accepted", "", "0", "Vivo", 12))
    shown = text_of(browser.get(f"/campaigns/{key}"))
    assert "12 messages have left already and can not be taken back." in shown
    assert "Cancelled. 12 messages had left already." in text_of(
        browser.get(browser.post(f"/campaigns/{key}/cancel").location)
    )


@pytest.mark.parametrize("code", sorted(UNDELIVERED, key=int))
def test_every_status_that_is_no_delivery_shows_its_words_and_what_to_do(
    browser: FlaskClient, services: Services, code: str
) -> None:
    key = sent(services)
    put(services, key, ("accepted", "", code, "Vivo", 4), ("accepted", "", "1", "Vivo", 6))
    page = browser.get(f"/campaigns/{key}").get_data(as_text=True)
    assert STATUSES[code].label in page
    assert STATUSES[code].advice in page
    assert "60% of those that can confirm" in page


@pytest.mark.parametrize("code", [row.code for row in RESPONSES.values() if row.verdict is Verdict.REFUSED])
def test_every_refusal_shows_its_words_and_what_to_do(browser: FlaskClient, services: Services, code: str) -> None:
    key = sent(services)
    put(services, key, ("refused", code, "", "", 3), ("accepted", "", "1", "Vivo", 7))
    page = browser.get(f"/campaigns/{key}").get_data(as_text=True)
    assert RESPONSES[code].explanation in page
    assert RESPONSES[code].advice in page


@pytest.mark.parametrize("reason", ["optout", "landline", "recent", "missing_field", "too_long", "empty"])
def test_every_reason_for_being_left_out_shows_its_words(browser: FlaskClient, services: Services, reason: str) -> None:
    key = sent(services)
    put(services, key, ("suppressed", reason, "", "", 3), ("accepted", "", "1", "Vivo", 7))
    page = browser.get(f"/campaigns/{key}").get_data(as_text=True)
    assert REASONS[reason] in page
    assert queries.ADVICE[reason] in page


def test_a_campaign_stopped_by_the_gateway_says_why_and_what_to_do(browser: FlaskClient, services: Services) -> None:
    key = sent(services)
    with services.db.writing() as session:
        run = session.scalars(select(Run)).one()
        run.state, run.pause_reason = "paused", "080"
    shown = text_of(browser.get(f"/campaigns/{key}"))
    assert "The credits ran out or expired." in shown
    assert "Buy credits, then resume." in shown


def test_carriers_that_never_confirm_stay_out_of_the_rate(browser: FlaskClient, services: Services) -> None:
    key = sent(services)
    put(
        services, key, ("accepted", "", "1", "Vivo - Celular", 6), ("accepted", "", "9", "Vivo - Celular", 2),
        ("accepted", "", "0", "Oi - Celular", 40), ("accepted", "", "0", "Claro", 2),
    )  # fmt: skip
    shown = text_of(browser.get(f"/campaigns/{key}"))
    assert "Delivered 6 60% of those that can confirm" in shown
    assert "40 messages are with operators that never confirm delivery" in shown
    assert "Awaiting the phone's answer 2" in shown
    assert "50 audience = 50 handed over" in shown


def test_the_page_asks_quickly_while_messages_leave_slowly_while_receipts_come_then_no_more(
    browser: FlaskClient, services: Services
) -> None:
    key = sent(services)

    def every() -> str | None:
        box = browser.get(f"/campaigns/{key}/live").get_data(as_text=True)
        asked = re.search(r'hx-trigger="every (\d+)s"', box)
        return asked[1] if asked else None

    assert every() == "3"
    with services.db.writing() as session:
        batch = session.scalars(select(Batch)).one()
        batch.state, batch.pending = "done", 0
        run = session.scalars(select(Run)).one()
        run.state, run.finished_at = "finished", clock.now()
    put(services, key, ("accepted", "", "0", "Vivo", 10))
    assert every() == "15"
    put(services, key, ("accepted", "", "1", "Vivo", 10))
    assert every() is None


def test_messages_that_wait_for_the_window_say_until_when_and_are_looked_at_slowly(
    browser: FlaskClient, services: Services
) -> None:
    key = sent(services)
    opening = (clock.now() + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
    with services.db.writing() as session:
        session.scalars(select(Batch)).one().not_before = opening
    page = browser.get(f"/campaigns/{key}/live")
    assert "10 messages wait for the sending window where people live." in text_of(page)
    assert f"The next ones leave at {opening:%d/%m/%Y} 09:00 ." in text_of(page)
    assert 'hx-trigger="every 15s"' in page.get_data(as_text=True)


def test_a_scheduled_campaign_says_when_in_both_zones(browser: FlaskClient, services: Services) -> None:
    at = (clock.now() + timedelta(days=20)).replace(hour=15, minute=0, second=0, microsecond=0)
    key = sent(services, send_at=at, timezone="America/Manaus")
    shown = text_of(browser.get(f"/campaigns/{key}"))
    assert "Scheduled" in shown
    assert f"{at:%d/%m/%Y} 11:00 in Manaus (UTC−4)" in shown
    assert f"{at:%d/%m/%Y} 12:00 in São Paulo (UTC−3)" in shown


def test_the_list_shows_how_far_a_campaign_is(browser: FlaskClient, services: Services) -> None:
    key = sent(services)
    assert "Being sent 0 of 10" in text_of(browser.get("/campaigns"))
    assert "every 5s" in browser.get(f"/campaigns/{key}/standing").get_data(as_text=True)
    with services.db.writing() as session:
        session.scalars(select(Run)).one().state = "finished"
    put(services, key, ("accepted", "", "1", "Vivo", 9), ("accepted", "", "9", "Vivo", 1))
    assert "9 of 10 delivered" in text_of(browser.get("/campaigns?state=finished"))
    assert "every" not in browser.get(f"/campaigns/{key}/standing").get_data(as_text=True)


def test_replies_are_told_once_somebody_counts_them(
    browser: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sent(services)
    monkeypatch.setattr(queries, "count_replies", None)
    assert "replies" not in text_of(browser.get(f"/campaigns/{key}/live"))
    queries.tell_replies(lambda _session, run_id: 7 if run_id else 0)
    assert "7 replies" in text_of(browser.get(f"/campaigns/{key}/live"))

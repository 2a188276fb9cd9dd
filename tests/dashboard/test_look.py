"""The first page: an invitation while it is new, then figures that are true, and what is wrong in plain words."""

from datetime import datetime, timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, event, update

from tests.conftest import SignIn
from tests.reports import world
from webapp.core import clock
from webapp.core.web import Services
from webapp.credits import service as credits
from webapp.dashboard import queries
from webapp.dashboard.alerts import alerts
from webapp.gateway import account
from webapp.gateway.wire import Balance
from webapp.messages import outbox
from webapp.messages.models import Batch, Cursor, Receipt, WorkerSeen
from webapp.messages.states import BatchState
from webapp.optouts import service as optouts


@pytest.fixture
def worker(services: Services) -> None:
    with services.db.writing() as session:
        session.add(WorkerSeen(id="w", started_at=clock.now(), seen_at=clock.now()))


def wrong(services: Services) -> list[str]:
    with services.db.reading() as session:
        return [alert.key for alert in alerts(session, services.settings)]


def look(browser: FlaskClient, url: str = "/dashboard") -> str:
    answer = browser.get(url)
    assert answer.status_code == 200
    return unescape(answer.text)


def test_a_new_installation_is_shown_the_way(services: Services, signed_in: SignIn) -> None:
    page = look(signed_in("admin", locale="en"))
    assert "Welcome to Recado" in page
    assert "0 of 5" in page
    assert page.index("Connect the gateway account") < page.index("Import the first list")
    world.named(services.db, {world.FIRST: "Ana"})
    page = look(signed_in("admin", locale="en"))
    assert "2 of 5" in page, "a list, and now two people"


def test_people_see_only_the_steps_that_are_theirs(signed_in: SignIn) -> None:
    page = look(signed_in("marketing", locale="en"))
    assert "0 of 2" in page
    assert "Connect the gateway account" not in page


def test_the_way_is_gone_when_it_is_walked(services: Services, signed_in: SignIn) -> None:
    world.named(services.db, {world.FIRST: "Ana"})
    campaign = world.launched(services.db, 1)
    world.heard(services.db, world.keys(services.db, campaign)[0], "1")
    assert "Welcome" not in look(signed_in("marketing", locale="en"))
    assert "Almost there" in look(signed_in("admin", locale="en")), "the account is not connected"


def test_support_has_its_own_first_page(signed_in: SignIn) -> None:
    assert signed_in("support").get("/dashboard").status_code == 403
    assert signed_in("support").get("/").location == "/inbox"
    assert signed_in("marketing").get("/").location == "/dashboard"


def test_the_figures_are_those_of_the_day(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 8)
    found = world.keys(services.db, campaign)
    for key, status, carrier in zip(found, "111910", ["Vivo"] * 5 + ["Oi"], strict=False):
        world.heard(services.db, key, status, carrier=carrier)
    with services.db.writing() as session:
        credits.record(session, Balance({1: 4321}, None, None, ""))
    page = look(signed_in("marketing", locale="en"), "/dashboard/figures")
    assert "Sent today" in page
    assert "80%" in page
    assert "4 of 5 confirmable" in page
    assert "4,321" in page
    assert "every 15s" in page


def test_today_is_compared_with_the_same_hours_a_week_ago(services: Services) -> None:
    now = clock.now()
    campaign = world.launched(services.db, 6)
    found = world.keys(services.db, campaign)
    for key in found:
        world.heard(services.db, key, "0")
    moments = dict.fromkeys(found[:4], now) | {key: now - timedelta(days=7) for key in found[4:]}
    world.accepted_at(services.db, moments)
    with services.db.reading() as session:
        figures = queries.figures(session, services.settings, 1, now)
        week = queries.figures(session, services.settings, 7, now)
    assert (figures.sent, figures.change) == (4, 1.0)
    assert (week.sent, week.change) == (4, 1.0)


def test_what_runs_and_what_comes_are_told_apart(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, 2, name="Correndo")
    paused = world.launched(services.db, 2, name="Parada")
    world.launched(services.db, 2, name="Amanhã", not_before=clock.now() + timedelta(days=1))
    over = world.launched(services.db, 2, name="Cancelada")
    with services.db.writing() as session:
        outbox.pause(session, world.run_of(session, paused), "080")
        outbox.cancel(session, world.run_of(session, over))
    browser = signed_in("marketing", locale="en")
    running, scheduled = look(browser, "/dashboard/running"), look(browser, "/dashboard/scheduled")
    assert "Correndo" in running and "Parada" in running
    assert "Amanhã" not in running and "Cancelada" not in running
    assert "every 5s" in running
    assert "Amanhã" in scheduled and "Correndo" not in scheduled
    assert "every 60s" in scheduled


def test_nothing_under_way_is_asked_about_more_rarely(signed_in: SignIn) -> None:
    page = look(signed_in("marketing", locale="en"), "/dashboard/running")
    assert "Nothing is being sent right now." in page
    assert "every 5s" not in page


@pytest.mark.usefixtures("worker")
def test_a_healthy_installation_has_no_alert(services: Services) -> None:
    world.launched(services.db, 2)
    assert wrong(services) == []


def test_a_worker_that_is_gone_is_missed(services: Services, worker: None) -> None:
    with services.db.writing() as session:
        session.execute(update(WorkerSeen).values(seen_at=clock.now() - timedelta(minutes=5)))
    assert wrong(services) == ["worker"]
    with services.db.writing() as session:
        session.execute(delete(WorkerSeen))
    assert wrong(services) == ["worker"]


@pytest.mark.usefixtures("worker")
def test_held_batches_and_old_unknowns_ask_for_a_person(services: Services) -> None:
    world.launched(services.db, 2)
    world.launched(services.db, 3)
    with services.db.writing() as session:
        session.execute(update(Batch).where(Batch.id == 1).values(state=BatchState.HELD))
        session.execute(
            update(Batch).where(Batch.id == 2).values(state=BatchState.UNKNOWN, settle_at=world.days_ago(0.5))
        )
    assert wrong(services) == ["held"]
    with services.db.writing() as session:
        session.execute(update(Batch).where(Batch.id == 2).values(settle_at=world.days_ago(1.5)))
    assert wrong(services) == ["held", "unknown"]


@pytest.mark.usefixtures("worker")
def test_what_waits_for_its_canary_alarms_nobody(services: Services) -> None:
    world.launched(services.db, 2)
    with services.db.writing() as session:
        session.execute(update(Batch).values(state=BatchState.HELD, problem=outbox.CANARY))
    assert wrong(services) == []


@pytest.mark.usefixtures("worker")
def test_a_campaign_that_paused_by_itself_is_named(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 2, name="Natal")
    with services.db.writing() as session:
        outbox.pause(session, world.run_of(session, campaign), "person")
    assert wrong(services) == []
    with services.db.writing() as session:
        run = world.run_of(session, campaign)
        outbox.resume(session, run)
        outbox.pause(session, run, "080")
    assert wrong(services) == ["paused"]
    assert "Natal: see why, then resume or cancel." in look(signed_in("marketing", locale="en"))


def _silent_since(services: Services, at: datetime) -> None:
    """No callback came after that moment, and what callbacks told until then was heard by then."""
    with services.db.writing() as session:
        session.execute(update(Receipt).where(Receipt.source == "callback").values(heard_at=at))
        session.execute(update(Cursor).where(Cursor.name == "callbacks").values(ran_at=at))


@pytest.mark.usefixtures("worker")
def test_silent_callbacks_alarm_while_look_ups_tell_what_they_should_have(
    services: Services, signed_in: SignIn
) -> None:
    campaign = world.launched(services.db, 3)
    first, second, third = world.keys(services.db, campaign)
    old = world.days_ago(0.2)
    for key in (first, second):
        world.heard(services.db, key, "0")
    world.heard(services.db, third, "0", carrier="Oi")
    world.accepted_at(services.db, {first: old, second: old, third: old})
    _silent_since(services, old)
    assert wrong(services) == [], "two phones that stay off are no silence"
    world.heard(services.db, first, "-1", source="mt_date")
    assert wrong(services) == []
    world.heard(services.db, first, "1", source="mt_date")
    assert wrong(services) == ["callbacks"]
    assert "addresses of the callbacks can be reached from outside" in look(signed_in("marketing", locale="en"))
    assert "silenciaram" in signed_in("admin").get("/admin/health").text
    world.heard(services.db, second, "1", source="mt_date")
    assert wrong(services) == [], "nothing is open: Oi never tells more"


@pytest.mark.usefixtures("worker")
def test_messages_without_any_status_alarm_where_callbacks_came_before(services: Services) -> None:
    campaign = world.launched(services.db, 2)
    first, second = world.keys(services.db, campaign)
    old = world.days_ago(0.2)
    world.heard(services.db, first, None, source="mt_date")
    world.accepted_at(services.db, {first: old})
    assert wrong(services) == [], "nobody ever called: the addresses are not registered yet"
    world.heard(services.db, second, "1")
    assert wrong(services) == []
    _silent_since(services, old)
    assert wrong(services) == ["callbacks"]
    world.heard(services.db, second, "1")
    with services.db.reading() as session:
        session.info["kept"].clear()  # what this process noted a moment ago it need not note again
    world.heard(services.db, second, "1")
    assert wrong(services) == [], "a callback of late ends the alarm"


@pytest.mark.usefixtures("worker")
def test_a_peak_of_opt_outs_is_noticed(services: Services) -> None:
    with services.db.writing() as session:
        optouts.add_many(session, range(5511900000000, 5511900000009), origin="reply", reason="SAIR")
    assert wrong(services) == []
    with services.db.writing() as session:
        optouts.add(session, 5511900000100, origin="reply", reason="SAIR")
    assert wrong(services) == ["optouts"]


@pytest.mark.usefixtures("worker")
def test_a_stopped_account_leads_the_page_and_names_the_cure(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, 1)
    with services.db.writing() as session:
        account.stop(session, "010")
    page = look(signed_in("admin", locale="en"))
    assert page.index("All sending has stopped") < page.index("Sent")
    assert "Correct the gateway account" in page
    assert 'href="/admin/gateway"' in page
    assert 'href="/admin/gateway"' not in look(signed_in("marketing", locale="en"))


@pytest.mark.usefixtures("worker")
def test_live_boxes_read_counters_and_never_count_messages(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 5)
    for key in world.keys(services.db, campaign):
        world.heard(services.db, key, "0")
    browser = signed_in("marketing")
    asked: list[str] = []
    event.listen(services.db.engine, "before_cursor_execute", lambda *args: asked.append(args[2].lower()))
    for box in ("figures", "running", "scheduled", "charts", "alerts", "attention"):
        asked.clear()
        look(browser, f"/dashboard/{box}")
        assert len(asked) < 30, box
        assert not any("from message" in one for one in asked), box


def test_every_box_answers_in_both_languages_for_an_empty_installation(signed_in: SignIn) -> None:
    for locale in ("pt_BR", "en"):
        browser = signed_in("admin", locale=locale)
        for box in (
            "",
            "?days=7",
            "/figures?days=30",
            "/running",
            "/scheduled",
            "/charts?days=1",
            "/alerts",
            "/attention",
        ):
            assert look(browser, f"/dashboard{box}")

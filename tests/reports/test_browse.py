"""The delivery browser: the right rows, each once, in words anybody understands, numbers masked."""

import re
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select, update

from tests.conftest import SignIn
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from webapp import migrate
from webapp.accounts.models import Audit
from webapp.core import clock, i18n
from webapp.core.web import Services
from webapp.gateway import codes
from webapp.messages import outbox
from webapp.messages.models import Batch
from webapp.messages.outbox import NewMessage
from webapp.messages.states import BatchState
from webapp.reports import browsing, filters

UTC = ZoneInfo("UTC")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


@pytest.fixture
def services(services: Services) -> Services:
    if services.settings.sqlite_path is None:
        migrate.upgrade(services.db)
    return services


def rows_of(services: Services, after: str | None = None, size: int = 50, **args: str) -> browsing.Found:
    with services.db.reading() as session:
        now = clock.now()
        return browsing.page(session, filters.read(args, UTC, now), after, now, size)


def keys_of(services: Services, **args: str) -> set[int]:
    return {row.message.id for row in rows_of(services, **args).rows}


def test_pages_show_every_message_once_even_at_one_moment(services: Services) -> None:
    campaign = world.launched(services.db, 23)
    same = world.days_ago(1)
    world.accepted_at(services.db, dict.fromkeys(world.keys(services.db, campaign)[:15], same))
    seen: list[int] = []
    after: str | None = None
    for _ in range(10):
        found = rows_of(services, after, 5)
        seen += [row.message.id for row in found.rows]
        after = found.next
        if after is None:
            break
    assert sorted(seen) == world.keys(services.db, campaign)


def test_each_filter_keeps_what_it_names(services: Services) -> None:
    sms = world.launched(services.db, [NewMessage(ANA), NewMessage(BRUNO)], name="SMS")
    voice = world.launched(services.db, [NewMessage(ANA), NewMessage(CARLA, left_out="optout")], name="Voz", type=3)
    (ana, bruno), (ana_voice, carla) = world.keys(services.db, sms), world.keys(services.db, voice)
    world.heard(services.db, ana, "1")
    world.heard(services.db, bruno, "-3", carrier="TIM")
    world.outside(services.db, CARLA)
    everything = keys_of(services)
    (other,) = everything - {ana, bruno, ana_voice, carla}
    assert keys_of(services, type="3") == {ana_voice, carla}
    assert keys_of(services, status="delivered") == {ana, other}
    assert keys_of(services, status="blocked") == keys_of(services, status="-3") == {bruno}
    assert keys_of(services, status="pending") == {ana_voice}
    assert keys_of(services, status="suppressed") == {carla}
    assert keys_of(services, carrier="TIM") == {bruno, other}
    assert keys_of(services, campaign=str(voice.id)) == {ana_voice, carla}
    assert keys_of(services, campaign="outside") == {other}
    assert keys_of(services, number="11 98765-4321") == {ana, ana_voice}
    assert keys_of(services, number="1234") == {carla, other}
    assert keys_of(services, number="11987654321", campaign=str(sms.id)) == {ana}
    assert keys_of(services, campaign="replies") == set()


def test_a_period_keeps_its_days(services: Services) -> None:
    old, new = world.keys(services.db, world.launched(services.db, 2))
    world.accepted_at(services.db, {old: datetime(2026, 3, 1, 23, 59), new: datetime(2026, 3, 2, 0, 0)})
    assert keys_of(services, **{"from": "2026-03-02", "to": "2026-03-02"}) == {new}
    assert keys_of(services, to="2026-03-01") == {old}
    assert keys_of(services, period="all") == {old, new}
    assert keys_of(services) == set()


def test_an_unknown_outcome_is_told_apart_from_what_waits(services: Services) -> None:
    campaign = world.launched(services.db, 2)
    with services.db.writing() as session:
        session.execute(update(Batch).values(state=BatchState.UNKNOWN, unknown_since=clock.now()))
    assert keys_of(services, status="unknown") == set(world.keys(services.db, campaign))
    assert keys_of(services, status="pending") == set()
    assert {row.standing.look for row in rows_of(services).rows} == {"unknown"}


@pytest.mark.parametrize("code", list(codes.STATUSES))
def test_every_status_has_its_words_and_next_step(services: Services, signed_in: SignIn, code: str) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, 1))
    world.heard(services.db, key, code)
    row = codes.status(code)
    for locale in ("pt_BR", "en"):
        browser = signed_in("support", locale=locale)
        label, advice = i18n.translate(row.label, locale), i18n.translate(row.advice, locale)
        assert label in unescape(browser.get("/messages").text)
        assert advice in unescape(browser.get(f"/messages/{key}").text)


@pytest.mark.parametrize("code", [row.code for row in codes.RESPONSES.values() if row.verdict == "refused"])
def test_every_refusal_says_why_and_what_to_do(services: Services, signed_in: SignIn, code: str) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, 1))
    world.refused(services.db, key, code)
    page = unescape(signed_in("marketing", locale="en").get(f"/messages/{key}").text)
    row = codes.response(code)
    assert row.explanation in page
    assert row.advice in page
    assert f"<code>{code}</code>" in page


def test_a_code_nobody_knows_is_shown_raw(services: Services, signed_in: SignIn) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, 1))
    world.heard(services.db, key, "42")
    page = signed_in("marketing", locale="en").get(f"/messages/{key}").text
    assert "Unknown status" in page
    assert "status 42" in page


def test_numbers_are_masked_until_somebody_asks_and_that_is_written_down(services: Services, signed_in: SignIn) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, [NewMessage(BRUNO)]))
    world.named(services.db, {BRUNO: "Bruno Lima"})
    browser = signed_in("marketing")
    for page in ("/messages", f"/messages/{key}", f"/messages/{key}/person", "/messages/rows"):
        text = browser.get(page).text
        assert "Bruno Lima" in text
        assert "998765432" not in re.sub(r"[\s-]", "", text)
    shown = browser.post(f"/messages/{key}/reveal")
    assert "+55 21 99876-5432" in shown.text
    with services.db.reading() as session:
        (row,) = session.scalars(select(Audit).where(Audit.action == "number.reveal"))
    assert row.subject == f"message {key}"
    assert "99876" not in f"{row.subject}{row.detail}"
    assert signed_in("support").post(f"/messages/{key}/reveal").status_code == 403
    assert browser.get(f"/messages/{key}/reveal").status_code == 405


def test_what_other_systems_sent_is_marked_so(services: Services, signed_in: SignIn) -> None:
    world.outside(services.db, ANA)
    page = signed_in("support", locale="en").get("/messages").text
    assert "Other system" in page
    (key,) = keys_of(services)
    assert "Sent by another system on the account" in signed_in("support", locale="en").get(f"/messages/{key}").text


def test_the_first_page_refreshes_itself_and_later_ones_do_not(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, 60)
    browser = signed_in("marketing")
    first = browser.get("/messages?period=30&type=0")
    assert 'hx-get="/messages/rows?period=30&amp;type=0&amp;v=' in first.text
    assert first.headers["HX-Push-Url"] == "/messages?period=30&type=0"
    more = re.search(r'hx-get="(/messages\?[^"]*after=[^"]+)"', first.text)
    assert more is not None
    second = browser.get(more[1].replace("&amp;", "&"))
    assert "every 5s" not in second.text
    assert second.text.count("<tr data-row") == 10
    assert "HX-Push-Url" not in second.headers


def test_an_empty_browser_says_what_will_appear(signed_in: SignIn) -> None:
    assert "No messages in this period" in signed_in("marketing", locale="en").get("/messages").text
    assert "No message fits these filters" in signed_in("support", locale="en").get("/messages?status=failed").text


def test_a_message_that_is_not_there_is_a_page(signed_in: SignIn) -> None:
    for method, path in (("get", ""), ("post", "/check"), ("post", "/reveal"), ("get", "/person")):
        assert getattr(signed_in("admin"), method)(f"/messages/99{path}").status_code == 404


def test_what_waits_says_until_when_and_why(services: Services, signed_in: SignIn) -> None:
    later = clock.now() + timedelta(days=1)
    campaign = world.launched(services.db, 1, not_before=later)
    (row,) = rows_of(services).rows
    assert (row.standing.key, row.standing.due) == ("held", later)
    with services.db.writing() as session:
        outbox.pause(session, world.run_of(session, campaign))
    assert "Resume it and the message leaves" in signed_in(locale="en").get(f"/messages/{row.message.id}").text
    with services.db.writing() as session:
        outbox.cancel(session, world.run_of(session, campaign))
    (row,) = rows_of(services).rows
    assert row.standing.label == "Cancelled before it left"


def test_rows_cost_a_handful_of_questions(services: Services) -> None:

    world.launched(services.db, 50)
    asked: list[str] = []
    event.listen(services.db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert len(rows_of(services).rows) == 50
    assert len([one for one in asked if one.startswith("SELECT")]) <= 6
    assert not any("count(" in one.lower() for one in asked)


def test_a_page_says_how_many_there_are_where_counters_know(services: Services, signed_in: SignIn) -> None:
    keys = world.keys(services.db, world.launched(services.db, 3))
    for key in keys[:2]:
        world.heard(services.db, key, "1")
    browser = signed_in("support", locale="en")
    assert "2 accepted by the gateway" in browser.get("/messages").text
    assert "2 messages" in browser.get("/messages?status=delivered&period=30").text
    assert "accepted by the gateway</span>" not in browser.get("/messages?number=4321").text

"""Asking the gateway about one message or a period, over HTTP against the sandbox, and when it does not answer."""

from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conftest import SignIn
from tests.reports import world
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway import account
from webapp.messages import polling, sending
from webapp.messages.models import Inquiry, Message
from webapp.sandbox.server import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(user="ana", password="segredo", speed=100_000, replies=False, failures=0) as sandbox:
        yield sandbox


@pytest.fixture
def settings(tmp_path: Path, box: Sandbox) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path / "instance", secret_key="a secret for tests only", gateway_url=box.url,
        gateway_user="ana", gateway_password="segredo", sending_window="always", gateway_timeout="2",
    )  # fmt: skip


def send_everything(services: Services) -> None:
    with services.db.reading() as session:
        login = account.login(session, services.settings, services.box)
    assert login is not None
    gateway = account.connect(login, services.settings)
    while sending.send_next(services.db, services.settings, gateway):
        pass
    gateway.close()


def sent(services: Services) -> int:
    """The key of a message that the sandbox has, and of which we have heard nothing."""
    campaign = world.launched(services.db, 1, at=clock.now() - timedelta(seconds=1))
    send_everything(services)
    return world.keys(services.db, campaign)[0]


def status_of(services: Services, key: int) -> str | None:
    with services.db.reading() as session:
        return session.get_one(Message, key).status


def test_a_check_brings_the_gateways_word(services: Services, signed_in: SignIn) -> None:
    key = sent(services)
    assert status_of(services, key) is None
    browser = signed_in("support", locale="en")
    page = browser.post(f"/messages/{key}/check").text
    assert "The gateway had news" in page
    assert status_of(services, key) is not None
    for _ in range(5):
        page = browser.post(f"/messages/{key}/check").text
    assert "The gateway says the same as Recado." in page


def test_a_check_of_what_the_gateway_never_got_says_so(services: Services, signed_in: SignIn) -> None:
    sent(services)
    (key,) = world.keys(services.db, world.launched(services.db, 1, name="Outra"))
    world.heard(services.db, key, "0")
    assert "does not know this message" in signed_in(locale="en").post(f"/messages/{key}/check").text


def test_a_gateway_that_is_down_is_said_in_words(services: Services, signed_in: SignIn, box: Sandbox) -> None:
    key = sent(services)
    box.stop()
    answer = signed_in("support", locale="en").post(f"/messages/{key}/check")
    assert answer.status_code == 200
    assert "Recado could not reach the gateway." in unescape(answer.text)


def test_looking_at_pages_never_asks_the_gateway(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sent(services)

    def refuse(*_: object) -> None:
        raise AssertionError("a page asked the gateway")

    monkeypatch.setattr(account, "connect", refuse)
    browser = signed_in("admin")
    for url in ("/messages", "/messages/rows", f"/messages/{key}", "/reports", "/dashboard", "/dashboard/figures",
                "/credits", "/credits/chip"):  # fmt: skip
        assert browser.get(url).status_code == 200


def asked(services: Services) -> list[Inquiry]:
    with services.db.reading() as session:
        return list(session.scalars(select(Inquiry).where(Inquiry.kind == "hand").order_by(Inquiry.id)))


def test_a_period_can_be_asked_about_by_hand(services: Services, signed_in: SignIn) -> None:
    key = sent(services)
    browser = signed_in("support", locale="en")
    answer = browser.post("/messages/ask", data={"period": "1", "status": "delivered"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.location == "/messages?period=1&status=delivered"
    assert status_of(services, key) is not None
    (one,) = asked(services)
    assert (one.problem, one.ours, one.share, one.hand) == (None, 1, 100, None)
    assert one.wanted_by is not None
    assert "Asked by hand" in browser.get("/messages").text


def test_a_question_by_hand_that_fails_is_remembered_as_failed(
    services: Services, signed_in: SignIn, box: Sandbox
) -> None:
    box.stop()
    browser = signed_in("support", locale="en")
    assert browser.post("/messages/ask", data={"period": "1"}).status_code == 303
    page = browser.get("/messages").text
    assert "did not answer to the end" in page
    assert "Recado could not reach the gateway." in page
    assert browser.post("/messages/ask", data={"period": "1"}).status_code == 303
    assert len(asked(services)) == 2  # what failed is in nobody's way


def test_a_question_by_hand_while_the_account_is_stopped_says_so(services: Services, signed_in: SignIn) -> None:
    with services.db.writing() as session:
        account.stop(session, "090")
    browser = signed_in("support", locale="en")
    browser.post("/messages/ask", data={"period": "1"})
    (one,) = asked(services)
    assert (one.ended_at is not None, one.problem) == (True, "stopped 090")
    assert "The gateway blocked the account." in browser.get("/messages/asked").text


def test_only_one_question_by_hand_is_asked_at_a_time(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "answer_by_hand", lambda *_: None)  # no worker is there
    browser = signed_in("support", locale="en")
    browser.post("/messages/ask", data={"period": "1"})
    page = browser.post("/messages/ask", data={"period": "7"}, follow_redirects=True).text
    assert "The gateway is being asked already." in page
    (one,) = asked(services)
    foot = browser.get("/messages/asked").text
    assert "as soon as a worker is free" in foot
    assert 'hx-trigger="every 2s"' in foot
    with services.db.writing() as session:
        one = session.get_one(Inquiry, one.id)
        one.since, one.until = one.wanted_at - timedelta(hours=2), one.wanted_at  # just after midnight a day is short
        one.reached, one.news = one.since + timedelta(hours=1, seconds=1), 7
    foot = browser.get("/messages/asked").text
    assert "50%" in foot and "7 messages with news so far" in foot


def test_a_question_that_its_job_lost_is_answered_by_the_next_poll(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sent(services)
    with monkeypatch.context() as patched:
        patched.setattr(polling, "answer_by_hand", lambda *_: None)
        signed_in().post("/messages/ask", data={"period": "1"})
    polling.poll(services)
    assert status_of(services, key) is not None
    assert asked(services)[0].ended_at is not None


def test_a_long_period_is_asked_about_window_by_window_as_far_as_the_gateway_remembers(
    services: Services, signed_in: SignIn, box: Sandbox
) -> None:
    box.calls.clear()
    signed_in().post("/messages/ask", data={"period": "all"})
    (one,) = asked(services)
    assert (one.problem, one.share) == (None, 100)
    assert one.since >= one.wanted_at - timedelta(days=31)
    assert one.calls >= 31 * 24
    assert box.calls["mt_date"] >= one.calls


def test_a_long_question_goes_on_over_many_rounds(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "SLICE", 0.05)
    key = sent(services)
    signed_in().post("/messages/ask", data={"period": "1"})
    assert asked(services)[0].share == 100
    assert status_of(services, key) is not None


def test_an_audit_shows_what_it_mended(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 3)
    for key in world.keys(services.db, campaign):
        world.heard(services.db, key, "0")
    now = clock.now()
    with services.db.writing() as session:
        one = Inquiry(
            kind="audit", since=now - timedelta(hours=2), until=now - timedelta(hours=1), wanted_at=now, ours=3,
            hearing=True, missed=1, judged_at=now, ended_at=now + timedelta(minutes=1),
        )  # fmt: skip
        session.add(one)
        session.flush()
        number = one.id
    first = world.keys(services.db, campaign)[0]
    world.accepted_at(services.db, {key: now - timedelta(minutes=90) for key in world.keys(services.db, campaign)})
    world.heard(services.db, first, "1", source="mt_date")
    browser = signed_in("support", locale="en")
    foot = browser.get("/messages/asked").text
    assert "1 difference" in foot and f"/messages/audits/{number}" in foot
    page = browser.get(f"/messages/audits/{number}").text
    assert f"/messages/{first}" in page
    assert "Delivered to the phone" in page
    assert str(world.FIRST) not in page
    assert browser.get("/messages/audits/999").status_code == 404


def test_callbacks_that_come_in_or_not_are_said_on_the_health_page(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("admin", locale="en")
    assert "silent" in browser.get("/admin/health").text
    (key,) = world.keys(services.db, world.launched(services.db, 1))
    world.heard(services.db, key, "0")
    page = browser.get("/admin/health").text
    assert "come in" in page and "only what callbacks may have missed" in page

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
from webapp.messages.models import Cursor, Message
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


def test_a_period_can_be_asked_about_by_hand(services: Services, signed_in: SignIn) -> None:
    key = sent(services)
    browser = signed_in("support", locale="en")
    answer = browser.post("/messages/ask", data={"period": "1", "status": "delivered"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.location == "/messages?period=1&status=delivered"
    assert status_of(services, key) is not None
    with services.db.reading() as session:
        cursor = session.scalars(select(Cursor).where(Cursor.name == polling.ASKED_BY_HAND)).one()
    assert (cursor.problem, cursor.rows) == (None, 1)
    assert "1 messages with news" in browser.get("/messages").text


def test_a_question_by_hand_that_fails_is_remembered_as_failed(
    services: Services, signed_in: SignIn, box: Sandbox
) -> None:
    box.stop()
    browser = signed_in("support", locale="en")
    assert browser.post("/messages/ask", data={"period": "1"}).status_code == 303
    assert "did not answer" in browser.get("/messages").text

"""The callbacks page: addresses on request, a new secret, what was heard."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.admin.conftest import actions
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway import account
from webapp.inbox.models import RawInbound
from webapp.messages.models import Receipt


def _tokens(services: Services) -> list[str]:
    with services.db.reading() as session:
        return account.tokens(session, services.settings, services.box)


@pytest.fixture
def token(services: Services) -> str:
    with services.db.writing() as session:
        return account.ensure_token(session, services.settings, services.box)


def test_the_addresses_are_covered_until_somebody_asks(admin: FlaskClient, services: Services, token: str):
    assert token not in admin.get("/admin/callbacks").text
    assert actions(services) == []
    revealed = admin.post("/admin/callbacks/reveal").text
    assert f"http://127.0.0.1:8000/callback/{token}/status" in revealed
    assert f"http://127.0.0.1:8000/callback/{token}/reply" in revealed
    assert actions(services) == ["callbacks.reveal"]
    assert token not in admin.get("/admin/callbacks").text


def test_looking_makes_no_token_and_revealing_does(admin: FlaskClient, services: Services):
    admin.get("/admin/callbacks")
    assert _tokens(services) == []
    admin.post("/admin/callbacks/reveal")
    (made,) = _tokens(services)
    assert len(made) >= 22  # 128 bits


def test_the_text_for_support_is_portuguese_and_complete_in_any_language(admin: FlaskClient, token: str):
    page = admin.post("/admin/callbacks/reveal").text
    letter = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.S)
    assert letter
    assert 'lang="pt-BR"' in letter[0]
    for part in (
        "Status de entrega",
        "Respostas dos destinatários",
        f"{token}/status",
        f"{token}/reply",
        "endereços IP",
    ):
        assert part in letter[1]


def test_a_new_secret_leaves_the_one_before_working(admin: FlaskClient, services: Services, token: str):
    admin.post("/admin/callbacks/rotate")
    first, second = _tokens(services)
    assert first != token and second == token
    assert first in admin.post("/admin/callbacks/reveal").text
    admin.post("/admin/callbacks/rotate")
    assert token not in _tokens(services)
    assert first in _tokens(services)
    assert actions(services) == ["callbacks.rotate", "callbacks.reveal", "callbacks.rotate"]


def test_what_was_heard_is_listed_without_numbers_or_texts(admin: FlaskClient, services: Services):
    now = clock.now()
    with services.db.writing() as session:
        session.add(Receipt(message_id=7, heard_at=now, source="callback", raw="x", reference="k3x9a-7", status="1"))
        session.add(
            Receipt(message_id=None, heard_at=now, source="callback", raw="x", reference="other-1", status="-4")
        )
        session.add(Receipt(message_id=8, heard_at=now, source="mt_id", reference="k3x9a-8", status="1"))
        body = b"number=5511987654321&content=Adorei+a+oferta&status=4"
        session.add(RawInbound(source="callback", body=body, received_at=now - timedelta(seconds=1), read_at=now))
    page = admin.get("/admin/callbacks").text
    assert "k3x9a-7" in page and "other-1" in page
    assert "k3x9a-8" not in page  # a poll, no callback
    assert "not a message of ours" in page
    assert "+55 11 •••••-4321" in page
    assert "5511987654321" not in page and "Adorei" not in page


def test_only_the_last_fifty_are_listed_the_latest_first(admin: FlaskClient, services: Services):
    now = clock.now()
    with services.db.writing() as session:
        for number in range(70):
            at = now - timedelta(minutes=number)
            session.add(
                Receipt(message_id=1, heard_at=at, source="callback", reference=f"ref-{69 - number:02}", status="0")
            )
    found = re.findall(r"ref-(\d\d)", admin.get("/admin/callbacks").text)
    assert len(found) == 50
    assert found == sorted(found, reverse=True)


def test_a_gateway_elsewhere_cannot_call_this_machine_only(admin: FlaskClient, services: Services):
    assert "cannot reach this address" in admin.get("/admin/callbacks").text
    assert "has not called yet" in admin.get("/admin/callbacks").text


class TestFixedOutside:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings_module.load(
            {
                "RECADO_CALLBACK_TOKEN": "t" * 24,
                "RECADO_CALLBACK_NETS": "203.0.113.0/24",
                "RECADO_PUBLIC_URL": "https://recado.example",
            },
            instance=settings.instance, secret_key="a secret for tests only",
        )  # fmt: skip

    def test_the_secret_is_changed_where_it_is_fixed(self, admin: FlaskClient, services: Services):
        page = admin.get("/admin/callbacks").text
        assert "RECADO_CALLBACK_TOKEN" in page
        assert "/admin/callbacks/rotate" not in page
        assert "203.0.113.0/24" in page
        assert "cannot reach" not in page
        assert "Change it there" in admin.post("/admin/callbacks/rotate", follow_redirects=True).text
        assert f"https://recado.example/callback/{'t' * 24}/status" in admin.post("/admin/callbacks/reveal").text

"""The gateway account: kept, tested, stopped and resumed."""

import re

import pytest
import structlog
from flask.testing import FlaskClient

from tests.admin.conftest import actions
from webapp.accounts.models import Audit
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.credits.models import BalanceReading
from webapp.gateway import account
from webapp.gateway.models import Account
from webapp.sandbox.server import Sandbox

PASSWORD = "one:two ç"


def _form(gateway: Sandbox, **changed: str) -> dict[str, str]:
    return {"url": gateway.url, "user": "acme", "password": PASSWORD, "dates_zone": "-03:00", **changed}


def _kept(services: Services) -> Account:
    with services.db.reading() as session:
        return session.get_one(Account, account.ROW)


def test_an_account_is_kept_tested_and_used(admin: FlaskClient, services: Services, gateway: Sandbox):
    page = admin.post("/admin/gateway", data=_form(gateway, then="test"), follow_redirects=True).text
    assert "Account saved." in page
    assert "The gateway accepts the login" in page
    assert "SMS: 1,234" in page
    with services.db.reading() as session:
        login = account.login(session, services.settings, services.box)
        assert session.query(BalanceReading).one().balance_1 == 1234
    assert login is not None
    assert (login.user, login.password) == ("acme", PASSWORD)
    assert actions(services) == ["gateway.account", "gateway.test"]


def test_the_password_is_sealed_and_never_shown(admin: FlaskClient, services: Services, gateway: Sandbox):
    with structlog.testing.capture_logs() as lines:
        admin.post("/admin/gateway", data=_form(gateway, then="test"))
    assert PASSWORD not in str(lines)
    sealed = _kept(services).password_sealed
    assert sealed is not None and PASSWORD not in sealed
    for path in ("/admin/gateway", "/admin/settings", "/admin/audit", "/admin"):
        assert PASSWORD not in admin.get(path).text
    refused = admin.post("/admin/gateway", data=_form(gateway, url="nonsense"))
    assert refused.status_code == 422
    assert PASSWORD not in refused.text
    with services.db.reading() as session:
        assert PASSWORD not in str([row.detail for row in session.query(Audit)])


def test_an_empty_password_keeps_the_one_there_is(admin: FlaskClient, services: Services, gateway: Sandbox):
    admin.post("/admin/gateway", data=_form(gateway))
    before = _kept(services).password_sealed
    admin.post("/admin/gateway", data=_form(gateway, user="other", password="  "))
    assert _kept(services).password_sealed == before
    assert _kept(services).user == "other"
    with services.db.reading() as session:
        assert session.query(Audit).order_by(Audit.id.desc()).first().detail == {"changed": ["user"]}
    assert (
        "Nothing has changed."
        in admin.post("/admin/gateway", data=_form(gateway, user="other", password=""), follow_redirects=True).text
    )


@pytest.mark.parametrize(
    "url", ["gateway.example", "ftp://x/webservice-rest/", "http://user:pw@x/webservice-rest/", "http://x/other/",
            "http://x/webservice-rest/" + "y" * 300 + "/webservice-rest/"],
)  # fmt: skip
def test_an_address_that_is_no_gateways_is_refused(admin: FlaskClient, gateway: Sandbox, url: str):
    answer = admin.post("/admin/gateway", data=_form(gateway, url=url))
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


def test_an_address_without_its_last_slash_is_completed(admin: FlaskClient, services: Services, gateway: Sandbox):
    admin.post("/admin/gateway", data=_form(gateway, url=gateway.url.rstrip("/")))
    assert _kept(services).url == gateway.url


def test_a_zone_that_is_none_is_refused(admin: FlaskClient, gateway: Sandbox):
    assert admin.post("/admin/gateway", data=_form(gateway, dates_zone="Brasília")).status_code == 422


@pytest.mark.parametrize(
    ("code", "says"),
    [("090", "The gateway blocked the account."), ("091", "calls from this server"), ("100", "under maintenance")],
)
def test_what_the_gateway_says_is_told_in_plain_words(
    admin: FlaskClient, gateway: Sandbox, code: str, says: str, services: Services
):
    admin.post("/admin/gateway", data=_form(gateway))
    gateway.settings(account=code)
    try:
        page = admin.post("/admin/gateway/test", follow_redirects=True).text
    finally:
        gateway.settings(account="ok")
    assert says in page
    with services.db.reading() as session:
        assert session.query(Audit).order_by(Audit.id.desc()).first().detail == {"outcome": code}


def test_a_wrong_login_stops_sending_and_the_right_one_resumes_it(
    admin: FlaskClient, services: Services, gateway: Sandbox
):
    page = admin.post("/admin/gateway", data=_form(gateway, password="wrong", then="test"), follow_redirects=True).text
    assert "does not accept the account&#39;s user or password" in page
    assert "All sending has stopped" in page
    assert _kept(services).stopped_code == "010"
    still = admin.post("/admin/gateway/resume", follow_redirects=True).text
    assert "Sending goes on." not in still
    assert _kept(services).stopped_code == "010"
    admin.post("/admin/gateway", data=_form(gateway))
    page = admin.post("/admin/gateway/resume", follow_redirects=True).text
    assert "Sending goes on." in page
    assert "All sending has stopped" not in page
    assert _kept(services).stopped_code is None
    assert actions(services)[-1] == "gateway.resume"


def test_a_gateway_that_cannot_be_reached_is_a_sentence(admin: FlaskClient, services: Services, gateway: Sandbox):
    admin.post("/admin/gateway", data=_form(gateway, url="http://127.0.0.1:9/webservice-rest/"))
    assert "could not reach the gateway" in admin.post("/admin/gateway/test", follow_redirects=True).text


def test_without_an_account_the_page_says_that_sending_is_off(admin: FlaskClient):
    assert "Sending is off" in admin.get("/admin/gateway").text
    assert "not set up yet" in admin.post("/admin/gateway/test", follow_redirects=True).text


def test_plain_http_is_called_by_its_name(admin: FlaskClient, gateway: Sandbox):
    admin.post("/admin/gateway", data=_form(gateway, url="http://gateway.example/webservice-rest/"))
    assert "Connection not encrypted" in admin.get("/admin/gateway").text
    admin.post("/admin/gateway", data=_form(gateway, url="https://gateway.example/webservice-rest/"))
    assert "Connection not encrypted" not in admin.get("/admin/gateway").text


def test_a_password_that_no_key_opens_is_asked_for_again(admin: FlaskClient, services: Services, gateway: Sandbox):
    admin.post("/admin/gateway", data=_form(gateway))
    with services.db.writing() as session:
        account.row(session).password_sealed = "gAAAA sealed under a key that is gone"
    assert "Write it again" in admin.get("/admin/gateway").text
    assert "cannot be opened" in admin.get("/admin/health").text


class TestFixedOutside:
    @pytest.fixture
    def settings(self, settings: Settings, gateway: Sandbox) -> Settings:
        outside = {
            "RECADO_GATEWAY_URL": gateway.url,
            "RECADO_GATEWAY_USER": "acme",
            "RECADO_GATEWAY_PASSWORD": PASSWORD,
        }
        return settings_module.load(outside, instance=settings.instance, secret_key="a secret for tests only")

    def test_the_page_shows_it_read_only_with_the_reason(self, admin: FlaskClient):
        page = admin.get("/admin/gateway").text
        for name in ("URL", "USER", "PASSWORD"):
            assert f"RECADO_GATEWAY_{name}" in page
        assert not re.search(r'<input[^>]*name="(url|user|password)"', page)
        assert PASSWORD not in page

    def test_what_a_form_says_otherwise_changes_nothing(self, admin: FlaskClient, services: Services):
        form = {"url": "http://x/webservice-rest/", "user": "eve", "password": "hers", "dates_zone": "-03:00"}
        admin.post("/admin/gateway", data=form)
        kept = _kept(services)
        assert (kept.url, kept.user, kept.password_sealed) == (None, None, None)
        assert "accepts the login" in admin.post("/admin/gateway/test", follow_redirects=True).text

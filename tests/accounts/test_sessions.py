"""The cookie names a row: when the row ends, every copy of the cookie does."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import make
from tests.accounts.conftest import TrySignIn, disable, shift
from webapp.accounts import service, sessions
from webapp.accounts.models import LoginSession, Person
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services


def _copy(app: Flask, client: FlaskClient) -> FlaskClient:
    """Another browser with the same cookie, as a thief has it."""
    stolen = client.get_cookie("recado")
    assert stolen is not None
    thief = app.test_client()
    thief.set_cookie("recado", stolen.value)
    return thief


def _is_in(client: FlaskClient) -> bool:
    return client.get("/me").status_code == 200


@pytest.fixture
def thief(app: Flask, ana: Person, client: FlaskClient, sign_in: TrySignIn) -> FlaskClient:
    """Ana is signed in, and somebody has a copy of her cookie."""
    sign_in()
    copied = _copy(app, client)
    assert _is_in(copied)
    return copied


def test_a_copied_cookie_fails_after_logout(thief: FlaskClient, client: FlaskClient):
    assert client.post("/logout").status_code == 303
    assert not _is_in(client)
    assert not _is_in(thief)


def test_a_copied_cookie_fails_after_disabling(thief: FlaskClient, services: Services, ana: Person):
    with services.db.writing() as session:
        service.disable(session, session.get_one(Person, ana.id), by=None)
    assert not _is_in(thief)


def test_a_disabled_person_is_out_even_where_a_session_was_forgotten(
    thief: FlaskClient, services: Services, ana: Person
):
    disable(services, ana.id)
    assert not _is_in(thief)


def test_a_copied_cookie_fails_after_a_role_change(thief: FlaskClient, services: Services, ana: Person):
    with services.db.writing() as session:
        service.change_role(session, session.get_one(Person, ana.id), "support", by=None)
    assert not _is_in(thief)


def test_a_copied_cookie_fails_after_a_password_change_while_its_owner_stays(thief: FlaskClient, client: FlaskClient):
    new = "another good password"
    answer = client.post("/me/password", data={"present": make.PASSWORD, "password": new, "again": new})
    assert answer.status_code == 303
    assert _is_in(client)
    assert not _is_in(thief)


def test_a_new_login_makes_a_new_session_and_ends_the_one_before(
    thief: FlaskClient, client: FlaskClient, sign_in: TrySignIn
):
    before = client.get_cookie("recado")
    sign_in()
    after = client.get_cookie("recado")
    assert before is not None and after is not None and before.value != after.value
    assert _is_in(client)
    assert not _is_in(thief)


def test_a_planted_cookie_is_not_taken_over_at_login(app: Flask, ana: Person, client: FlaskClient, sign_in: TrySignIn):
    with client.session_transaction() as planted:
        planted["csrf_token"] = "known to the attacker"
        planted["extra"] = "kept?"
    sign_in()
    with client.session_transaction() as now:
        assert "extra" not in now
        assert now.get("csrf_token") != "known to the attacker"


def test_a_session_ends_after_half_an_hour_without_a_hand_on_it(thief: FlaskClient, services: Services):
    shift(services, sessions_seen=timedelta(minutes=29))
    assert _is_in(thief)  # which moves the end on
    shift(services, sessions_seen=timedelta(minutes=29))
    assert _is_in(thief)
    shift(services, sessions_seen=timedelta(minutes=31))
    assert not _is_in(thief)


def test_a_session_ends_after_ten_hours_however_busy(thief: FlaskClient, services: Services):
    shift(services, sessions_created=timedelta(hours=9, minutes=59))
    assert _is_in(thief)
    shift(services, sessions_created=timedelta(minutes=2))
    assert not _is_in(thief)


def test_polling_does_not_extend_a_session(thief: FlaskClient, services: Services):
    polling = {"X-Recado-Poll": "1"}
    shift(services, sessions_seen=timedelta(minutes=20))
    assert thief.get("/me", headers=polling).status_code == 200
    shift(services, sessions_seen=timedelta(minutes=11))
    assert thief.get("/me", headers=polling).status_code == 303


def test_the_page_knows_in_how_many_seconds_its_session_ends(thief: FlaskClient, services: Services):
    left = int(thief.get("/me").headers["X-Session-Ends"])
    assert 1790 <= left <= 1800
    assert 'data-session-ends="' in thief.get("/me").text
    shift(services, sessions_seen=timedelta(minutes=20))
    assert 590 <= int(thief.get("/me", headers={"X-Recado-Poll": "1"}).headers["X-Session-Ends"]) <= 600
    assert 1790 <= int(thief.get("/me").headers["X-Session-Ends"]) <= 1800  # a hand moved it on, and the page hears so
    shift(services, sessions_created=timedelta(hours=9, minutes=55))
    assert int(thief.get("/me").headers["X-Session-Ends"]) <= 300


def test_staying_signed_in_takes_one_request(thief: FlaskClient, services: Services):
    shift(services, sessions_seen=timedelta(minutes=29))
    answer = thief.post("/me/keep")
    assert answer.status_code == 204
    assert int(answer.headers["X-Session-Ends"]) >= 1790


def test_visitors_are_told_of_no_session(client: FlaskClient):
    assert "X-Session-Ends" not in client.get("/login").headers


def test_a_fragment_asked_for_without_a_session_sends_the_whole_page_to_the_login(client: FlaskClient):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/campaigns/7?x=1"}
    answer = client.get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/campaigns/7?x%3D1"


def test_the_cookie_is_for_this_site_and_scripts_do_not_see_it(ana: Person, sign_in: TrySignIn):
    cookie = sign_in().headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "Secure" not in cookie


class TestBehindHttps:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings_module.load(
            {}, instance=settings.instance, secret_key="a secret for tests only", public_url="https://recado.example"
        )

    def test_the_cookie_is_secure(self, ana: Person, sign_in: TrySignIn):
        assert "Secure" in sign_in().headers["Set-Cookie"]


def test_the_database_does_not_hold_what_the_cookie_holds(thief: FlaskClient, services: Services):
    with thief.session_transaction() as cookie, services.db.reading() as session:
        assert cookie["_user_id"] not in [row.token_hash for row in session.query(LoginSession)]


def test_a_month_later_nothing_is_left_of_it(services: Services, ana: Person):
    with services.db.writing() as session:
        sessions.start_session(session, ana, "127.0.0.1", "old")
        sessions.start_session(session, ana, "127.0.0.1", "new")
        session.query(LoginSession).filter_by(agent="old").update({"created_at": clock.now() - timedelta(days=31)})
        sessions.tidy(session)
        assert [row.agent for row in session.query(LoginSession)] == ["new"]

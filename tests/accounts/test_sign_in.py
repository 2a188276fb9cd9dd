"""The login page: who gets in, who waits, and what nobody learns from it."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
import structlog
from argon2 import PasswordHasher, Type
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests import make
from tests.accounts.conftest import EMAIL, REAL_HASHER, REAL_NOBODY, TrySignIn, disable, shift
from webapp.accounts import passwords, tries
from webapp.accounts.models import Audit, Person
from webapp.core.security import own_path
from webapp.core.web import Services


def _without_email(page: str) -> str:
    return re.sub(r'nonce="[^"]*"|value="[^"]*"|content="[^"]*"', "", page)


def test_the_right_password_opens_the_page_that_was_asked_for(ana: Person, client: FlaskClient, sign_in: TrySignIn):
    asked = client.get("/me?x=1")
    assert asked.status_code == 303
    assert asked.location == "/login?next=/me?x%3D1"
    answer = client.post(asked.location, data={"email": " Ana@Example.com ", "password": make.PASSWORD})
    assert answer.status_code == 303
    assert answer.location == "/me?x=1"
    assert client.get("/me").status_code == 200


def test_somebody_signed_in_does_not_see_the_login_page(ana: Person, client: FlaskClient, sign_in: TrySignIn):
    sign_in()
    assert client.get("/login?next=/me").location == "/me"


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb", "\\\\x"]
)
def test_it_never_leads_to_another_site(ana: Person, sign_in: TrySignIn, target: str):
    assert sign_in(next=quote(target, safe="")).location == "/"


@given(st.text(max_size=40))
def test_whatever_next_says_it_stays_on_this_site(target: str):
    path = own_path(target, "/")
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert not any(ord(sign) < 32 for sign in path)


def test_unknown_wrong_and_disabled_get_the_same_answer(ana: Person, services: Services, sign_in: TrySignIn):
    wrong = sign_in("not her password")
    unknown = sign_in("not her password", email="nobody@example.com")
    disable(services, ana.id)
    disabled = sign_in()
    assert wrong.status_code == unknown.status_code == disabled.status_code == 422
    assert _without_email(wrong.text) == _without_email(unknown.text) == _without_email(disabled.text)
    assert "E-mail or password is not right" in wrong.text


def test_unknown_people_cost_a_hash_too(ana: Person, sign_in: TrySignIn, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []

    class Counting:
        def verify(self, stored: str, given: str) -> bool:
            seen.append(stored)
            return real.verify(stored, given)

        def check_needs_rehash(self, stored: str) -> bool:
            return real.check_needs_rehash(stored)

    real = passwords._hasher
    monkeypatch.setattr(passwords, "_hasher", Counting())
    sign_in("x" * 10, email="nobody@example.com")
    sign_in("x" * 10)
    assert len(seen) == 2
    assert all(stored.startswith("$argon2id$") for stored in seen)


def test_the_hash_of_nobody_is_as_dear_as_one_made_today():
    assert not REAL_HASHER.check_needs_rehash(REAL_NOBODY)


def test_an_unknown_person_has_to_wait_like_a_known_one(ana: Person, sign_in: TrySignIn):
    for email in (EMAIL, "nobody@example.com"):
        codes = [sign_in("wrong password", email=email).status_code for _ in range(6)]
        assert codes == [422, 422, 422, 429, 429, 429], email


def test_the_wait_grows_and_the_right_password_does_not_shorten_it(ana: Person, services: Services, sign_in: TrySignIn):
    for _ in range(4):
        last = sign_in("wrong password")
    assert last.status_code == 429
    assert last.headers["Retry-After"] == "2"
    assert "Wait 2 seconds" in last.text
    assert sign_in().status_code == 429  # right, but too early
    shift(services, tries=timedelta(seconds=3))
    fifth = sign_in("wrong password")
    assert fifth.headers["Retry-After"] == "4"
    shift(services, tries=timedelta(seconds=5))
    assert sign_in().status_code == 303


def test_after_the_clock_was_set_back_a_wrong_password_waits_no_longer_than_it_should(
    ana: Person, services: Services, sign_in: TrySignIn
):
    for _ in range(tries.FREE_TRIES + 2):
        sign_in("not her password")
    shift(services, tries=-timedelta(hours=1))  # they were written while the clock was an hour ahead
    answer = sign_in()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= tries.delay(tries.FREE_TRIES + 2) + 1


def test_the_right_password_starts_the_count_afresh(ana: Person, services: Services, sign_in: TrySignIn):
    for _ in range(3):
        sign_in("wrong password")
    assert sign_in().status_code == 303
    with services.db.writing() as session:
        counted = tries.count(session, "x", "10.0.0.1")
        assert isinstance(counted, tries.Counted)
        assert session.query(tries.LoginAttempt).count() == 1


def test_delays_double_up_to_a_quarter_of_an_hour():
    assert [tries.delay(n) for n in range(8)] == [0, 0, 0, 0, 2, 4, 8, 16]
    assert tries.delay(12) == 512
    assert tries.delay(13) == tries.delay(10_000) == 900


def test_one_address_may_not_try_many_people(services: Services, sign_in: TrySignIn, client: FlaskClient):
    with services.db.writing() as session:
        for number in range(tries.ADDRESS_TRIES):
            assert isinstance(tries.count(session, f"account {number}", "127.0.0.1"), tries.Counted)
    assert sign_in("x", email="someone@example.com").status_code == 429
    other = sign_in("x", email="someone@example.com", environ_overrides={"REMOTE_ADDR": "10.9.8.7"})
    assert other.status_code == 422
    shift(services, tries=tries.ADDRESS_SPAN)
    assert sign_in("x", email="another@example.com").status_code == 422


def test_ipv6_neighbours_count_as_one_address(services: Services):
    with services.db.writing() as session:
        for number in range(tries.ADDRESS_TRIES):
            tries.count(session, f"account {number}", f"2001:db8::{number:x}")
        assert isinstance(tries.count(session, "one more", "2001:db8::ffff"), tries.Wait)
        assert isinstance(tries.count(session, "one more", "2001:db8:0:1::1"), tries.Counted)


def test_tries_under_way_count_before_they_are_checked(services: Services):
    """A hundred requests at once are a hundred tries, whichever is looked at first."""
    with services.db.writing() as session:
        outcomes = [tries.count(session, "ana", f"10.0.0.{number}") for number in range(100)]
    assert sum(isinstance(outcome, tries.Counted) for outcome in outcomes) == tries.FREE_TRIES + 1


def test_an_old_hash_is_renewed_at_login(ana: Person, services: Services, sign_in: TrySignIn):
    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(make.PASSWORD)
    with services.db.writing() as session:
        session.get_one(Person, ana.id).password_hash = weak
    assert sign_in().status_code == 303
    with services.db.reading() as session:
        renewed = session.get_one(Person, ana.id).password_hash
    assert renewed != weak
    assert passwords.matches(renewed, make.PASSWORD)


def test_both_ends_are_in_the_audit_trail_without_what_strangers_typed(
    app: Flask, ana: Person, services: Services, sign_in: TrySignIn
):
    sign_in()
    sign_in("wrong password", client=app.test_client())
    sign_in("x", email="hunter2-my-real-password")
    with services.db.reading() as session:
        entries = session.query(Audit).order_by(Audit.id).all()
    assert [entry.action for entry in entries] == ["login", "login.failed", "login.failed"]
    assert entries[0].person_id == ana.id
    assert entries[0].address == "127.0.0.1"
    assert entries[1].actor == EMAIL
    assert "hunter2" not in entries[2].actor + entries[2].subject + str(entries[2].detail)


def test_no_password_reaches_the_log(app: Flask, ana: Person, sign_in: TrySignIn, caplog: pytest.LogCaptureFixture):
    with structlog.testing.capture_logs() as lines:
        for _ in range(6):
            sign_in("a very secret password")
        sign_in()
    assert "a very secret password" not in str(lines) + caplog.text
    assert make.PASSWORD not in str(lines) + caplog.text


def test_the_page_speaks_both_languages_and_says_what_is_missing(app: Flask, client: FlaskClient):
    brazilian = app.test_client()
    assert "Entrar" in brazilian.get("/login").text
    answer = brazilian.post("/login", data={"email": "", "password": ""})
    assert answer.status_code == 422
    assert "Escreva seu e-mail." in answer.text
    assert "Write your password." in client.post("/login", data={"email": "a@b.com"}).text


def test_login_allows_paste_and_password_managers(client: FlaskClient):
    page = client.get("/login").text
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "onpaste" not in page


def test_hashes_are_argon2id_as_dear_as_owasp_asks():
    assert REAL_HASHER.type is Type.ID
    assert REAL_HASHER.memory_cost >= 19 * 1024  # kB
    assert REAL_HASHER.time_cost >= 2

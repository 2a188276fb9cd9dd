"""One-time links."""

from datetime import timedelta

import pytest
import structlog
from flask.testing import FlaskClient

from tests.accounts.conftest import EMAIL, TrySignIn, disable
from webapp.accounts import service
from webapp.accounts.commands import create_user, reset_user
from webapp.accounts.models import Audit, Invite, Person
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.web import Services

NEW = "a sentence of my own"


@pytest.fixture
def link(services: Services) -> str:
    """Ana's first link, as `recado user create` makes it."""
    _person, token = create_user(services.db, EMAIL, "marketing", None)
    assert token is not None
    return f"/welcome/{token}"


def test_the_first_password_is_chosen_by_link(link: str, client: FlaskClient, sign_in: TrySignIn):
    assert "Hello, ana" in client.get(link).text
    answer = client.post(link, data={"password": NEW, "again": NEW})
    assert answer.status_code == 303
    assert answer.location == "/login"
    assert sign_in(NEW).status_code == 303


def test_looking_at_the_link_does_not_use_it_up(link: str, client: FlaskClient, services: Services):
    for _ in range(3):
        assert client.get(link).status_code == 200
    with services.db.reading() as session:
        assert session.query(Invite).one().used_at is None


def test_it_works_once(link: str, client: FlaskClient):
    client.post(link, data={"password": NEW, "again": NEW})
    assert (
        client.post(link, data={"password": "another one of mine", "again": "another one of mine"}).status_code == 410
    )
    spent = client.get(link)
    assert spent.status_code == 410
    assert "no longer works" in spent.text


def test_it_ends_after_a_day(link: str, client: FlaskClient, services: Services):
    with services.db.writing() as session:
        session.query(Invite).update({"expires_at": clock.now() - timedelta(seconds=1)})
    assert client.get(link).status_code == 410


def test_a_newer_link_ends_the_older(link: str, client: FlaskClient, services: Services):
    newer = reset_user(services.db, EMAIL)
    assert client.get(link).status_code == 410
    assert client.get(f"/welcome/{newer}").status_code == 200


def test_it_does_not_work_for_somebody_disabled(link: str, client: FlaskClient, services: Services):
    disable(services, 1)
    assert client.get(link).status_code == 410


def test_a_reset_keeps_the_old_password_until_the_link_is_used_and_ends_sessions_then(
    ana: Person, client: FlaskClient, sign_in: TrySignIn, services: Services
):
    token = reset_user(services.db, EMAIL)
    assert sign_in().status_code == 303
    assert client.get("/me").status_code == 200
    client.application.test_client().post(f"/welcome/{token}", data={"password": NEW, "again": NEW})
    assert client.get("/me").status_code == 303


@pytest.mark.parametrize(
    ("password", "again", "says"),
    [
        ("short", "short", "A password has 10 to 256 characters."),
        ("x" * 257, "x" * 257, "A password has 10 to 256 characters."),
        ("long enough it is", "but not the same", "The two passwords are not the same."),
        ("aaaaaaaaaaaa", "aaaaaaaaaaaa", "among the first that anybody would try"),
        ("Senha12345", "Senha12345", "among the first that anybody would try"),
        (EMAIL, EMAIL, "among the first that anybody would try"),
    ],
)
def test_a_password_that_does_not_do_is_refused_with_the_reason(
    link: str, client: FlaskClient, password: str, again: str, says: str
):
    answer = client.post(link, data={"password": password, "again": again})
    assert answer.status_code == 422
    assert says in answer.text
    assert password not in answer.text or password == EMAIL
    assert client.get(link).status_code == 200  # still good


def test_two_windows_with_the_same_link_choose_one_password(link: str, services: Services):
    token = link.rpartition("/")[2]
    with services.db.writing() as session:
        service.use_invite(session, token, NEW)
    with pytest.raises(UserError, match="used already"), services.db.writing() as session:
        service.use_invite(session, token, "another one of mine")


def test_the_link_reaches_neither_log_nor_audit_trail(
    link: str,
    client: FlaskClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def broken(*_: object) -> None:
        raise RuntimeError("the database is on fire")

    with structlog.testing.capture_logs() as lines:
        client.get(link)
        monkeypatch.setattr(service, "invited", broken)
        assert client.get(link).status_code == 500
    token = link.rpartition("/")[2]
    assert lines
    assert token not in str(lines)
    assert token not in caplog.text
    with services.db.reading() as session:
        assert token not in str([(row.subject, row.detail) for row in session.query(Audit)])


class TestCommands:
    def test_a_person_with_a_password_needs_no_link(self, services: Services, sign_in: TrySignIn):
        person, token = create_user(services.db, " Ana@Example.COM ", "admin", "correct horse battery")
        assert token is None
        assert person.email == EMAIL
        assert sign_in().status_code == 303

    @pytest.mark.parametrize(
        "email", ["", "ana", "ana@", "@x.com", "a b@x.com", "ana@nodot", "a@x.com, b@x.com", "<a@x.com>"]
    )
    def test_what_is_no_address_is_refused(self, services: Services, email: str):
        with pytest.raises(UserError) as refused:
            create_user(services.db, email, "admin", None)
        assert refused.value.field == "email"

    def test_an_address_is_taken_once_whatever_its_case(self, services: Services, ana: Person):
        with pytest.raises(UserError, match="exists already"):
            create_user(services.db, EMAIL.upper(), "support", None)

    def test_an_unknown_role_is_refused_with_those_there_are(self, services: Services):
        with pytest.raises(UserError, match="admin, marketing, support"):
            create_user(services.db, EMAIL, "boss", None)

    def test_a_reset_needs_somebody_who_has_access(self, services: Services, ana: Person):
        with pytest.raises(NotFound, match="Nobody has the address"):
            reset_user(services.db, "nobody@example.com")
        disable(services, ana.id)
        with pytest.raises(NotFound, match="is disabled"):
            reset_user(services.db, EMAIL)

    def test_both_are_in_the_audit_trail(self, services: Services):
        create_user(services.db, EMAIL, "support", None)
        reset_user(services.db, EMAIL)
        with services.db.reading() as session:
            assert [(row.action, row.actor) for row in session.query(Audit).order_by(Audit.id)] == [
                ("person.create", "command"),
                ("person.link", "command"),
            ]

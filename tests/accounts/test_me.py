"""One's own page: settings, look, language, password, open sessions."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import make
from tests.accounts.conftest import TrySignIn
from webapp.accounts import queries, sessions
from webapp.accounts.models import Person
from webapp.core.web import Services

GOOD = {"name": "Ana B. Souza", "locale": "en", "timezone": "America/Manaus", "theme": "dark", "undo_seconds": "30"}


@pytest.fixture
def me(ana: Person, client: FlaskClient, sign_in: TrySignIn) -> FlaskClient:
    """Ana, signed in."""
    sign_in()
    return client


def _ana(services: Services) -> Person:
    with services.db.reading() as session:
        return session.query(Person).one()


def test_settings_are_saved_and_hold_at_once(me: FlaskClient, services: Services):
    answer = me.post("/me", data={**GOOD, "shortcuts": "y"}, follow_redirects=True)
    assert "Settings saved." in answer.text
    assert 'data-bs-theme="dark"' in answer.text
    ana = _ana(services)
    assert (ana.name, ana.locale, ana.timezone, ana.theme, ana.undo_seconds, ana.shortcuts) == (
        "Ana B. Souza", "en", "America/Manaus", "dark", 30, True,
    )  # fmt: skip
    page = me.post("/me", data=GOOD, follow_redirects=True).text
    assert not _ana(services).shortcuts
    assert 'data-shortcuts="off"' in page


def test_nothing_chosen_means_the_browsers_language_and_the_installations_zone(me: FlaskClient, services: Services):
    me.post("/me", data={**GOOD, "locale": "", "timezone": ""})
    assert (_ana(services).locale, _ana(services).timezone) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("name", "x" * 121), ("locale", "xx"), ("timezone", "Mars/Base"), ("theme", "pink"),
     ("undo_seconds", "3"), ("undo_seconds", "lots")],
)  # fmt: skip
def test_odd_values_are_refused_and_the_rest_is_kept(me: FlaskClient, services: Services, field: str, value: str):
    answer = me.post("/me", data={**GOOD, field: value})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text or "error-summary" in answer.text
    assert _ana(services).name == "Ana Souza"
    if field != "name":
        assert "Ana B. Souza" in answer.text


def test_a_zone_that_the_list_lacks_stays_chosen(me: FlaskClient, services: Services):
    with services.db.writing() as session:
        session.query(Person).update({"timezone": "Etc/GMT+3"})
    assert 'selected value="Etc/GMT+3"' in me.get("/me").text
    assert me.post("/me", data={**GOOD, "timezone": "Etc/GMT+3"}).status_code == 303


def test_the_look_is_changed_from_any_page(me: FlaskClient, services: Services):
    answer = me.post("/theme", data={"theme": "dark", "next": "/me?x=1"})
    assert answer.location == "/me?x=1"
    assert _ana(services).theme == "dark"
    assert me.post("/theme", data={"theme": "pink"}).status_code == 400
    me.post("/logout")
    assert 'data-bs-theme="dark"' in me.get("/login").text  # this browser remembers


def test_visitors_choose_a_language_before_they_sign_in(app: Flask, ana: Person):
    visitor = app.test_client()
    answer = visitor.post("/language", data={"locale": "en", "next": "/login?next=/me"})
    assert answer.location == "/login?next=/me"
    assert 'lang="en"' in visitor.get("/login").text
    assert visitor.post("/language", data={"locale": "xx"}).status_code == 400


def test_a_language_chosen_while_signed_in_goes_with_the_person(me: FlaskClient, services: Services):
    me.post("/language", data={"locale": "pt_BR"})
    assert _ana(services).locale == "pt_BR"
    assert "Suas preferências" in me.get("/me").text


@pytest.mark.parametrize(
    ("pressed_on", "lands_on"),
    [("/me/password", "/me"), ("/admin/callbacks/reveal", "/admin/callbacks"), ("/no/such/page", "/"),
     ("//evil.example", "/"), ("", "/"), ("/logout", "/")],
)  # fmt: skip
def test_switches_return_to_a_page_that_can_be_opened(me: FlaskClient, pressed_on: str, lands_on: str):
    assert me.post("/theme", data={"theme": "dark", "next": pressed_on}).location == lands_on


class TestPassword:
    NEW = "another good password"

    def change(self, me: FlaskClient, present: str = make.PASSWORD, new: str = NEW, again: str | None = None) -> object:
        return me.post("/me/password", data={"present": present, "password": new, "again": again or new})

    def test_it_is_changed_by_who_knows_the_present_one(self, me: FlaskClient, app: Flask, sign_in: TrySignIn):
        assert self.change(me).status_code == 303
        assert me.get("/me").status_code == 200
        fresh = app.test_client()
        assert sign_in(client=fresh).status_code == 422
        assert sign_in(self.NEW, client=fresh).status_code == 303

    def test_a_wrong_present_one_is_counted_like_at_the_login(self, me: FlaskClient):
        codes = [self.change(me, present="wrong password").status_code for _ in range(5)]
        assert codes == [422] * 5
        assert "Too many tries" in self.change(me, present="wrong password").text

    def test_a_new_one_has_to_do(self, me: FlaskClient):
        assert "10 to 256 characters" in self.change(me, new="short").text
        assert "not the same" in self.change(me, again="something else entirely").text
        assert "anybody would try" in self.change(me, new="1234567890").text

    def test_accents_typed_on_another_system_are_the_same(self, me: FlaskClient, app: Flask, sign_in: TrySignIn):
        self.change(me, new="coração de pão")  # composed
        assert sign_in("coração de pão", client=app.test_client()).status_code == 303


class TestOpenSessions:
    def test_they_are_listed_with_this_one_first(self, me: FlaskClient, services: Services, ana: Person):
        agent = (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0"
        )
        with services.db.writing() as session:
            sessions.start_session(session, ana, "10.0.0.8", agent)
        page = me.get("/me").text
        assert "Edge · Windows" in page
        assert "10.0.0.8" in page
        assert page.index("this one") < page.index("Edge · Windows")

    def test_one_is_ended_from_here(
        self, me: FlaskClient, app: Flask, sign_in: TrySignIn, services: Services, ana: Person
    ):
        other = app.test_client()
        sign_in(client=other)
        with services.db.reading() as session:
            newest = max(row.id for row in queries.open_sessions(session, ana.id))
        assert me.post(f"/me/sessions/{newest}/end").status_code == 303
        assert other.get("/me").status_code == 303
        assert me.get("/me").status_code == 200
        assert me.post(f"/me/sessions/{newest}/end").status_code == 404

    def test_all_others_are_ended_from_here(self, me: FlaskClient, app: Flask, sign_in: TrySignIn):
        others = [app.test_client() for _ in range(3)]
        for other in others:
            sign_in(client=other)
        me.post("/me/sessions/end-others")
        assert [other.get("/me").status_code for other in others] == [303] * 3
        assert me.get("/me").status_code == 200

    def test_nobody_ends_somebody_elses(self, me: FlaskClient, services: Services):
        with services.db.writing() as session:
            bruno = make.person(session, "support")
            sessions.start_session(session, bruno, "127.0.0.1", "his")
            theirs = sessions.live_sessions(session, bruno.id)[0].id
        assert me.post(f"/me/sessions/{theirs}/end").status_code == 404
        with services.db.reading() as session:
            assert sessions.live_sessions(session, bruno.id)

    @pytest.mark.parametrize(
        ("agent", "shown"),
        [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile Safari/604.1",
                ("Safari", "iPhone"),
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", ("Firefox", "Linux")),
            ("Mozilla/5.0 (Linux; Android 14) Chrome/131.0 Mobile Safari/537.36", ("Chrome", "Android")),
            ("curl/8", ("", "")),
        ],
    )
    def test_browsers_are_told_apart(self, services: Services, ana: Person, agent: str, shown: tuple[str, str]):
        with services.db.writing() as session:
            sessions.start_session(session, ana, "127.0.0.1", agent)
            (row,) = queries.open_sessions(session, ana.id)
        assert (row.browser, row.system) == shown

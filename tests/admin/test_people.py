"""People: inviting, roles, access."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.conftest import actions
from tests.conftest import SignIn
from webapp.accounts.models import Audit, Invite, Person
from webapp.core.web import Services


def _invite(admin: FlaskClient, **form: str) -> str:
    answer = admin.post("/admin/people", data={"email": "carla@example.com", "role": "support", **form})
    assert answer.status_code == 200
    found = re.search(r'value="(http://localhost/welcome/[^"]+)"', answer.text)
    assert found
    return found[1]


def test_an_invited_colleague_chooses_a_password_and_comes_in(admin: FlaskClient, app: Flask, services: Services):
    link = _invite(admin, name="Carla Mendes")
    assert "invited" in admin.get("/admin/people").text
    visitor = app.test_client()
    own = {"password": "my own long sentence", "again": "my own long sentence"}
    assert visitor.post(link.removeprefix("http://localhost"), data=own).status_code == 303
    visitor.post("/login", data={"email": "carla@example.com", "password": "my own long sentence"})
    assert visitor.get("/").location == "/inbox"
    assert "Carla Mendes" in admin.get("/admin/people").text
    assert actions(services) == ["person.create", "person.welcome", "login"]


def test_the_link_is_shown_once_and_kept_nowhere(admin: FlaskClient, services: Services):
    link = _invite(admin)
    token = link.rpartition("/")[2]
    for path in ("/admin/people", "/admin/people/2", "/admin/audit"):
        assert token not in admin.get(path).text
    with services.db.reading() as session:
        assert session.query(Invite).one().token_hash != token


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"email": "", "role": "support"}, "Write the e-mail address."),
        ({"email": "no address", "role": "support"}, "is not an e-mail address"),
        ({"email": "x@example.com", "role": "boss"}, "error-summary"),
    ],
)
def test_what_cannot_be_invited_is_explained_and_the_input_kept(admin: FlaskClient, form: dict[str, str], says: str):
    answer = admin.post("/admin/people", data=form)
    assert answer.status_code == 422
    assert says in answer.text
    assert f'value="{form["email"]}"' in answer.text


def test_nobody_is_invited_twice(admin: FlaskClient):
    _invite(admin)
    answer = admin.post("/admin/people", data={"email": "CARLA@example.com", "role": "support"})
    assert answer.status_code == 422
    assert "exists already" in answer.text


def test_a_new_role_holds_at_once(admin: FlaskClient, signed_in: SignIn, services: Services):
    bruno = signed_in("support")
    answer = admin.post("/admin/people/2/role", data={"role": "marketing"})
    assert answer.location == "/admin/people/2"
    assert bruno.get("/me").status_code == 303
    with services.db.reading() as session:
        entry = session.query(Audit).filter_by(action="person.role").one()
    assert entry.subject == "person 2"
    assert entry.detail == {"before": "support", "after": "marketing"}


def test_the_same_role_again_ends_nothing_and_notes_nothing(admin: FlaskClient, signed_in: SignIn, services: Services):
    bruno = signed_in("support")
    admin.post("/admin/people/2/role", data={"role": "support"})
    assert bruno.get("/me").status_code == 200
    assert actions(services) == []


def test_access_ends_and_comes_back(admin: FlaskClient, signed_in: SignIn, services: Services):
    bruno = signed_in("support")
    admin.post("/admin/people/2/disable")
    assert bruno.get("/me").status_code == 303
    page = admin.get("/admin/people/2").text
    assert "no access" in page
    assert "Restore access" in page
    assert admin.post("/admin/people/2/link", follow_redirects=True).text.count("Restore the access first.") == 1
    admin.post("/admin/people/2/enable")
    assert "no access" not in admin.get("/admin/people/2").text
    assert actions(services) == ["person.disable", "person.enable"]


def test_an_administrator_cannot_lock_themselves_out(admin: FlaskClient, services: Services):
    page = admin.get("/admin/people/1").text
    assert "This is you" in page
    assert "/admin/people/1/disable" not in page
    assert "Nobody disables themselves" in admin.post("/admin/people/1/disable", follow_redirects=True).text
    refused = admin.post("/admin/people/1/role", data={"role": "support"})
    assert refused.status_code == 422
    assert "own role" in refused.text
    assert actions(services) == []


def test_the_last_administrator_cannot_be_removed_by_a_former_one(
    admin: FlaskClient, signed_in: SignIn, services: Services
):
    other = signed_in("admin", locale="en")
    with services.db.writing() as session:
        session.get_one(Person, 1).role = "marketing"  # while the first one's page is still open
    assert admin.post("/admin/people/2/disable").status_code == 403
    assert other.post("/admin/people/2/disable", follow_redirects=True).status_code == 200
    assert other.get("/me").status_code == 200


def test_a_new_link_replaces_a_forgotten_password(admin: FlaskClient, signed_in: SignIn, services: Services):
    signed_in("support")
    answer = admin.post("/admin/people/2/link")
    assert answer.status_code == 200
    assert "/welcome/" in answer.text
    assert actions(services) == ["person.link"]


def test_nobody_there_is_a_page_that_says_so(admin: FlaskClient):
    assert admin.get("/admin/people/99").status_code == 404
    for deed in ("role", "disable", "enable", "link"):
        assert admin.post(f"/admin/people/99/{deed}", data={"role": "support"}).status_code == 404

"""Every route against the table of who may do what (docs: security, 12), walked by each role and by nobody."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.conftest import SignIn
from webapp.accounts.permissions import PERMISSIONS, ROLES
from webapp.core import settings as settings_module
from webapp.core.db import Base
from webapp.core.web import Services
from webapp.factory import create_app, make_services

EVERYBODY = frozenset({"support", "marketing", "admin"})
MARKETING = frozenset({"marketing", "admin"})
SUPPORT = frozenset({"support", "admin"})
ADMIN = frozenset({"admin"})

PUBLIC = re.compile(
    r"static|assets\..*|home|healthz|readyz|metrics|accounts\.(login|logout|welcome|language)|campaigns\.hosted"
)
# endpoint → roles; the first that fits counts. Written from the table in the docs, not from the code.
TABLE = [
    (r"admin\..*|credits\.thresholds", ADMIN),
    (r".*\.\w*(export|reveal|errors)\w*", MARKETING),  # reveal a number, export
    (r"contacts\.lift_optout|inbox\.lift", MARKETING),
    (r"reports\.slice_\w+", MARKETING),  # lists and drafts made of a campaign's people
    (r"contacts\.(optouts|optout|add_optout)|inbox\.optout", EVERYBODY),
    (r"(contacts|campaigns|dashboard)\..*", MARKETING),  # lists, import, compose, send
    (r"inbox\.(index|conversation|live|presence|queue|badge)", EVERYBODY),  # marketing reads
    (r"inbox\..*", SUPPORT),  # inbox work
    (r"(reports|credits)\..*", EVERYBODY),  # message browser, reports, credits
    (r"accounts\..*", EVERYBODY),  # one's own
]
SAMPLES = {"int": "1", "string": "x", "path": "x", "default": "x"}
_PART = re.compile(r"<(?:(?P<kind>\w+)(?:\((?P<choices>[^)]*)\))?:)?\w+>")


def path_of(rule: Rule) -> str:
    """A path that the rule answers to."""

    def sample(part: re.Match[str]) -> str:
        if part["kind"] == "any":
            return part["choices"].split(",")[0].strip(" \"'")
        return SAMPLES[part["kind"] or "default"]

    return _PART.sub(sample, rule.rule)


def roles_of(endpoint: str) -> frozenset[str] | None:
    """Who may by the table; None = anybody."""
    if PUBLIC.fullmatch(endpoint):
        return None
    for pattern, roles in TABLE:
        if re.fullmatch(pattern, endpoint):
            return roles
    raise AssertionError(f"{endpoint} is in no line of the table: add it to tests/house/test_guards.py")


def ask(client: FlaskClient, method: str, path: str, **options: object) -> TestResponse:
    """The answer, at the canonical address where a route has two."""
    answer = client.open(path, method=method, **options)
    return client.open(answer.location, method=method, **options) if answer.status_code == 308 else answer


def asks(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(endpoint, method, path) of every route."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
            yield rule.endpoint, method, path_of(rule)


def test_every_view_has_a_guard_and_it_says_what_the_table_says(app: Flask):
    for endpoint, view in app.view_functions.items():
        roles = roles_of(endpoint)
        if endpoint == "static" or endpoint.startswith("assets."):
            continue
        guard = getattr(view, "guard", None)
        assert guard, f"{endpoint} has no guard"
        stated = None if guard == "public" else PERMISSIONS[guard]
        assert stated == roles, f"{endpoint} is guarded by {guard!r}"


def test_the_whole_table_is_walked(app: Flask):
    """Patterns that fit no route any more are taken out, so that nothing hides behind them."""
    for pattern, _roles in TABLE:
        assert any(re.fullmatch(pattern, endpoint) for endpoint in app.view_functions), pattern
    assert set(ROLES) == EVERYBODY


def test_visitors_are_sent_to_the_login_whatever_they_ask_for(app: Flask):
    for endpoint, method, path in asks(app):
        if roles_of(endpoint) is None:
            continue
        answer = ask(app.test_client(), method, path)
        assert answer.status_code == 303, (endpoint, method, answer.status_code)
        assert answer.location.split("?")[0] == "/login", endpoint
        fragment = ask(app.test_client(), method, path, headers={"HX-Request": "true"})
        assert fragment.status_code == 401, endpoint
        assert fragment.headers["HX-Redirect"].startswith("/login"), endpoint


def test_visitors_reach_what_is_public(app: Flask):
    for endpoint, method, path in asks(app):
        if roles_of(endpoint) is None:
            assert ask(app.test_client(), method, path).status_code not in {401, 403}, (endpoint, method)


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_each_role_is_let_in_where_the_table_lets_it_and_nowhere_else(app: Flask, signed_in: SignIn, role: str):
    client = signed_in(role)
    for endpoint, method, path in asks(app):
        roles = roles_of(endpoint)
        if roles is None or endpoint == "accounts.end_session":
            continue
        answer = ask(client, method, path)
        let_in = answer.status_code not in {401, 403} and not (answer.location or "").startswith("/login")
        assert let_in is (role in roles), (endpoint, method, role, answer.status_code)
        assert answer.status_code < 500, (endpoint, method, role)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application as it is served: with the CSRF check that other tests switch off."""
    settings = settings_module.load({}, instance=tmp_path_factory.mktemp("csrf"), secret_key="a secret for tests only")
    return create_app(settings, make_services(settings, immediate_jobs=True))


def test_nothing_is_changed_without_a_token(strict: Flask):
    for endpoint, method, path in asks(strict):
        if method != "GET":
            answer = strict.test_client().open(path, method=method, data={"x": "y"})
            assert answer.status_code == 400, (endpoint, method, answer.status_code)


def test_nothing_is_changed_from_another_site(strict: Flask):
    for endpoint, method, path in asks(strict):
        if method != "GET":
            answer = strict.test_client().open(path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
            assert answer.status_code == 403, (endpoint, method)


def test_a_token_of_another_browser_is_none(strict: Flask):
    def token(client: FlaskClient) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
        assert found
        return found[1]

    mine, theirs = strict.test_client(), strict.test_client()
    token(mine)
    answer = mine.post("/language", data={"locale": "en", "csrf_token": token(theirs)})
    assert answer.status_code == 400
    assert mine.post("/language", data={"locale": "en", "csrf_token": token(mine)}).status_code == 303
    assert mine.post("/language", data={"locale": "en"}, headers={"X-CSRFToken": token(mine)}).status_code == 303


def test_no_get_changes_anything(app: Flask, signed_in: SignIn):
    """But what is noted about it: exports and reveals are entries of the audit trail, and sessions are seen."""
    services: Services = app.extensions["recado"]
    client = signed_in("admin")
    noted = {"audit", "login_session", "huey_task", "huey_kv", "huey_schedule"}

    def picture() -> dict[str, object]:
        with services.db.reading() as session:
            return {
                table.name: [tuple(row) for row in session.execute(select(table))]
                if session.scalar(select(func.count()).select_from(table)) < 1000
                else None
                for table in Base.metadata.sorted_tables
                if table.name not in noted
            }

    before = picture()
    for endpoint, method, path in asks(app):
        if method == "GET":
            client.get(path)
            assert picture() == before, endpoint

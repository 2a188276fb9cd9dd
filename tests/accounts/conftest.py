"""Ana signs in with a real password, through the real page."""

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests import make
from webapp.accounts import passwords, service
from webapp.accounts.models import LoginAttempt, LoginSession, Person
from webapp.core import clock
from webapp.core.web import Services

EMAIL = "ana@example.com"
REAL_HASHER, REAL_NOBODY = passwords._hasher, passwords.NOBODY
CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing; how dear the real ones are has a test of its own."""
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)
    monkeypatch.setattr(passwords, "NOBODY", CHEAP_HASHER.hash("nobody has this password"))


@pytest.fixture
def ana(services: Services) -> Person:
    """A marketing person with a password."""
    with services.db.writing() as session:
        return service.create(session, EMAIL, "marketing", name="Ana Souza", password=make.PASSWORD)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor's browser that reads English."""
    browser = app.test_client()
    browser.set_cookie("locale", "en")
    return browser


TrySignIn = Callable[..., TestResponse]


@pytest.fixture
def sign_in(client: FlaskClient) -> TrySignIn:
    """Send the login form."""

    def send(password: str = make.PASSWORD, email: str = EMAIL, **options: object) -> TestResponse:
        browser = options.pop("client", client)
        target = options.pop("next", None)
        path = "/login" if target is None else f"/login?next={target}"
        return browser.post(path, data={"email": email, "password": password}, **options)  # type: ignore[attr-defined]

    return send


def shift(services: Services, **moved: object) -> None:
    """Move the clock by editing rows: `shift(services, sessions_seen=timedelta(…))` makes them that much older."""
    columns = {
        "sessions_seen": LoginSession.seen_at,
        "sessions_created": LoginSession.created_at,
        "tries": LoginAttempt.at,
    }
    with services.db.writing() as session:
        for name, by in moved.items():
            column = columns[name]
            for row in session.query(column.class_):
                setattr(row, column.key, getattr(row, column.key) - by)


def disable(services: Services, person_id: int) -> None:
    """Take somebody's access away in the database."""
    with services.db.writing() as session:
        session.execute(update(Person).where(Person.id == person_id).values(disabled_at=clock.now()))

"""An administrator's browser, and a gateway to talk to."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.conftest import SignIn
from webapp.accounts.models import Audit
from webapp.core.web import Services
from webapp.sandbox.server import Sandbox


@pytest.fixture
def admin(signed_in: SignIn) -> FlaskClient:
    """An administrator who reads English."""
    return signed_in("admin", locale="en")


@pytest.fixture(scope="module")
def gateway() -> Iterator[Sandbox]:
    """A gateway with one account: acme, with the password `one:two ç`."""
    with Sandbox(user="acme", password="one:two ç", balances={1: 1234}) as box:
        yield box


def actions(services: Services) -> list[str]:
    """What the audit trail says was done, in order."""
    with services.db.reading() as session:
        return [row.action for row in session.query(Audit).order_by(Audit.id)]

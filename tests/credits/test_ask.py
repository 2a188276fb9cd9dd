"""Asking the gateway for the balance: by the clock, by a button, by a command; and when it has none to give."""

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conftest import SignIn
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.credits import commands
from webapp.credits.asking import ask_quietly
from webapp.credits.models import BalanceReading
from webapp.gateway import account
from webapp.gateway.errors import Stopped
from webapp.gateway.models import Account
from webapp.sandbox.server import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(user="ana", password="segredo", replies=False, balances={1: 5000, 2: 40, 3: 0, 4: 7}) as sandbox:
        yield sandbox


@pytest.fixture
def settings(tmp_path: Path, box: Sandbox) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path / "instance", secret_key="a secret for tests only", gateway_url=box.url,
        gateway_user="ana", gateway_password="segredo", gateway_timeout="2",
    )  # fmt: skip


def kept(services: Services) -> list[int | None]:
    with services.db.reading() as session:
        return list(session.scalars(select(BalanceReading.balance_1).order_by(BalanceReading.id)))


def stopped(services: Services) -> str | None:
    with services.db.reading() as session:
        found = session.get(Account, account.ROW)
        return found.stopped_code if found else None


def test_the_command_tells_what_the_contract_names(services: Services) -> None:
    told = commands.sync_balance(services)
    assert list(told) == ["balance_1", "balance_2", "balance_3", "balance_4", "activation", "expiration"]
    assert [told[f"balance_{n}"] for n in range(1, 5)] == [5000, 40, 0, 7]
    assert told["expiration"].endswith("+00:00")
    assert kept(services) == [5000]


def test_the_newer_names_of_purses_are_read_and_the_missing_ones_are_unknown(services: Services, box: Sandbox) -> None:
    box.settings(balance_keys="new")
    told = commands.sync_balance(services)
    assert (told["balance_1"], told["balance_2"], told["balance_4"]) == (5000, None, 7)


def test_the_clock_asks_and_survives_a_gateway_that_is_down(services: Services, box: Sandbox) -> None:
    names = [task.name for task in services.jobs.periodic]
    assert "credits.balance" in names
    assert ask_quietly(services)
    box.stop()
    assert not ask_quietly(services)
    assert kept(services) == [5000]


def test_a_refused_login_stops_sending_and_an_answer_lifts_it(services: Services, box: Sandbox) -> None:
    box.settings(account="090")
    with pytest.raises(Stopped):
        commands.sync_balance(services)
    assert stopped(services) == "090"
    box.settings(account="ok")
    commands.sync_balance(services)
    assert stopped(services) is None


@pytest.mark.parametrize(("code", "by_itself"), [("010", None), ("garbled", None), ("090", "090"), ("091", "091")])
def test_a_blocked_account_that_answers_balance_stays_stopped_until_a_person_asks(
    services: Services, box: Sandbox, code: str, by_itself: str | None
) -> None:
    with services.db.writing() as session:
        account.stop(session, code)
    assert ask_quietly(services)
    assert stopped(services) == by_itself
    commands.sync_balance(services)
    assert stopped(services) is None


def test_the_button_shows_what_came(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing", locale="en")
    assert "has not told its balance yet" in browser.get("/credits").text
    page = browser.post("/credits/refresh", follow_redirects=True).text
    assert "The balance is up to date." in page
    assert "5,000" in page
    assert browser.get("/credits/refresh").status_code == 405


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("010", "Correct the gateway account"),
        ("090", "blocked the account"),
        ("100", "maintenance"),
        ("091", "Allow this"),
    ],
)
def test_the_button_says_in_words_why_nothing_came(
    services: Services, signed_in: SignIn, box: Sandbox, code: str, words: str
) -> None:
    box.settings(**({"password": "other"} if code == "010" else {"account": code}))
    page = unescape(signed_in("marketing", locale="en").post("/credits/refresh", follow_redirects=True).text)
    assert words in page
    assert kept(services) == []

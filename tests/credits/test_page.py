"""The credits page, the chip in every frame, and who may set the warning marks."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.conftest import SignIn
from webapp.accounts.models import Audit
from webapp.core import clock
from webapp.core.web import Services
from webapp.credits import queries, service
from webapp.gateway.wire import Balance


@pytest.fixture
def told(services: Services) -> None:
    now = clock.now()
    with services.db.writing() as session:
        for day, sms in ((3, 3000), (2, 2600), (1, 2200), (0, 800)):
            balance = Balance({1: sms, 2: None, 3: 0, 4: 50_000}, None, clock.aware(now + timedelta(days=90)), "")
            service.record(session, balance, now - timedelta(days=day))


@pytest.mark.usefixtures("told")
def test_the_page_shows_purses_pace_and_history_to_everybody(signed_in: SignIn) -> None:
    for role in ("support", "marketing", "admin"):
        page = signed_in(role, locale="en").get("/credits?days=7").text
        for words in (
            "50,000",
            "733 a day",
            "about 1 day left",
            "Never held any credits.",
            "Credits are running low: SMS",
        ):
            assert words in page
        assert "did not say how much" in page, "an unknown purse is no empty one"


@pytest.mark.usefixtures("told")
def test_the_page_speaks_portuguese(signed_in: SignIn) -> None:
    page = signed_in("admin").get("/credits").text
    assert "resta cerca de 1 dia" in page
    assert "Créditos acabando: SMS" in page


@pytest.mark.usefixtures("told")
def test_the_chip_shows_the_balance_and_the_warning(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("support", locale="en")
    chip = browser.get("/credits/chip").text
    assert ">800" in chip.replace("</span>", ">")
    assert "Credits are running low: SMS" in chip
    assert "<html" not in chip
    with services.db.writing() as session:
        service.set_thresholds(session, {"1": 0})
    assert "running low" not in browser.get("/credits/chip").text


def test_the_chip_of_a_new_account_is_a_dash(signed_in: SignIn) -> None:
    assert "—" in signed_in("support").get("/credits/chip").text


@pytest.mark.usefixtures("told")
def test_an_administrator_sets_the_marks_and_that_is_written_down(services: Services, signed_in: SignIn) -> None:
    marks = {"mark_1": "500", "mark_2": "", "mark_3": "0", "mark_4": "60000", "mark_days": "30"}
    browser = signed_in("admin", locale="en")
    page = browser.post("/credits/thresholds", data=marks, follow_redirects=True).text
    assert "The warning marks are saved." in page
    assert "Credits are running low: WhatsApp" in page
    with services.db.reading() as session:
        assert queries.thresholds(session) == {"1": 500, "2": 100, "3": 0, "4": 60000, "days": 30}
        assert session.scalar(select(Audit.detail).where(Audit.action == "credits.thresholds")) is not None


@pytest.mark.parametrize("mark", ["-5", "many", "99999999999999"])
def test_a_mark_that_makes_no_sense_comes_back_with_its_input(
    services: Services, signed_in: SignIn, mark: str, told: None
) -> None:
    answer = signed_in("admin").post("/credits/thresholds", data={"mark_1": mark, "mark_2": "77"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'value="77"' in answer.text
    with services.db.reading() as session:
        assert queries.thresholds(session) == queries.DEFAULT_THRESHOLDS


@pytest.mark.usefixtures("told")
def test_others_see_the_marks_and_can_not_set_them(signed_in: SignIn) -> None:
    for role in ("support", "marketing"):
        browser = signed_in(role)
        assert browser.post("/credits/thresholds", data={"mark_1": "1"}).status_code == 403
        assert "mark_1" not in browser.get("/credits").text


@pytest.mark.usefixtures("told")
def test_readings_load_in_pages(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    with services.db.writing() as session:
        for n in range(30):
            service.record(session, Balance({1: 700 - n}, None, None, ""), now + timedelta(minutes=n))
    first = signed_in("support").get("/credits").text
    assert first.count("<tr data-row") == 15
    assert "after=" in first

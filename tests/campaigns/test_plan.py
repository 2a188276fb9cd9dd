"""The plan before sending, as the review says it: who gets it when, by the hours where they live."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.campaigns.cast import balance, contact_list, counted, draft, found
from tests.campaigns.test_compose import text_of
from webapp.accounts.models import Audit
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.optouts import service as optouts

SignIn = Callable[..., FlaskClient]
SAO_PAULO, MANAUS, CUIABA, ACRE, TEFE = 5511970000000, 5592970000000, 5565970000000, 5568970000000, 5597970000000
NINE = datetime(2027, 3, 3, 12, 0)  # a Wednesday without holiday near, 9:00 in São Paulo


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path / "instance", secret_key="a secret for tests only",
        sending_window="mon-fri 09:00-20:00; sat 09:00-13:00",
    )  # fmt: skip


@pytest.fixture
def key(services: Services) -> int:
    """People all over Brazil, two of whom opted out; to be sent at nine in São Paulo."""
    places = [SAO_PAULO] * 5 + [MANAUS] * 2 + [CUIABA] + [ACRE] * 2 + [TEFE]
    rows = [(first + place, "Ana", {}) for place, first in enumerate(places)]
    with services.db.writing() as session:
        balance(session)
        optouts.add_many(session, [SAO_PAULO, SAO_PAULO + 1], origin="reply", reason="SAIR")
        return draft(session, [contact_list(session, "Brasil", rows)], "Oi {{nome}}!").id


def plan_of(browser: FlaskClient, key: int) -> str:
    """The plan's sentence as it stands on the review."""
    page = browser.get(f"/campaigns/{key}/review").get_data(as_text=True)
    found = re.search(r'<ol class="plan">(.*?)</ol>', page, re.S)
    assert found is not None, page
    rows = re.findall(r"<li.*?</li>", found[1], re.S)
    return " · ".join(" ".join(re.sub(r"<[^>]+>", "", row).split()) for row in rows)


def change(services: Services, key: int, **values: object) -> None:
    with services.db.writing() as session:
        for name, value in values.items():
            setattr(session.get_one(Campaign, key), name, value)
    counted(services, key)


def at(moment: datetime) -> timedelta:
    """The shift that makes it that moment now."""
    return moment - clock.now()


def test_it_says_who_gets_it_now_who_at_which_hour_and_how_many_are_blocked(
    services: Services, signed_in: SignIn, key: int
) -> None:
    with clock.shifted(at(NINE + timedelta(seconds=5))):
        counted(services, key)
        assert (
            plan_of(signed_in("marketing"), key)
            == "3 agora (SP) · 3 às 10:00 (AM/MT) · 3 às 11:00 (AC/AM) · 2 bloqueados"
        )
        english = signed_in("marketing", locale="en")
        assert plan_of(english, key) == "3 now (SP) · 3 at 10:00 (AM/MT) · 3 at 11:00 (AC/AM) · 2 blocked"
        assert "the times are those of São Paulo" in text_of(english.get(f"/campaigns/{key}/review"))


def test_it_is_judged_by_the_moment_of_arrival_which_is_after_the_seconds_to_undo(
    services: Services, signed_in: SignIn, key: int
) -> None:
    with clock.shifted(at(NINE + timedelta(hours=11) - timedelta(seconds=5))):  # 19:59:55 in São Paulo
        counted(services, key)
        said = plan_of(signed_in("marketing"), key)
    assert said == "6 agora (AC/AM/MT) · 3 qui. 04/03 às 09:00 (SP) · 2 bloqueados"


def test_it_is_judged_by_the_schedule_where_there_is_one(services: Services, signed_in: SignIn, key: int) -> None:
    with clock.shifted(at(NINE - timedelta(hours=10))):  # eleven at night before
        change(services, key, send_at=NINE)
        said = plan_of(signed_in("marketing", locale="en"), key)
    assert said == "3 Wed 03/03 at 09:00 (SP) · 3 Wed 03/03 at 10:00 (AM/MT) · 3 Wed 03/03 at 11:00 (AC/AM) · 2 blocked"


def test_a_holiday_is_no_day_for_it(services: Services, signed_in: SignIn, key: int) -> None:
    with clock.shifted(at(datetime(2027, 9, 7, 13, 0))):  # Independence Day, a Tuesday
        counted(services, key)
        said = plan_of(signed_in("marketing", locale="en"), key)
    assert said.startswith("3 Wed 08/09 at 09:00 (SP)")


def test_who_would_be_reached_after_valid_until_is_said_to_get_nothing(
    services: Services, signed_in: SignIn, key: int
) -> None:
    with clock.shifted(at(NINE)):
        change(services, key, valid_until=NINE + timedelta(hours=1, minutes=30))
        said = plan_of(signed_in("marketing", locale="en"), key)
    assert said == "3 now (SP) · 3 at 10:00 (AM/MT) · 3 at 11:00 (AC/AM) too late, not sent · 2 blocked"


def test_a_valid_until_before_any_window_opens_stops_the_click_with_words(
    services: Services, signed_in: SignIn, key: int
) -> None:
    with clock.shifted(at(NINE - timedelta(hours=2))):
        browser = signed_in("marketing", locale="en")
        change(services, key, valid_until=NINE - timedelta(minutes=5))
        words = "comes before the sending window opens for anybody"
        page = text_of(browser.get(f"/campaigns/{key}/review"))
        assert words in page
        assert "Send to" not in page
        answer = browser.post(f"/campaigns/{key}/launch")
    assert (answer.status_code, words in text_of(answer)) == (422, True)
    assert found(services.db, key).run_id is None


class TestOverride:
    """Sending at any hour is an administrator's to allow, for the campaign as it is."""

    def save(self, browser: FlaskClient, key: int, **data: str) -> None:
        base = {"mode": "now", "timezone": "America/Sao_Paulo", "handover": "held"}
        assert browser.post(f"/campaigns/{key}/schedule", data=base | data).status_code == 303

    def audited(self, services: Services) -> list[str]:
        with services.db.reading() as session:
            actions = select(Audit.action).where(Audit.action.like("campaign.window%")).order_by(Audit.id)
            return list(session.scalars(actions))

    def test_is_offered_to_administrators_only_and_taken_from_nobody_else(
        self, services: Services, signed_in: SignIn, key: int
    ) -> None:
        for role, offered in (("marketing", False), ("admin", True)):
            page = signed_in(role).get(f"/campaigns/{key}/schedule").get_data(as_text=True)
            assert ('name="ignores_window"' in page) == offered
        self.save(signed_in("marketing"), key, ignores_window="y")
        assert not found(services.db, key).ignores_window
        assert self.audited(services) == []

    def test_is_said_at_the_review_and_on_the_campaigns_page_and_noted_twice(
        self, services: Services, signed_in: SignIn, key: int
    ) -> None:
        with clock.shifted(at(NINE + timedelta(hours=15))):  # midnight
            admin, marketing = signed_in("admin", locale="en"), signed_in("marketing", locale="en")
            self.save(admin, key, ignores_window="y")
            page = text_of(marketing.get(f"/campaigns/{key}/review"))
            assert "At any hour (an administrator's override)" in page
            assert plan_of(marketing, key) == "9 now · 2 blocked"
            assert marketing.post(f"/campaigns/{key}/launch").status_code == 303
            assert "overridden by an administrator" in text_of(marketing.get(f"/campaigns/{key}"))
        assert self.audited(services) == ["campaign.window"]
        with services.db.reading() as session:
            detail = session.scalars(select(Audit.detail).where(Audit.action == "campaign.launch")).one()
        assert detail == {"recipients": 9, "credits": 9, "ignores_window": True}

    @pytest.mark.parametrize(
        ("step", "data"),
        [
            ("audience", {"name": "Outra", "lists": "1"}),
            ("message", {"type": "0", "text": "Outro texto"}),
            ("schedule", {"mode": "now", "timezone": "America/Sao_Paulo", "handover": "held", "ignores_window": "y"}),
        ],
    )
    def test_ends_when_somebody_else_changes_what_was_allowed(
        self, services: Services, signed_in: SignIn, key: int, step: str, data: dict[str, str]
    ) -> None:
        self.save(signed_in("admin"), key, ignores_window="y")
        assert signed_in("marketing").post(f"/campaigns/{key}/{step}", data=data).status_code == 303
        assert not found(services.db, key).ignores_window
        assert self.audited(services) == ["campaign.window", "campaign.window_kept"]

    def test_stays_when_the_administrator_changes_it(self, services: Services, signed_in: SignIn, key: int) -> None:
        admin = signed_in("admin")
        self.save(admin, key, ignores_window="y")
        admin.post(f"/campaigns/{key}/message", data={"type": "0", "text": "Outro texto"})
        assert found(services.db, key).ignores_window


def test_a_schedule_that_summer_time_skips_or_doubles_is_taken_and_said(
    services: Services, signed_in: SignIn, key: int
) -> None:
    asked = {"mode": "at", "timezone": "America/New_York", "handover": "held"}
    with clock.shifted(at(datetime(2027, 3, 3, 12, 0))):
        browser = signed_in("marketing", locale="en")
        skipped, doubled = {"date": "2027-03-14", "time": "02:30"}, {"date": "2027-11-07", "time": "01:30"}
        box = text_of(browser.post("/campaigns/when", data=asked | skipped))
        assert "03:00 in New York (UTC−4)" in box
        assert "summer time skips it. 03:00 was taken instead." in box
        led = browser.post(f"/campaigns/{key}/schedule", data=asked | skipped)
        assert "summer time skips it. 03:00 was taken instead." in text_of(browser.get(led.location))
        assert found(services.db, key).send_at == datetime(2027, 3, 14, 7, 0)
        led = browser.post(f"/campaigns/{key}/schedule", data=asked | doubled)
        page = text_of(browser.get(led.location))
        assert "That time comes twice on that day, when summer time ends. The first one was taken." in page
        assert "01:30 in New York (UTC−4)" in page
        assert found(services.db, key).send_at == datetime(2027, 11, 7, 5, 30)
        until = {"valid_date": "2027-11-07", "valid_time": "01:30"}
        led = browser.post(f"/campaigns/{key}/schedule", data=asked | {"mode": "now"} | until)
        assert "Valid until: That time comes twice" in text_of(browser.get(led.location))
        assert found(services.db, key).valid_until == datetime(2027, 11, 7, 5, 30)


@pytest.mark.parametrize("year", ["0001", "1899", "9999"])
def test_a_year_at_the_end_of_the_calendar_is_refused_on_its_field(
    services: Services, signed_in: SignIn, key: int, year: str
) -> None:
    browser, last = signed_in("marketing", locale="en"), {"date": f"{year}-12-31", "time": "23:59"}
    asked = {"mode": "at", "timezone": "America/Rio_Branco", "handover": "held"} | last
    assert "There is no sending in the year" in text_of(browser.post("/campaigns/when", data=asked))
    answer = browser.post(f"/campaigns/{key}/schedule", data=asked)
    assert (answer.status_code, "There is no sending in the year" in text_of(answer)) == (422, True)
    until = {"mode": "now", "timezone": "UTC", "handover": "held", "valid_date": f"{year}-12-31"}
    answer = browser.post(f"/campaigns/{key}/schedule", data=until)
    assert (answer.status_code, 'id="valid_date-error"' in answer.get_data(as_text=True)) == (422, True)
    assert found(services.db, key).send_at is None


def test_every_moment_of_a_day_opens_where_it_is_day(services: Services) -> None:
    window = services.settings.window
    for hour in range(24):
        moment = datetime.combine(NINE.date(), time(hour), UTC)
        for number, offset in ((SAO_PAULO, -3), (MANAUS, -4), (CUIABA, -4), (ACRE, -5)):
            there = (moment + timedelta(hours=offset)).time()
            assert window.is_open(moment, number) == (time(9) <= there < time(20)), (moment, number)
        assert window.is_open(moment, TEFE) == (window.is_open(moment, MANAUS) and window.is_open(moment, ACRE))

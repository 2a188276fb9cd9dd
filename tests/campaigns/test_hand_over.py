"""Scheduled campaigns on the wire: held here until shortly before their time, or handed over at once, in any zone."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from tests.campaigns.cast import balance, contact_list, draft, found, people
from tests.campaigns.test_compose import text_of
from tests.make import ANA, BRUNO
from webapp.campaigns import commands
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.messages import queries, sending
from webapp.messages.models import Run
from webapp.messages.queries import Counts
from webapp.messages.sweep import sweep
from webapp.sandbox.answers import Reply
from webapp.sandbox.server import Sandbox

SignIn = Callable[..., FlaskClient]
BRAZIL = {
    "America/Sao_Paulo": "-03:00", "America/Manaus": "-04:00", "America/Cuiaba": "-04:00",
    "America/Rio_Branco": "-05:00", "America/Eirunepe": "-05:00", "America/Noronha": "-02:00",
}  # fmt: skip
ABROAD = {  # January, July
    "Europe/Lisbon": ("+00:00", "+01:00"), "America/New_York": ("-05:00", "-04:00"),
    "America/Asuncion": ("-03:00", "-03:00"), "Australia/Sydney": ("+11:00", "+10:00"),
    "Asia/Kolkata": ("+05:30", "+05:30"), "UTC": ("+00:00", "+00:00"),
}  # fmt: skip
OFFSETS = [
    *((zone, month, offset) for zone, offset in BRAZIL.items() for month in (1, 7)),
    *((zone, month, offset) for zone, both in ABROAD.items() for month, offset in zip((1, 7), both, strict=True)),
]


class Wire(Sandbox):
    """The gateway's stand-in, and the bodies that it was sent."""

    def __init__(self, **options: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        super().__init__(**options)

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: str) -> Reply:
        """As the sandbox does; what a batch shares is kept."""
        if "send-multiple" in target:
            self.bodies.append(json.loads(body))
        return super().respond(method, target, headers, body, peer)

    @property
    def shared(self) -> dict[str, Any]:
        """What all messages of the only call had in common."""
        assert len(self.bodies) == 1
        found: dict[str, Any] = self.bodies[0]["defaultValues"]
        return found


@pytest.fixture
def box() -> Iterator[Wire]:
    with Wire(user="ana", password="segredo", speed=1000, replies=False) as sandbox:
        yield sandbox


@pytest.fixture
def handover() -> str:
    """Minutes; a test may give its own."""
    return "10"


@pytest.fixture
def settings(tmp_path: Path, box: Wire, handover: str) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path / "instance", secret_key="a secret for tests only", sending_window="always",
        gateway_url=box.url, gateway_user="ana", gateway_password="segredo", gateway_timeout="5", handover_minutes=handover, batch_size="100",
    )  # fmt: skip


@pytest.fixture
def key(services: Services) -> int:
    """A draft to two people."""
    with services.db.writing() as session:
        balance(session)
        return draft(session, [contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])]).id


def send_what_is_due(services: Services) -> int:
    """How many calls it took."""
    settings, calls = services.settings, 0
    gateway = Gateway(settings.gateway_url or "", "ana", "segredo", timeout=settings.gateway_timeout)
    while sending.send_next(services.db, settings, gateway):
        calls += 1
    return calls


def next_fifteenth(month: int, zone: str) -> datetime:
    """Three in the afternoon of the 15th of the next January or July to come, on the zone's clocks."""
    today = clock.now().date()
    year = today.year if (today.month, today.day) < (month, 14) else today.year + 1
    return datetime(year, month, 15, 15, 0, tzinfo=ZoneInfo(zone))


def schedule(browser: FlaskClient, key: int, wall: datetime, zone: str, **data: str) -> None:
    """The third step and the confirming click."""
    asked = {
        "mode": "at", "date": f"{wall:%Y-%m-%d}", "time": f"{wall:%H:%M}", "timezone": zone, "handover": "held",
    } | data  # fmt: skip
    assert browser.post(f"/campaigns/{key}/schedule", data=asked).location == f"/campaigns/{key}/review"
    assert browser.post(f"/campaigns/{key}/launch").location == f"/campaigns/{key}"


def counts_of(services: Services, key: int) -> Counts:
    with services.db.reading() as session:
        campaign = found(services.db, key)
        return queries.counts(session, session.get_one(Run, campaign.run_id))


def shifted_to(moment: datetime) -> Any:
    """This process lives at that moment; the gateway does not."""
    return clock.shifted(clock.naive(moment) - clock.now())


@pytest.mark.parametrize(("zone", "month", "offset"), OFFSETS)
def test_the_schedule_travels_as_the_zones_clocks_show_it_with_the_offset_they_have_then(
    services: Services, browser: FlaskClient, box: Wire, key: int, zone: str, month: int, offset: str
) -> None:
    wall = next_fifteenth(month, zone)
    schedule(browser, key, wall, zone)
    with shifted_to(wall - timedelta(minutes=9)):
        assert send_what_is_due(services) == 1
    assert (box.shared["schedule"], box.shared["timezone"]) == (f"{wall:%Y-%m-%d} 15:00:00", offset)
    planned = {datetime.fromisoformat(row["schedule"]).astimezone(UTC) for row in box.ledger()}
    assert planned == {wall.astimezone(UTC)}
    assert counts_of(services, key).accepted == 2


def test_it_is_held_here_until_ten_minutes_before_its_time_and_not_a_second_longer(
    services: Services, browser: FlaskClient, box: Wire, key: int
) -> None:
    wall = next_fifteenth(7, "America/Sao_Paulo")
    schedule(browser, key, wall, "America/Sao_Paulo")
    for early in (timedelta(days=1), timedelta(minutes=10, seconds=2)):
        with shifted_to(wall - early):
            assert send_what_is_due(services) == 0
            assert counts_of(services, key).held == 2
    with shifted_to(wall - timedelta(minutes=10)):
        assert send_what_is_due(services) == 1
    assert "schedule" in box.shared


def test_what_is_held_can_be_cancelled_to_the_last_person(
    services: Services, browser: FlaskClient, box: Wire, key: int
) -> None:
    wall = next_fifteenth(7, "America/Sao_Paulo")
    schedule(browser, key, wall, "America/Sao_Paulo")
    browser.post(f"/campaigns/{key}/cancel")
    assert "Cancelled in time: nothing has left." in text_of(browser.get(f"/campaigns/{key}"))
    with shifted_to(wall):
        assert send_what_is_due(services) == 0
    assert (counts_of(services, key).cancelled, box.ledger()) == (2, [])


@pytest.mark.parametrize("handover", ["0", "1", "60", "1440"])
def test_the_installation_decides_how_long_before(
    services: Services, browser: FlaskClient, box: Wire, key: int, handover: str
) -> None:
    minutes = int(handover)
    wall = next_fifteenth(7, "America/Sao_Paulo")
    assert f"It leaves {minutes} minutes before its time" in text_of(browser.get(f"/campaigns/{key}/schedule"))
    schedule(browser, key, wall, "America/Sao_Paulo")
    with shifted_to(wall - timedelta(minutes=minutes, seconds=2)):
        assert send_what_is_due(services) == 0
    with shifted_to(wall - timedelta(minutes=minutes)):
        assert send_what_is_due(services) == 1
    assert ("schedule" in box.shared) == (minutes > 1)  # so near, or past, it leaves without


def test_the_clock_set_back_while_it_waits_changes_nothing_about_its_time(
    services: Services, signed_in: SignIn, box: Wire, key: int
) -> None:
    wall = next_fifteenth(7, "America/Sao_Paulo")
    with shifted_to(wall - timedelta(hours=1)):
        schedule(signed_in("marketing"), key, wall, "America/Sao_Paulo")
    with shifted_to(wall - timedelta(hours=3)):  # two hours back
        assert send_what_is_due(services) == 0
    with shifted_to(wall - timedelta(minutes=5)):
        assert send_what_is_due(services) == 1
    assert box.shared["schedule"] == f"{wall:%Y-%m-%d} 15:00:00"


class TestHandedOverAtOnce:
    def test_the_step_and_the_review_warn_plainly_that_it_can_not_be_cancelled(
        self, browser: FlaskClient, key: int
    ) -> None:
        wall = next_fifteenth(7, "America/Sao_Paulo")
        step = browser.get(f"/campaigns/{key}/schedule")
        assert 'type="radio" name="handover" id="handover-now" value="now"' in step.get_data(as_text=True)
        assert "What is handed over can not be cancelled any more" in text_of(step)
        asked = {"mode": "at", "date": f"{wall:%Y-%m-%d}", "time": "15:00", "timezone": "America/Sao_Paulo"}
        led = browser.post(f"/campaigns/{key}/schedule", data=asked | {"handover": "now"})
        review = text_of(browser.get(led.location))
        assert "Handed over at once: it can not be cancelled any more." in review
        assert "you have 15 seconds to cancel it. Then it is with the gateway, which takes nothing back." in review
        assert "Until it leaves you can cancel all of it." not in review

    def test_it_leaves_months_ahead_with_its_schedule_and_cancelling_says_how_many_left(
        self, services: Services, browser: FlaskClient, box: Wire, key: int
    ) -> None:
        wall = next_fifteenth(7, "America/Rio_Branco")
        schedule(browser, key, wall, "America/Rio_Branco", handover="now")
        page = text_of(browser.get(f"/campaigns/{key}"))
        assert "It goes to the gateway now; what it has can not be cancelled any more." in page
        assert "can still be changed by cancelling" not in page
        assert "It leaves in" in page  # the seconds in which it can be undone, counted down
        assert send_what_is_due(services) == 0
        with clock.shifted(timedelta(seconds=16)):
            assert send_what_is_due(services) == 1
        assert (box.shared["schedule"], box.shared["timezone"]) == (f"{wall:%Y-%m-%d} 15:00:00", "-05:00")
        assert len(box.ledger()) == counts_of(services, key).accepted == 2
        page = text_of(browser.get(f"/campaigns/{key}"))
        assert "2 messages are with the gateway and arrive then. They can not be cancelled any more." in page
        browser.post(f"/campaigns/{key}/cancel")
        assert "There was nothing left to cancel" in text_of(browser.get(f"/campaigns/{key}"))
        assert counts_of(services, key).cancelled == 0

    def test_cancelling_in_the_middle_says_how_many_left(
        self, services: Services, browser: FlaskClient, box: Wire, key: int
    ) -> None:
        with services.db.writing() as session:
            session.get_one(Campaign, key).lists = [contact_list(session, "Clube", people(250, first=5511981232000))]
        wall = next_fifteenth(7, "America/Sao_Paulo")
        schedule(browser, key, wall, "America/Sao_Paulo", handover="now")
        settings = services.settings
        gateway = Gateway(settings.gateway_url or "", "ana", "segredo", timeout=settings.gateway_timeout)
        with clock.shifted(timedelta(seconds=16)):
            assert sending.send_next(services.db, settings, gateway)
        browser.post(f"/campaigns/{key}/cancel")
        assert "Cancelled. 100 messages had left already." in text_of(browser.get(f"/campaigns/{key}"))
        counts = counts_of(services, key)
        assert (counts.accepted, counts.cancelled, counts.adds_up) == (100, 150, True)

    def test_it_means_nothing_without_a_date(self, services: Services, browser: FlaskClient, key: int) -> None:
        asked = {"mode": "now", "timezone": "America/Sao_Paulo", "handover": "now"}
        browser.post(f"/campaigns/{key}/schedule", data=asked)
        assert found(services.db, key).handover == "held"
        assert "can not be cancelled any more" not in text_of(browser.get(f"/campaigns/{key}/review"))


class TestCommand:
    def send(self, services: Services, **asked: Any) -> int:
        with services.db.writing() as session:
            balance(session)
            contact_list(session, "Loja", people(2))
        done = commands.send(services, list_name="Loja", type=0, content="Oi", **asked)
        assert done["recipients"] == 2
        return int(done["id"])

    @pytest.mark.parametrize(("zone", "offset"), [("America/Noronha", "-02:00"), (None, "-03:00")])
    def test_at_and_timezone_travel_like_the_pages(
        self, services: Services, box: Wire, zone: str | None, offset: str
    ) -> None:
        wall = next_fifteenth(1, zone or "America/Sao_Paulo")
        self.send(services, at=f"{wall:%Y-%m-%d %H:%M}", timezone=zone)
        with shifted_to(wall - timedelta(minutes=5)):
            assert send_what_is_due(services) == 1
        assert (box.shared["schedule"], box.shared["timezone"]) == (f"{wall:%Y-%m-%d} 15:00:00", offset)

    @pytest.mark.parametrize(
        ("at", "words"),
        [("2027-03-14 02:30", "summer time skips it. 03:00"), ("2027-11-07 01:30", "comes twice"),
         ("2027-05-05 01:30", ""), (None, "")],
    )  # fmt: skip
    def test_what_summer_time_makes_of_it_is_said(self, services: Services, at: str | None, words: str) -> None:
        said = commands.shift_words(services, at, "America/New_York", "en")
        assert words in said
        assert bool(said) == bool(words)


def test_what_is_past_valid_until_expires_with_the_reason_and_the_sum_is_right(
    services: Services, browser: FlaskClient, box: Wire, key: int
) -> None:
    wall = next_fifteenth(7, "America/Sao_Paulo")
    until = {"valid_date": f"{wall:%Y-%m-%d}", "valid_time": "16:00"}
    schedule(browser, key, wall, "America/Sao_Paulo", **until)
    assert f"{wall:%d/%m/%Y} 16:00" in text_of(browser.get(f"/campaigns/{key}"))
    with shifted_to(wall + timedelta(minutes=61)):  # we were down all the while
        services.db.retrying(lambda session: sweep(session, services.settings))
        assert send_what_is_due(services) == 0
        counts = counts_of(services, key)
    assert (counts.expired, counts.total, counts.adds_up) == (2, 2, True)
    assert box.ledger() == []
    page = text_of(browser.get(f"/campaigns/{key}"))
    assert "Nobody was written to" in page
    assert "The message was valid until a moment that has passed." in page

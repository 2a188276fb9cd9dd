from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core import phone
from webapp.core.window import DEFAULT_WINDOW, SendingWindow

USUAL = SendingWindow.parse(DEFAULT_WINDOW)
ALWAYS = SendingWindow.parse("always")


def at(text: str) -> datetime:
    """A moment in Brasília's time, as `2026-06-10 09:00` (a Wednesday without holiday near)."""
    return datetime.fromisoformat(text + "-03:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("nonsense", "'nonsense'"),
        ("mon", "no span of hours"),
        ("mon-fry 09:00-20:00", "'fry'"),
        ("seg-sex 09:00-20:00", "'seg'"),
        ("mon 9-20", "'9-20'"),
        ("mon 09:00-25:00", "no time of the day"),
        ("mon 09:70-20:00", "no time of the day"),
        ("mon 20:00-09:00", "cross midnight"),
        ("mon 09:00-09:00", "ends before"),
        ("mon 09:00-20:00; tue", "'tue'"),
    ],
)
def test_a_nonsense_window_names_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SendingWindow.parse(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="Mars"):
        SendingWindow.parse("always", "Mars/Phobos")


@pytest.mark.parametrize(
    ("moment", "number", "opens"),
    [
        ("2026-06-10 12:00", 5511987654321, "2026-06-10 12:00"),
        ("2026-06-10 08:59", 5511987654321, "2026-06-10 09:00"),
        ("2026-06-10 20:00", 5511987654321, "2026-06-11 09:00"),
        ("2026-06-13 13:30", 5511987654321, "2026-06-15 09:00"),  # Saturday afternoon → Monday
        ("2026-06-10 09:00", 5565987654321, "2026-06-10 10:00"),  # Mato Grosso
        ("2026-06-10 20:30", 5565987654321, "2026-06-10 20:30"),
        ("2026-06-10 09:00", 5568987654321, "2026-06-10 11:00"),  # Acre
        ("2026-06-10 09:00", 5597987654321, "2026-06-10 11:00"),  # both zones of 97: Acre's morning …
        ("2026-06-10 21:30", 5597987654321, "2026-06-11 11:00"),  # … and Manaus's evening
        ("2026-06-10 19:30", 5581987654321, "2026-06-11 09:00"),  # Noronha has 20:30
        ("2026-06-10 08:00", 351912345678, "2026-06-10 09:00"),  # abroad: the installation's zone
        ("2026-09-07 12:00", 5511987654321, "2026-09-08 09:00"),  # Independence Day, a Monday
        ("2026-04-02 21:00", 5511987654321, "2026-04-04 09:00"),  # Good Friday
    ],
)
def test_a_message_waits_for_the_recipients_morning(moment: str, number: int, opens: str) -> None:
    assert USUAL.next_opening(at(moment), number) == at(opens)
    assert USUAL.is_open(at(moment), number) == (moment == opens)
    assert USUAL.openings_from(at(moment))(number) == at(opens)


def test_always_is_open_on_christmas_night() -> None:
    moment = at("2026-12-25 03:00")
    assert ALWAYS.is_open(moment, 11)
    assert ALWAYS.closes_at(moment, 11) is None


def test_the_closing_time_is_the_earlier_of_two_zones() -> None:
    assert USUAL.closes_at(at("2026-06-10 12:00"), 11) == at("2026-06-10 20:00")
    assert USUAL.closes_at(at("2026-06-10 12:00"), 97) == at("2026-06-10 21:00")
    with pytest.raises(ValueError, match="shut"):
        USUAL.closes_at(at("2026-06-10 23:00"), 11)


def test_a_window_may_have_a_lunch_break_and_run_over_the_weekend() -> None:
    window = SendingWindow.parse("fri-mon 10:00-12:00, 13:00-24:00; tue 00:00-02:00")
    assert window.next_opening(at("2026-06-12 12:30"), 11) == at("2026-06-12 13:00")
    assert window.next_opening(at("2026-06-09 05:00"), 11) == at("2026-06-12 10:00")
    assert window.closes_at(at("2026-06-15 23:00"), 11) == at("2026-06-16 02:00")


def test_two_zones_without_a_common_hour_take_the_later_one() -> None:
    window = SendingWindow.parse("mon-sun 09:00-09:30")
    assert window.next_opening(at("2026-06-10 06:00"), 97) == at("2026-06-10 11:00")


def test_a_foreign_number_follows_the_zone_of_the_installation() -> None:
    window = SendingWindow.parse(DEFAULT_WINDOW, "Europe/Lisbon")
    moment = datetime(2026, 6, 10, 8, 0, tzinfo=UTC)  # 09:00 in Lisbon, 05:00 in São Paulo
    assert window.is_open(moment, 351912345678)
    assert not window.is_open(moment, 5511987654321)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from([None, *sorted(phone.DDDS)]),
)
def test_the_next_opening_is_open_near_and_allowed(naive: datetime, ddd: int | None) -> None:
    moment = naive.replace(tzinfo=UTC)
    opening = USUAL.next_opening(moment, ddd)
    assert moment <= opening <= moment + timedelta(days=6)
    assert USUAL.is_open(opening, ddd)
    for zone in USUAL.zones(ddd):
        local = opening.astimezone(ZoneInfo(zone))
        assert 9 <= local.hour < (13 if local.weekday() == 5 else 20)
        assert local.weekday() < 6
    if opening > moment:
        assert not USUAL.is_open(opening - timedelta(microseconds=1), ddd)

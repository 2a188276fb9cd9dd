"""Moments as people write them: skipped and doubled hours, zones that do not exist."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webapp.campaigns import schedule, words
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.i18n import speaking
from webapp.core.window import SendingWindow


def test_a_skipped_hour_becomes_the_next_valid_minute_and_says_so() -> None:
    found = schedule.read(date(2027, 3, 14), time(2, 30), "America/New_York")
    assert (found.wall.replace(tzinfo=None), found.shift) == (datetime(2027, 3, 14, 3, 0), "skipped")


def test_a_doubled_hour_means_the_first_and_says_so() -> None:
    found = schedule.read(date(2026, 11, 1), time(1, 30), "America/New_York")
    assert (found.utc, found.shift) == (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "doubled")


def test_brazil_has_no_summer_time_any_more() -> None:
    found = schedule.read(date(2027, 1, 10), time(9, 0), "America/Sao_Paulo")
    assert (found.utc.hour, found.shift, schedule.offset_of(found.wall)) == (12, "", "UTC−3")


@pytest.mark.parametrize("zone", ["", "Brasil", "../../etc/passwd", "America/Sao Paulo", "GMT+25"])
def test_a_zone_that_does_not_exist_is_named(zone: str) -> None:
    with pytest.raises(UserError, match="no time zone called"):
        schedule.read(date(2027, 1, 10), time(9, 0), zone)


def test_offsets_with_minutes_are_written_out() -> None:
    assert schedule.offset_of(schedule.read(date(2027, 1, 1), time(0, 0), "Asia/Kolkata").wall) == "UTC+5:30"
    assert schedule.offset_of(schedule.read(date(2027, 1, 1), time(0, 0), "UTC").wall) == "UTC+0"


ZONES = sorted(available_timezones() - {"localtime"})  # that one is whatever this machine lives by
HOUR = timedelta(hours=1)


@cache
def changes_of(zone: str, year: int) -> list[datetime]:
    """Wall-clock times just before the clocks of a zone change in a year, to the hour."""
    tz, at = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    hours = [at + HOUR * n for n in range(366 * 24 + 1)]
    offsets = [hour.astimezone(tz).utcoffset() for hour in hours]
    return [
        hour.astimezone(tz).replace(tzinfo=None, fold=0)
        for hour, before, after in zip(hours, offsets, offsets[1:], strict=False)
        if before != after
    ]


@st.composite
def wishes(draw: st.DrawFn) -> tuple[datetime, str]:
    """Any minute in any zone; every other one near a change of that zone's clocks, where it has any."""
    zone, year = draw(st.sampled_from(ZONES)), draw(st.integers(1971, 2060))
    wall = draw(st.datetimes(datetime(year, 1, 1), datetime(year, 12, 31, 23, 59)))
    changes = changes_of(zone, year)
    if changes and draw(st.booleans()):
        wall = draw(st.sampled_from(changes)) + timedelta(minutes=draw(st.integers(-30, 26 * 60)))
    return wall.replace(second=0, microsecond=0), zone


def moments_of(wall: datetime, zone: str) -> list[datetime]:
    """Every moment at which the clocks of a zone show this time, by asking each offset it has that week."""
    tz, near = ZoneInfo(zone), wall.replace(tzinfo=UTC)
    offsets = {(near + HOUR * hours).astimezone(tz).utcoffset() for hours in range(-72, 73)}
    found = {near - offset for offset in offsets if offset is not None}
    return sorted(moment for moment in found if moment.astimezone(tz).replace(tzinfo=None, fold=0) == wall)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wishes())
@example((datetime(2011, 12, 30, 0, 0), "Pacific/Apia"))  # a whole day that never was
@example((datetime(2018, 11, 4, 0, 0), "America/Sao_Paulo"))  # Brazil's last summer time began at midnight
@example((datetime(2019, 2, 16, 23, 30), "America/Sao_Paulo"))
@example((datetime(2027, 4, 4, 1, 45), "Australia/Lord_Howe"))  # half an hour
@example((datetime(1972, 1, 7, 0, 20), "Africa/Monrovia"))  # 44 minutes and 30 seconds
def test_any_time_in_any_zone_is_its_first_moment_or_where_it_has_none_the_next_minute_that_has(
    wish: tuple[datetime, str],
) -> None:
    wall, zone = wish
    found, there = schedule.read(wall.date(), wall.time(), zone), moments_of(wall, zone)
    shown = found.wall.replace(tzinfo=None, fold=0)
    assert found.shift == {0: "skipped", 1: ""}.get(len(there), "doubled")
    if there:
        assert (found.utc, shown) == (there[0], wall)
        return
    assert shown > wall
    assert moments_of(shown, zone)[0] == found.utc
    assert shown.second == 0
    assert not any(moments_of(wall + timedelta(minutes=n), zone) for n in range(1, int((shown - wall) / HOUR * 60)))


@given(wishes())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_moment_that_was_saved_shows_the_same_when_the_step_is_opened_again(wish: tuple[datetime, str]) -> None:
    """The step shows the stored moment on the zone's clocks; saving it unchanged must not move it."""
    wall, zone = wish
    once = schedule.read(wall.date(), wall.time(), zone)
    stored = clock.aware(clock.naive(once.utc)).astimezone(ZoneInfo(zone))
    again = schedule.read(stored.date(), stored.time(), zone)
    assert again.utc == once.utc


@pytest.mark.parametrize("year", [1, 1899, 9999])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Rio_Branco"])
def test_a_year_that_nobody_can_mean_is_refused(year: int, zone: str) -> None:
    for at in (time(0, 0), time(23, 59)):
        with pytest.raises(UserError, match=f"no sending in the year {year}"):
            schedule.read(date(year, 1, 1), at, zone)
        with pytest.raises(UserError, match="no sending"):
            schedule.read(date(year, 12, 31), at, zone)


def test_the_sending_window_is_told_in_words(app: Flask) -> None:
    window = SendingWindow.parse("mon-fri 09:00-20:00; sat 09:00-13:00")
    with speaking(app, "pt_BR"):
        assert words.window_words(window) == "seg. a sex. 09:00–20:00 · sáb. 09:00–13:00"
        assert words.window_words(SendingWindow.parse("always")) == "a qualquer hora"
    with speaking(app, "en"):
        assert words.window_words(SendingWindow.parse("sun 10:00-11:00,14:00-15:30")) == "Sun 10:00–11:00, 14:00–15:30"

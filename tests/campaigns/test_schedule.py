"""Moments as people write them: skipped and doubled hours, zones that do not exist."""

from datetime import UTC, date, datetime, time

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from webapp.campaigns import schedule, words
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


@given(
    st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    st.times(),
    st.sampled_from(["America/Sao_Paulo", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_moment_shows_the_wall_clock_it_was_made_from_or_says_what_became_of_it(
    day: date, at: time, zone: str
) -> None:
    at = at.replace(microsecond=0)
    found = schedule.read(day, at, zone)
    shown = found.wall.replace(tzinfo=None)
    assert (shown == datetime.combine(day, at)) == (found.shift != "skipped")
    assert shown >= datetime.combine(day, at)


def test_the_sending_window_is_told_in_words(app: Flask) -> None:
    window = SendingWindow.parse("mon-fri 09:00-20:00; sat 09:00-13:00")
    with speaking(app, "pt_BR"):
        assert words.window_words(window) == "seg. a sex. 09:00–20:00 · sáb. 09:00–13:00"
        assert words.window_words(SendingWindow.parse("always")) == "a qualquer hora"
    with speaking(app, "en"):
        assert words.window_words(SendingWindow.parse("sun 10:00-11:00,14:00-15:30")) == "Sun 10:00–11:00, 14:00–15:30"

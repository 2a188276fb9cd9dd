"""Wall-clock times in zones: skipped hours, doubled hours, zones that do not exist."""

from datetime import UTC, datetime

import pytest

from webapp.core import clock


def test_a_time_that_summer_time_skips_becomes_the_next_valid_minute() -> None:
    moment = clock.local_to_utc(datetime(2026, 3, 29, 2, 30), "Europe/Berlin")
    assert moment == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 03:00 in Berlin, the first minute after the gap


def test_a_time_that_comes_twice_means_the_first() -> None:
    moment = clock.local_to_utc(datetime(2026, 10, 25, 2, 30), "Europe/Berlin")
    assert moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_brazil_has_no_summer_time_any_more() -> None:
    assert clock.local_to_utc(datetime(2026, 12, 25, 9, 0), "America/Sao_Paulo") == datetime(
        2026, 12, 25, 12, tzinfo=UTC
    )


@pytest.mark.parametrize("name", ["Sao_Paulo", "", "../etc/passwd", "America/Nowhere", "\x00"])
def test_an_impossible_zone_is_named_in_the_refusal(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        clock.zone(name)


def test_naive_and_aware_are_each_others_inverse() -> None:
    moment = clock.now()
    assert clock.naive(clock.aware(moment)) == moment


@pytest.mark.parametrize(
    ("steady", "wall", "said"), [(3, 3, 3), (3, 3600, 3600), (3, -3600, 3)], ids=["awake", "asleep", "set back"]
)
def test_a_stopwatch_counts_sleep_and_does_not_run_backwards(
    monkeypatch: pytest.MonkeyPatch, steady: float, wall: float, said: float
) -> None:
    now = {"monotonic": 50.0, "time": 1e9}
    for name in now:
        monkeypatch.setattr(clock.time, name, lambda name=name: now[name])
    watch = clock.Stopwatch()
    now["monotonic"] += steady
    now["time"] += wall
    assert watch.seconds() == said

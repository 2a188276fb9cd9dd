"""Moments until when something is somebody's, by clocks that go back."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import literal, select

from webapp.core import leases
from webapp.core.db import Database

NOW = datetime(2026, 11, 22, 12, 0)
MINUTE = timedelta(minutes=1)
away = st.timedeltas(timedelta(days=-2), timedelta(days=2))


@given(away, st.timedeltas(timedelta(0), timedelta(hours=3)))
def test_a_lease_is_never_waited_for_longer_than_its_length(ahead: timedelta, length: timedelta) -> None:
    until = NOW + ahead
    ends = NOW if leases.is_over(until, NOW, length) else until
    assert ends - NOW <= length + leases.SLACK


@given(st.timedeltas(timedelta(microseconds=1), MINUTE))
def test_a_lease_that_was_just_given_holds(left: timedelta) -> None:
    assert not leases.is_over(NOW + left, NOW, MINUTE)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_database_judges_it_alike(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else f"sqlite:///{tmp_path / 'a.db'}"
    db = Database(str(url))
    with db.reading() as session:
        for ahead in (-MINUTE, timedelta(0), MINUTE / 2, MINUTE, MINUTE + leases.SLACK, MINUTE * 3):
            judged = session.scalar(select(leases.over(literal(NOW + ahead), NOW, MINUTE)))
            assert bool(judged) == leases.is_over(NOW + ahead, NOW, MINUTE), ahead
    db.dispose()

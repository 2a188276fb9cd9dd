"""What is kept of the balance, and what is concluded from it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.credits import queries, service
from webapp.credits.models import BalanceReading
from webapp.gateway import account
from webapp.gateway.wire import Balance

NOW = datetime(2026, 11, 22, 15)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def reading(sms: int | None, *, whatsapp: int | None = None, expires: datetime | None = None) -> Balance:
    moment = expires.replace(tzinfo=UTC) if expires else None
    return Balance({1: sms, 2: None, 3: 0, 4: whatsapp}, None, moment, "")


def told(services: Services, *amounts: int | None, hours: float = 24) -> None:
    """One reading every so many hours, the last one now."""
    with services.db.writing() as session:
        for place, amount in enumerate(amounts):
            at = NOW - timedelta(hours=hours * (len(amounts) - 1 - place))
            service.record(session, reading(amount), at)


def alerts(session: Session, services: Services) -> list[str]:
    return [alert.key for alert in service.alerts(session, services.settings, NOW)]


def state(services: Services, number: int = 1) -> queries.PurseState:
    with services.db.reading() as session:
        return queries.purses(session, "classic", NOW)[number - 1]


def test_a_purse_that_was_not_told_is_unknown_and_never_zero(services: Services) -> None:
    told(services, 500)
    assert state(services, 2).credits is None
    assert not state(services, 2).low
    assert state(services, 3).credits == 0


def test_a_stretch_of_equal_readings_keeps_its_first_and_last(services: Services) -> None:
    told(services, 9, 9, 9, 9, 8, 8, 9)
    with services.db.reading() as session:
        rows = session.execute(select(BalanceReading.balance_1, BalanceReading.at).order_by(BalanceReading.id)).all()
    ago = [(amount, (NOW - at).days) for amount, at in rows]
    assert ago == [(9, 6), (9, 3), (8, 2), (8, 1), (9, 0)]


def test_the_pace_is_what_left_and_a_top_up_is_none(services: Services) -> None:
    told(services, 1000, 900, 800, 5800, 5700)
    purse = state(services)
    assert purse.per_day == pytest.approx(300 / 4)
    assert purse.days_left == pytest.approx(5700 / 75)


def test_an_hour_of_readings_is_not_taken_for_a_days_pace(services: Services) -> None:
    told(services, 1000, 900, hours=1)
    assert state(services).per_day == 100


def test_only_the_last_week_tells_the_pace(services: Services) -> None:
    told(services, 9000, 9000, 100, 100, 100, 100, 100, 100, 100, 100)
    assert state(services).per_day == 0
    assert state(services).days_left is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**9)), max_size=12))
def test_whatever_was_read_the_pace_is_no_less_than_nothing(amounts: list[int | None]) -> None:
    found = [(NOW - timedelta(hours=20 - n), (amount, None, 0, 3)) for n, amount in enumerate(amounts)]
    speed = queries.pace(found, NOW - timedelta(days=7), NOW)
    assert all(per_day >= 0 for per_day in speed.values())
    assert speed[4] == 0


def test_a_purse_below_its_mark_warns_and_one_never_used_does_not(services: Services) -> None:
    told(services, 1200, 999)
    with services.db.reading() as session:
        assert alerts(session, services) == ["low-1"]
    with services.db.writing() as session:
        service.set_thresholds(session, {"1": 0})
    with services.db.reading() as session:
        assert alerts(session, services) == []


def test_an_empty_purse_is_an_emergency(services: Services) -> None:
    told(services, 10, 0)
    with services.db.reading() as session:
        (alert,) = service.alerts(session, services.settings, NOW)
    assert (alert.key, alert.look) == ("low-1", "danger")


@pytest.mark.parametrize(("days", "expected"), [(16, []), (14, ["expiring"]), (-1, ["expired"])])
def test_expiry_is_told_before_it_comes(services: Services, days: int, expected: list[str]) -> None:
    with services.db.writing() as session:
        service.record(session, reading(9000, expires=NOW + timedelta(days=days)), NOW)
        assert alerts(session, services) == expected


def test_an_old_balance_is_called_old(services: Services) -> None:
    with services.db.writing() as session:
        service.record(session, reading(9000), NOW - timedelta(hours=3))
        assert alerts(session, services) == ["stale"]


@pytest.mark.parametrize("code", ["010", "090", "091", "garbled"])
def test_a_gateway_that_refuses_us_comes_first(services: Services, code: str) -> None:
    told(services, 1200, 999)
    with services.db.writing() as session:
        account.stop(session, code)
        assert alerts(session, services) == ["stopped", "low-1"]


def test_marks_go_back_to_the_usual_ones(services: Services) -> None:
    with services.db.writing() as session:
        assert service.set_thresholds(session, {"1": 50, "days": 3}) == {"1": 50, "days": 3}
        assert service.set_thresholds(session, {"1": 50}) == {}
        assert queries.thresholds(session)["1"] == 50
        service.set_thresholds(session, {"1": None})
        assert queries.thresholds(session) == queries.DEFAULT_THRESHOLDS | {"days": 3}
        with pytest.raises(UserError):
            service.set_thresholds(session, {"2": -1})


def test_the_history_has_every_day_of_the_readers_zone(services: Services) -> None:
    told(services, 300, 200, hours=48)
    with services.db.reading() as session:
        days = queries.daily(session, 4, SAO_PAULO, NOW)
    assert [(str(end.day), end.values[0]) for end in days] == [
        ("2026-11-20", 300), ("2026-11-21", 300), ("2026-11-22", 200),
    ]  # fmt: skip


def test_pages_of_readings_end(services: Services) -> None:
    told(services, *range(7))
    with services.db.reading() as session:
        first = queries.page(session, None, 4)
        rest = queries.page(session, int(first.next or 0), 4)
        assert len(first.rows) + len(rest.rows) == session.scalar(select(func.count(BalanceReading.id))) == 7
        assert rest.next is None

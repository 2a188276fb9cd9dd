"""What an address asks for: days of the reader's zone, numbers whole or by their end, nonsense left out."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.make import ANA
from webapp.reports import filters

SAO_PAULO, NORONHA = ZoneInfo("America/Sao_Paulo"), ZoneInfo("America/Noronha")
NOW = datetime(2026, 11, 22, 1, 30)  # 21 November, 22:30 in São Paulo; 23:30 in Noronha


def test_the_usual_period_is_seven_days_of_the_reader() -> None:
    wanted = filters.read({}, SAO_PAULO, NOW)
    assert (wanted.since, wanted.until) == (datetime(2026, 11, 15, 3), None)
    assert wanted.asked == ()


def test_today_begins_at_the_readers_own_midnight() -> None:
    assert filters.read({"period": "1"}, SAO_PAULO, NOW).since == datetime(2026, 11, 21, 3)
    assert filters.read({"period": "1"}, NORONHA, NOW).since == datetime(2026, 11, 21, 2)
    assert filters.read({"period": "1"}, ZoneInfo("UTC"), NOW).since == datetime(2026, 11, 22)


def test_chosen_days_include_both_ends_and_may_come_in_any_order() -> None:
    wanted = filters.read({"from": "2026-11-10", "to": "2026-11-01"}, SAO_PAULO, NOW)
    assert (wanted.since, wanted.until) == (datetime(2026, 11, 1, 3), datetime(2026, 11, 11, 3))
    assert wanted.form == {"period": "dates", "from": "2026-11-01", "to": "2026-11-10"}


def test_a_link_to_a_campaign_means_all_of_its_messages() -> None:
    assert filters.read({"campaign": "7"}, SAO_PAULO, NOW).since is None
    assert filters.read({"campaign": "7", "period": "7"}, SAO_PAULO, NOW).since is not None


@pytest.mark.parametrize("text", ["11 98765-4321", "+55 (11) 98765-4321", "11987654321", "551187654321"])
def test_a_whole_number_is_the_person_however_it_is_written(text: str) -> None:
    wanted = filters.read({"number": text}, SAO_PAULO, NOW)
    assert (wanted.number, wanted.digits) == (ANA, "")


def test_less_than_a_number_is_its_last_digits() -> None:
    assert filters.read({"number": "4321"}, SAO_PAULO, NOW).digits == "4321"
    assert filters.read({"number": "98765-4321"}, SAO_PAULO, NOW).digits == "987654321"


@pytest.mark.parametrize("text", ["21", "ana", "4321x", "-"])
def test_what_is_no_number_is_said_to_be_none(text: str) -> None:
    wanted = filters.read({"number": text}, SAO_PAULO, NOW)
    assert wanted.bad_number
    assert (wanted.number, wanted.digits) == (None, "")


NAMES = ["period", "from", "to", "type", "status", "carrier", "campaign", "number", "person", "after"]
VALUES = [
    "7",
    "30",
    "all",
    "dates",
    "2026-01-02",
    "12",
    "delivered",
    "-5",
    "outside",
    "11 98765-4321",
    "4321",
    "Vivo",
    "12-7",
]


@example({"period": "0", "campaign": "0"})
@example({"period": "7", "campaign": "12"})
@example({"campaign": "9" * 30})
@example({"number": "0" * 39 + " 0"})  # cut in the middle of its blank
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=50) | st.sampled_from(VALUES)))
def test_any_address_is_a_view(args: dict[str, str]) -> None:
    wanted = filters.read(args, SAO_PAULO, NOW)
    kept = wanted.of_people([7, 12]) if wanted.tells_number else wanted
    again = filters.read(kept.form, SAO_PAULO, NOW)
    assert again == kept, "the address that a view writes means the same view"
    assert sum(map(str.isdigit, kept.form.get("number", ""))) <= filters.MOST_DIGITS, "it tells no number"

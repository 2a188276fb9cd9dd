"""mt_id, mt_date, mo_new, mo and balance, in every shape that switches ask for."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.sandbox.conftest import Caller
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

DAY = 86400
WIDE = {"start_date": "2020-01-01T00:00:00", "end_date": "2090-01-01T00:00:00"}


def _around(box: Sandbox, before: float, after: float, zone: timezone | None = None) -> dict[str, str]:
    zone = zone or timezone(timedelta(hours=-3))
    moments = (box.clock.now() - before, box.clock.now() + after)
    start, end = (datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%dT%H:%M:%S") for moment in moments)
    return {"start_date": start, "end_date": end}


def test_mt_id_finds_by_id_and_by_reference(caller: Caller, box: Sandbox) -> None:
    one, two = caller.send(campaign_id="a")["id"], caller.send(campaign_id="b", type=5)["id"]
    by_reference = caller.get("mt_id", campaign_id="a,b,unknown")
    assert by_reference == {**caller.get("mt_id", id=f"{one},{two},999"), "messageCount": 2}
    row = by_reference["messages"][1]
    assert row.keys() == {"id", "campaign_id", "number", "status", "sent_date", "carrier_name"}
    assert (row["id"], row["number"], row["status"], row["carrier_name"]) == (two, "5511988880000", "-1", "Whatsapp")


def test_one_reference_may_have_several_rows(caller: Caller) -> None:
    for number in ("11988887001", "11988887002"):
        caller.send(number, campaign_id="same")
    assert [row["number"] for row in caller.get("mt_id", campaign_id="same")["messages"]] == [
        "5511988887001",
        "5511988887002",
    ]


def test_hundreds_of_references_are_asked_at_once(caller: Caller, box: Sandbox) -> None:
    messages = [{"number": 11960002100 + n, "content": "Oi", "campaign_id": f"r{n}"} for n in range(1200)]
    box.settings(special_numbers=False)
    caller.batch(*messages, type=0)
    form = {"campaign_id": ",".join(f"r{n}" for n in range(1200))}
    answer = caller.http.post(box.url + "mt_id", data=form, timeout=10).json()
    assert answer["messageCount"] == 1200


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("mt_id", {}),
        ("mt_id", {"id": "", "campaign_id": ","}),
        ("mt_date", {}),
        ("mt_date", {"start_date": "2020-01-01"}),
        ("mt_date", {"start_date": "2020-01-02", "end_date": "2020-01-01"}),
        ("mt_date", {"start_date": "x", "end_date": "y"}),
        ("mt_date", {**WIDE, "type": "x"}),
        ("mo", {}),
        ("mo_new", {"type": "-"}),
    ],
)
def test_a_search_without_sense_is_170(caller: Caller, call: str, params: dict[str, str]) -> None:
    assert caller.get(call, **params)["responseCode"] == "170"


def test_a_search_in_no_zone_is_140(caller: Caller) -> None:
    assert caller.get("mt_date", **WIDE, timezone="Brasília")["responseCode"] == "140"


def test_mt_date_keeps_to_its_window_and_speaks_in_the_zone_asked(caller: Caller, box: Sandbox) -> None:
    caller.send(campaign_id="old")
    box.advance(7200)
    caller.send(campaign_id="new")
    found = caller.get("mt_date", **_around(box, 60, 60))["messages"]
    assert [row["campaign_id"] for row in found] == ["new"]
    now = int(box.clock.now())
    for hours, offset in ((-3, None), (0, "+00:00"), (5.5, "+05:30")):
        zone = timezone(timedelta(hours=hours))
        extra = {"timezone": offset} if offset else {}
        row = caller.get("mt_date", **_around(box, 60, 60, zone), **extra)["messages"][0]
        assert row["sent_date"] == datetime.fromtimestamp(now, zone).strftime("%Y-%m-%d %H:%M:%S")


def test_mt_date_filters_by_type_and_status(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("1"), type=2, campaign_id="a")
    caller.send(number_for("9"), type=2, campaign_id="b")
    caller.send(number_for("1"), type=0, campaign_id="c")
    box.advance(120)
    window = _around(box, 600, 60)

    def found(**more: Any) -> list[str]:
        return [row["campaign_id"] for row in caller.get("mt_date", **window, **more).get("messages", [])]

    assert found() == ["a", "b", "c"]
    assert found(type=2) == ["a", "b"]
    assert found(type=2, status="0,1") == ["a"]
    assert found(status="9,1") == ["a", "b", "c"]
    assert found(status=-3) == []
    box.settings(strict_status_filter=False)
    assert found(status=-3) == ["a", "b", "c"]


def test_look_ups_end_after_32_days(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("reply"), campaign_id="a")
    box.advance(31.9 * DAY)
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 1
    assert caller.get("mo", **_around(box, 40 * DAY, 0))["messageCount"] == 1
    box.advance(0.2 * DAY)
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 0
    assert caller.get("mt_date", **_around(box, 40 * DAY, 0))["messageCount"] == 0
    assert caller.get("mo", **_around(box, 40 * DAY, 0))["messageCount"] == 0
    assert caller.get("mo_new")["messageCount"] == 0


def test_rows_may_be_late(caller: Caller, box: Sandbox) -> None:
    box.settings(late_seconds=30)
    caller.send(campaign_id="a")
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 0
    assert caller.get("mt_date", **_around(box, 60, 60))["messageCount"] == 0
    box.advance(31)
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 1


def test_scheduled_rows_may_hide_until_they_are_due(caller: Caller, box: Sandbox) -> None:
    at = datetime.fromtimestamp(box.clock.now() + 3600, UTC).isoformat(timespec="seconds")
    assert caller.send(campaign_id="a", schedule=at)["responseCode"] == "002"
    assert caller.status("a") == "-1"
    box.settings(hide_scheduled=True)
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 0
    box.advance(3601)
    assert caller.get("mt_id", campaign_id="a")["messageCount"] == 1


def test_mo_new_hands_out_once_and_mo_again_and_again(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("stop"), campaign_id="a", type=2)
    assert caller.get("mo_new")["messageCount"] == 0
    box.advance(300)
    row = caller.get("mo_new")["messages"][0]
    assert row.keys() == {"id", "campaign_id", "number", "content", "status", "date", "carrier"}
    assert (row["campaign_id"], row["content"], row["status"]) == ("a", "SAIR", "4")
    assert caller.get("mo_new")["messageCount"] == 0
    for _ in range(2):
        assert caller.get("mo", **_around(box, 3600, 0))["messages"] == [row]


def test_mo_new_of_a_type_leaves_the_others(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("reply"), campaign_id="sms", type=2)
    caller.send(number_for("reply", 1), campaign_id="whats", type=5)
    box.advance(300)
    assert [row["campaign_id"] for row in caller.get("mo_new", type=5)["messages"]] == ["whats"]
    assert [row["campaign_id"] for row in caller.get("mo_new")["messages"]] == ["sms"]


def test_mo_filters_by_window_type_and_reference(caller: Caller, box: Sandbox) -> None:
    for reference, kind in (("a", 2), ("b", 5)):
        caller.send(number_for("reply"), campaign_id=reference, type=kind)
    box.advance(300)
    window = _around(box, 3600, 0)
    assert caller.get("mo", **window)["messageCount"] == 2
    assert caller.get("mo", **window, type=5)["messages"][0]["campaign_id"] == "b"
    assert caller.get("mo", **window, campaign_id="a")["messageCount"] == 1
    assert caller.get("mo", **_around(box, 9000, -4000))["messageCount"] == 0


def test_the_id_of_a_reply_is_that_of_the_message_or_its_own(caller: Caller, box: Sandbox) -> None:
    caller.send(campaign_id="other")
    sent = caller.send(number_for("two replies"), campaign_id="a")["id"]
    box.advance(300)
    window = _around(box, 3600, 0)
    assert [row["id"] for row in caller.get("mo", **window)["messages"]] == [sent, sent]
    box.settings(reply_ids="own")
    assert [row["id"] for row in caller.get("mo", **window)["messages"]] == ["1", "2"]


@pytest.mark.parametrize(
    ("shape", "extra"),
    [("absent", {}), ("null", {"messages": None}), ("text", {"messages": ""}), ("list", {"messages": []})],
)
def test_an_empty_list_has_every_shape(caller: Caller, box: Sandbox, shape: str, extra: dict[str, Any]) -> None:
    box.settings(empty_list=shape)
    assert caller.get("mo_new") == {
        "success": True, "responseCode": "200", "responseDescription": "Successful search", "messageCount": 0, **extra,
    }  # fmt: skip


def test_messages_have_every_shape(caller: Caller, box: Sandbox) -> None:
    caller.send(campaign_id="a")
    row = caller.get("mt_id", campaign_id="a")["messages"][0]
    box.settings(messages_shape="single")
    assert caller.get("mt_id", campaign_id="a")["messages"] == row
    box.settings(messages_shape="data")
    assert caller.get("mt_id", campaign_id="a")["data"] == [row]
    box.settings(messages_shape="bare")
    assert caller.get("mt_id", campaign_id="a") == [row]


def test_rows_may_come_under_other_names(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("reply"), campaign_id="a")
    box.advance(300)
    box.settings(row_names="aliases")
    row = caller.get("mt_id", campaign_id="a")["messages"][0]
    assert row.keys() == {"id", "campaign_id", "phone", "status_id", "date", "carrier"}
    assert caller.get("mo_new")["messages"][0].keys() == {
        "id", "campaign_id", "phone", "text", "status_id", "received_date", "carrier_name",
    }  # fmt: skip


def test_the_balance_has_old_new_or_both_names(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=1, balance_2=2, balance_3=3, balance_4=4, activation=0, expiration=4e9)
    old = {"balance_1": "1", "balance_2": "2", "balance_3": "3", "balance_4": "4"}
    new = {"sms": "1", "whatsapp": "4"}
    frame = {
        "success": True, "responseCode": "200", "responseDescription": "Successful search",
        "activation": "1969-12-31 21:00:00", "expiration": "2096-10-02 04:06:40",
    }  # fmt: skip
    for keys, purses in (("old", old), ("new", new), ("both", {**old, **new})):
        box.settings(balance_keys=keys)
        assert caller.get("balance") == {**frame, **purses}

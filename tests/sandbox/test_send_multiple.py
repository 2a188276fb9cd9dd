"""send-multiple: the batch, and each of its items."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.sandbox.conftest import Caller
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox


def _messages(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"number": 11960002100 + n, "content": "Oi", "campaign_id": f"r{n}", **more} for n in range(count)]


def _codes(answer: dict[str, Any]) -> list[str]:
    return [item["responseCode"] for item in answer["messages"]]


def test_a_batch_is_answered_like_the_vendors_sample(caller: Caller, box: Sandbox) -> None:
    box.account(balance_2=10)
    answer = caller.batch(
        {"number": 14988887777, "content": "Oi"}, {"number": 1, "content": "Oi"}, type=2, country_code=55
    )
    assert answer == {
        "success": True, "responseCode": "001", "responseDescription": "Batch processed", "credit": "1",
        "balance": "9", "totalProcessed": "2", "totalSuccess": "1",
        "messages": [
            {"success": True, "responseCode": "000", "responseDescription": "Success queued", "credit": "1"},
            {"success": True, "responseCode": "050", "responseDescription": "Empty or invalid number", "credit": "0"},
        ],
    }  # fmt: skip


def test_every_field_may_stand_in_the_defaults_or_in_the_item(caller: Caller, box: Sandbox) -> None:
    answer = caller.batch(
        {"number": "11988880001"},
        {"number": "11988880002", "content": "Outra", "type": "5"},
        type=0,
        content="Padrão",
        campaign_id="c",
    )
    assert _codes(answer) == ["000", "000"]
    assert [(row["content"], row["type"], row["campaign_id"]) for row in box.ledger()] == [
        ("Padrão", 0, "c"),
        ("Outra", 5, "c"),
    ]


def test_each_item_gets_the_code_of_its_own_mistake(caller: Caller) -> None:
    good: dict[str, Any] = {"number": "11988887001", "content": "Oi", "type": 0}
    answer = caller.batch(
        good, {**good, "type": 77}, {**good, "content": ""}, {**good, "number": None}, {**good, "country_code": 1},
        {**good, "type": 6}, {**good, "timezone": "?"}, {**good, "schedule": "?"}, {**good, "colour": 1},
        {**good, "number": number_for("070")}, {**good, "number": number_for("100")}, "no object", good,
    )  # fmt: skip
    assert _codes(answer) == [
        "000", "020", "030", "050", "060", "150", "140", "040", "160", "070", "100", "020", "000",
    ]  # fmt: skip
    assert (answer["totalProcessed"], answer["totalSuccess"]) == ("13", "2")


def test_an_empty_or_unreadable_batch_is_130(caller: Caller, box: Sandbox) -> None:
    assert caller.batch()["responseCode"] == "130"
    for body in ("", "{", "[]", '{"messages": "x"}', '{"messages": {}}'):
        answer = caller.http.post(box.url + "send-multiple", data=body, timeout=10).json()
        assert answer["responseCode"] == "130"


def test_above_5000_is_120_and_5000_is_not(caller: Caller, box: Sandbox) -> None:
    assert caller.batch(*_messages(5001), type=0)["responseCode"] == "120"
    assert box.ledger() == []
    box.settings(special_numbers=False)
    answer = caller.batch(*_messages(5000), type=0)
    assert (answer["totalSuccess"], len(answer["messages"]), len(box.ledger())) == ("5000", 5000, 5000)


def test_unknown_top_level_fields_are_160(caller: Caller, box: Sandbox) -> None:
    answer = caller.http.post(box.url + "send-multiple", json={"messages": _messages(1), "sender": "x"}, timeout=10)
    assert answer.json()["responseCode"] == "160"


def test_a_purse_that_runs_out_midway_refuses_item_by_item(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=3)
    long = {"content": "a" * 161}
    first, second, third, fourth, fifth = _messages(5)
    answer = caller.batch(first, {**second, **long}, {**third, **long}, fourth, {**fifth, "type": 5}, type=0)
    assert _codes(answer) == ["000", "000", "080", "080", "000"]
    assert answer["credit"] == "4"
    assert (box.store.balances()[1], box.store.balances()[4]) == (0, 49_999)


def test_a_small_item_still_passes_behind_one_too_large(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=1)
    first, second = _messages(2)
    assert _codes(caller.batch({**first, "content": "a" * 161}, second, type=0)) == ["080", "000"]


def test_when_nothing_can_be_paid_the_whole_call_is_080(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=0)
    answer = caller.batch(*_messages(3), type=0)
    assert (answer["responseCode"], answer["credit"], answer["balance"]) == ("080", "0", "0")
    assert "messages" not in answer


def test_protection_sees_references_of_the_same_batch(caller: Caller, box: Sandbox) -> None:
    box.settings(refuse_duplicates=True)
    one = _messages(1)[0]
    assert _codes(caller.batch(one, one, type=0)) == ["000", "070"]
    assert _codes(caller.batch(one, type=0)) == ["070"]


def test_scheduled_items_say_so(caller: Caller) -> None:
    answer = caller.batch(*_messages(2), type=0, schedule="2099-01-01T10:00:00", timezone="-03:00")
    assert (_codes(answer), answer["totalSuccess"]) == (["002", "002"], "2")


def test_batches_of_several_threads_get_different_ids(box: Sandbox) -> None:
    box.settings(special_numbers=False)
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda n: Caller(box).batch(*_messages(200), type=0)["responseCode"], range(8)))
    assert codes == ["001"] * 8
    assert len({row["id"] for row in box.ledger()}) == 1600
    assert box.store.balances()[1] == 100_000 - 1600

"""Every fault: what the caller meets, and whether the message was taken in."""

import json
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Caller
from webapp.sandbox.faults import KINDS, Fault
from webapp.sandbox.server import Sandbox

SENT = {"number": "11988887001", "content": "Oi", "type": 0, "campaign_id": "a"}


def _ids(box: Sandbox) -> list[str]:
    return [row["campaign_id"] for row in box.ledger()]


@pytest.mark.parametrize(("kind", "accepted"), [("drop", []), ("lost", ["a"])])
def test_a_connection_may_close_before_or_after_acceptance(
    caller: Caller, box: Sandbox, kind: str, accepted: list[str]
) -> None:
    box.fault(kind, "send-single", times=1)
    with pytest.raises(requests.ConnectionError):
        caller.raw("send-single", **SENT)
    assert _ids(box) == accepted
    assert caller.send()["responseCode"] == "000"


def test_json_may_be_cut(caller: Caller, box: Sandbox) -> None:
    box.fault("cut", "send", times=1)
    answer = caller.raw("send-single", **SENT)
    assert answer.text.startswith('{"success":true')
    with pytest.raises(ValueError):
        answer.json()
    assert _ids(box) == ["a"]


def test_an_answer_may_tear_in_the_middle(caller: Caller, box: Sandbox) -> None:
    box.fault("torn", times=1)
    with pytest.raises(requests.RequestException):
        caller.raw("send-single", **SENT)
    assert _ids(box) == ["a"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("kind", "status", "met"), [("html", 0, 200), ("http", 0, 500), ("http", 502, 502)])
def test_a_page_may_come_in_place_of_json(
    caller: Caller, box: Sandbox, kind: str, status: int, met: int, after: bool
) -> None:
    box.fault(kind, status=status, after=after, times=1)
    answer = caller.raw("send-single", **SENT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (met, "text/html; charset=utf-8")
    assert "<html>" in answer.text
    assert _ids(box) == (["a"] if after else [])


def test_a_body_may_be_empty(caller: Caller, box: Sandbox) -> None:
    box.fault("empty", times=1)
    answer = caller.raw("send-single", **SENT)
    assert (answer.status_code, answer.content, _ids(box)) == (200, b"", ["a"])


def test_json_may_come_behind_a_notice(caller: Caller, box: Sandbox) -> None:
    box.fault("noise", times=1)
    answer = caller.raw("send-single", **SENT)
    assert answer.content.startswith(b"\xef\xbb\xbf<br />")
    assert json.loads(answer.content[answer.content.index(b"{") :])["responseCode"] == "000"


@pytest.mark.parametrize(("after", "accepted"), [(True, ["a"]), (False, [])])
def test_a_slow_call_is_taken_in_before_or_after_the_wait(
    caller: Caller, box: Sandbox, after: bool, accepted: list[str]
) -> None:
    box.fault("slow", seconds=0.3, after=after, times=1)
    with pytest.raises(requests.ReadTimeout):
        caller.http.get(box.url + "send-single", params=SENT, timeout=0.1)
    assert _ids(box) == accepted
    until = time.monotonic() + 5
    while not _ids(box) and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert _ids(box) == ["a"]  # the caller gave up, the gateway did not


def test_an_answer_may_trickle_past_a_read_timeout(caller: Caller, box: Sandbox) -> None:
    box.fault("trickle", seconds=0.4, times=1)
    started = time.monotonic()
    answer = caller.http.get(box.url + "send-single", params=SENT, timeout=0.2)  # no single wait is as long
    assert time.monotonic() - started > 0.3
    assert answer.json()["responseCode"] == "000"


@pytest.mark.parametrize(
    ("code", "status"), [("010", 401), ("080", 402), ("090", 403), ("091", 403), ("100", 200), ("110", 200)]
)
def test_a_response_code_comes_with_its_newer_http_status(caller: Caller, box: Sandbox, code: str, status: int) -> None:
    box.fault("code", "*", code=code, times=2)
    for name in ("send-single", "balance"):
        answer = caller.raw(name, **(SENT if name == "send-single" else {}))
        assert (answer.json()["responseCode"], answer.status_code) == (code, status)
    assert _ids(box) == []
    assert caller.get("balance")["responseCode"] == "200"


def test_110_may_come_though_the_message_was_taken_in(caller: Caller, box: Sandbox) -> None:
    box.fault("code", code="110", after=True, status=500, times=1)
    answer = caller.raw("send-single", **SENT)
    assert (answer.status_code, answer.json()["responseCode"], _ids(box)) == (500, "110", ["a"])


def test_real_refusals_carry_the_newer_http_status_where_it_is_switched_on(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=0)
    assert caller.raw("send-single", **SENT).status_code == 200
    box.settings(http_2026=True)
    assert caller.raw("send-single", **SENT).status_code == 402
    caller.http.auth = ("demo", "wrong")
    assert caller.raw("balance").status_code == 401


def test_a_send_may_be_redirected(caller: Caller, box: Sandbox) -> None:
    box.fault("redirect", times=1)
    answer = caller.raw("send-single", **SENT)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/webservice-rest/send-single")
    assert _ids(box) == []


def _batch(caller: Caller) -> dict[str, Any]:
    messages = [{"number": f"1198888700{n}", "content": "Oi", "campaign_id": f"r{n}"} for n in range(4)]
    return caller.batch(*messages, type=0)


def test_a_batch_may_be_taken_in_partly(caller: Caller, box: Sandbox) -> None:
    box.fault("partial", times=1)
    answer = _batch(caller)
    assert (len(answer["messages"]), answer["totalProcessed"], _ids(box)) == (2, "2", ["r0", "r1"])


def test_a_batch_may_be_taken_in_partly_without_an_answer(caller: Caller, box: Sandbox) -> None:
    box.fault("partial-lost", share=0.75, times=1)
    with pytest.raises(requests.ConnectionError):
        _batch(caller)
    assert _ids(box) == ["r0", "r1", "r2"]


def test_a_batch_may_be_answered_with_one_item_less(caller: Caller, box: Sandbox) -> None:
    box.fault("fewer", times=1)
    assert (len(_batch(caller)["messages"]), len(_ids(box))) == (3, 4)


def test_a_fault_hits_its_path_only_and_as_often_as_told(caller: Caller, box: Sandbox) -> None:
    box.fault("http", "look-up", times=2)
    assert caller.send()["responseCode"] == "000"
    assert [caller.raw(name).status_code for name in ("balance", "mo_new", "balance")] == [500, 500, 200]
    assert box.faults() == []


def test_a_fault_may_hit_by_chance(caller: Caller, box: Sandbox) -> None:
    box.fault("http", chance=0.5)
    statuses = [caller.raw("balance").status_code for _ in range(60)]
    assert 10 < statuses.count(500) < 50
    box.clear_faults()
    assert caller.raw("balance").status_code == 200


def test_mo_new_lost_on_its_way_is_lost_for_good(caller: Caller, box: Sandbox) -> None:
    box.reply("11988887001", "Oi")
    box.fault("lost", "mo_new", times=1)
    with pytest.raises(requests.ConnectionError):
        caller.raw("mo_new")
    assert caller.get("mo_new")["messageCount"] == 0
    assert caller.get("mo", start_date="2020-01-01", end_date="2090-01-01")["messageCount"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "x"}, {"kind": "lost", "path": "x"}, {"kind": "lost", "times": 0}, {"kind": "lost", "chance": 0},
        {"kind": "code"}, {"kind": "code", "code": "999"}, {"kind": "slow", "seconds": -1},
        {"kind": "http", "status": 7},
    ],
)  # fmt: skip
def test_a_fault_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Fault(**wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sandbox_lives_on_after_every_fault(caller: Caller, box: Sandbox, kind: str) -> None:
    box.fault(kind, seconds=0.01, code="100" if kind == "code" else "", times=1)
    with suppress(requests.RequestException, ValueError):
        _batch(caller)
    assert caller.get("balance")["responseCode"] == "200"


def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    with Sandbox() as box:
        box.fault("slow", seconds=600)
        thread = threading.Thread(target=lambda: _ignore(box), daemon=True)
        thread.start()
        while not box.calls:
            threading.Event().wait(0.005)
    thread.join(5)
    assert not thread.is_alive()


def _ignore(box: Sandbox) -> None:
    with suppress(requests.RequestException):
        requests.get(box.url + "balance", timeout=30)

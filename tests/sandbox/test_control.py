"""The hand behind the curtain: ledger, settings, replies, history, clock; and who may touch it."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Caller
from webapp.sandbox.options import Options
from webapp.sandbox.panel import Panel
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

WIDE = {"start_date": "2020-01-01", "end_date": "2090-01-01"}


def test_the_ledger_shows_what_was_accepted_in_pages(caller: Caller, box: Sandbox) -> None:
    for n in range(5):
        caller.send(f"1198888700{n}", content=f"Oi {n}", campaign_id=f"r{n}", caption="ignored")
    first = caller.control("ledger", limit=3)
    assert [row["campaign_id"] for row in first["messages"]] == ["r0", "r1", "r2"]
    rest = caller.control("ledger", after=first["next"])
    assert ([row["campaign_id"] for row in rest["messages"]], rest["next"]) == (["r3", "r4"], None)
    assert first["messages"][0].keys() == {
        "id", "campaign_id", "number", "type", "content", "caption", "credit", "accepted_at", "schedule", "status",
        "carrier", "origin",
    }  # fmt: skip


def test_the_ledger_is_filtered(caller: Caller, box: Sandbox) -> None:
    caller.send("11988887001", campaign_id="a")
    caller.send("11988887002", campaign_id="b", type=5)
    for filters in ({"number": "5511988887002"}, {"campaign_id": "b"}, {"type": 5}):
        assert [row["campaign_id"] for row in caller.control("ledger", **filters)["messages"]] == ["b"]
    assert len(box.ledger(status=-1)) == 2
    with pytest.raises(ValueError):
        box.ledger(colour="red")


def test_the_summary_finds_what_was_written_twice(caller: Caller, box: Sandbox) -> None:
    for number, reference in (("11988887001", "a"), ("11988887001", "b"), ("11988887002", "b"), ("11988887003", "")):
        caller.send(number, campaign_id=reference)
    caller.send("1")
    caller.get("balance")
    summary = caller.control("summary")
    expected: dict[str, Any] = {
        "accepted": 4, "campaign_ids": 2, "numbers": 3, "numbers_twice": 1, "references_twice": 1, "credits": 4,
        "statuses": {"-1": 4}, "calls": {"send-single": 5, "balance": 1}, "most_at_once": 1,
    }  # fmt: skip
    assert {name: summary[name] for name in expected} == expected


def test_settings_and_faults_travel_as_json(caller: Caller, box: Sandbox) -> None:
    assert caller.control("settings", {"speed": 50, "empty_list": "null"})["speed"] == 50
    assert "password" not in caller.control("settings")
    assert caller.control("faults", {"kind": "http", "times": 3})[0]["times"] == 3
    assert caller.control("faults")[0]["kind"] == "http"
    assert caller.control("faults", {"clear": True}) == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("settings", {"sped": 1}), ("settings", {"speed": 0}), ("settings", {"speed": "x"}),
        ("settings", {"failures": 2}), ("settings", {"empty_list": "x"}), ("settings", {"replies": "maybe"}),
        ("settings", {"late_seconds": -1}), ("faults", {"kind": "x"}), ("faults", {}), ("account", {"balance_9": 1}),
        ("reply", {"number": "1", "content": "x"}), ("reply", {}), ("status", {"status": 1}), ("history", {}),
        ("history", {"messages": [{"number": "1"}]}), ("clock", {"advance": "x"}),
        ("history", {"messages": [{"number": "11988887001", "at": "2026-01-01T10:00:00"}]}),
    ],
)  # fmt: skip
def test_nonsense_is_answered_with_a_sentence(caller: Caller, box: Sandbox, name: str, body: dict[str, Any]) -> None:
    before = box.options.shown()
    assert len(caller.control(name, body)["error"]) > 3
    assert box.options.shown() == before


def test_an_unknown_control_is_not_found(caller: Caller) -> None:
    assert "error" in caller.control("nothing")
    assert "error" in caller.control("reset")  # a GET changes nothing


def test_options_refuse_an_unknown_switch() -> None:
    with pytest.raises(TypeError):
        Sandbox(colour="red")
    with pytest.raises(ValueError, match="dialect"):
        Options(dialect="other")


def test_a_person_answers_the_last_message_or_the_one_named(caller: Caller, box: Sandbox) -> None:
    for reference in ("a", "b"):
        caller.send("11988887001", campaign_id=reference, type=5)
    caller.send("11988887001", campaign_id="later", schedule="2099-01-01 10:00:00")
    caller.control("reply", {"number": "11 98888-7001", "content": "Oi"})
    caller.control("reply", {"number": "5511988887001", "content": "Olá", "campaign_id": "a"})
    rows = caller.get("mo_new", type=5)["messages"]
    assert [(row["campaign_id"], row["content"], row["id"]) for row in rows] == [("b", "Oi", "2"), ("a", "Olá", "1")]


def test_somebody_nobody_wrote_to_may_write(caller: Caller, box: Sandbox) -> None:
    box.reply("11988887001", "Quem fala?")
    row = caller.get("mo_new")["messages"][0]
    assert (row["number"], row["campaign_id"], row["id"]) == ("5511988887001", "", "1")


def test_a_status_can_be_given_by_hand(caller: Caller, box: Sandbox) -> None:
    sent = caller.send(campaign_id="a")["id"]
    assert caller.control("status", {"id": int(sent), "status": 9}) == {"changed": 1}
    assert caller.status("a") == "9"
    box.status(-6, campaign_id="a")
    assert caller.status("a") == "-6"


def test_the_clock_moves_by_hand(caller: Caller, box: Sandbox) -> None:
    before = box.clock.now()
    caller.control("clock", {"advance": 90})
    assert box.clock.now() == before + 90
    caller.control("clock", {"frozen": False})
    assert not box.clock.frozen
    assert box.clock.now() >= before + 90


def test_history_shows_in_look_ups_as_if_other_systems_had_sent_it(caller: Caller, box: Sandbox) -> None:
    at = datetime.fromtimestamp(box.clock.now(), UTC) - timedelta(days=2)
    ids = caller.control("history", {"messages": [
        {"number": "11988887001", "content": "Seu boleto", "type": 0, "at": at.isoformat(), "campaign_id": "ERP-1",
         "status": "-5", "carrier": "TIM - Celular"},
        {"number": "11988887002", "content": "Pedido", "days_ago": 3, "reply": "Obrigado"},
        {"number": "11988887003", "content": "Pedido", "days_ago": 1, "reply": "E agora?", "handed": False},
        {"number": "11988887004", "content": "Velho", "days_ago": 40},
    ]})["ids"]  # fmt: skip
    assert len(ids) == 4
    rows = {row["number"]: row for row in caller.get("mt_date", **WIDE)["messages"]}
    assert set(rows) == {"5511988887001", "5511988887002", "5511988887003"}
    first = rows["5511988887001"]
    assert (first["campaign_id"], first["status"], first["carrier_name"]) == ("ERP-1", "-5", "TIM - Celular")
    assert rows["5511988887002"]["status"] in ("0", "1")
    assert [row["content"] for row in caller.get("mo_new")["messages"]] == ["E agora?"]
    assert {row["content"] for row in caller.get("mo", **WIDE)["messages"]} == {"Obrigado", "E agora?"}
    assert caller.control("summary")["accepted"] == 0
    assert box.store.balances()[1] == 100_000


def test_reset_forgets_messages_but_no_id_is_used_again(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("reply"))
    box.fault("http", "mt_id")
    caller.control("reset", {})
    assert (box.ledger(), box.faults(), box.store.balances()[1]) == ([], [], 100_000)
    assert caller.send()["id"] == "2"


def test_a_store_on_disk_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with Sandbox(store=path, failures=0) as box:
        caller = Caller(box)
        caller.send(campaign_id="a")
        box.reply("11988887001", "Oi")
    with Sandbox(store=path) as box:
        caller = Caller(box)
        assert caller.send()["id"] == "2"
        assert caller.get("balance")["balance_1"] == "99998"
        assert caller.get("mt_id", campaign_id="a")["messageCount"] == 1
        assert caller.get("mo_new")["messageCount"] == 1


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {"host": "localhost:8900"}, 200),
        ("::1", {"host": "[::1]:8900"}, 200),
        ("::ffff:127.0.0.1", {"host": "127.0.0.1"}, 200),
        ("10.0.0.7", {"host": "localhost:8900"}, 403),
        ("127.0.0.1", {"host": "evil.test"}, 403),
        ("127.0.0.1", {"host": "localhost", "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_only_this_machine_controls_it(box: Sandbox, peer: str, headers: dict[str, str], status: int) -> None:
    panel = Panel(box)
    assert panel.respond("POST", "/_sandbox/reset", "", headers, b"{}", peer).status == status
    assert panel.respond("GET", "/", "", headers, b"", peer).status == status


def test_the_blocking_server_ends_cleanly_on_sigterm() -> None:
    program = "from webapp.sandbox.server import serve; serve(port=0, ready=lambda box: print(box.url, flush=True))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        answer = requests.get(url + "balance", params={"user": "demo", "password": "demo"}, timeout=10)
        assert answer.json()["responseCode"] == "200"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0


def test_a_taken_port_is_said_at_once(box: Sandbox) -> None:
    with pytest.raises(OSError):
        Sandbox(port=box.port)

"""The life of a message, by carrier and by the end of its number; the people who answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.conftest import Caller
from webapp.gateway.codes import CLASSIC, STATUSES
from webapp.sandbox.options import Options
from webapp.sandbox.people import (
    REFUSED_ENDINGS,
    STATUS_ENDINGS,
    Fate,
    Number,
    carrier_of,
    fate,
    number_for,
    read_number,
)
from webapp.sandbox.server import Sandbox

HOUR = 3600


def _number_of(carrier: str) -> str:
    ddd = "43" if carrier == "Sercomtel" else "11"
    numbers = (f"{ddd}9{n:04d}5555" for n in range(6000, 9999))
    return next(n for n in numbers if carrier_of("55" + n, False, "sms").startswith(carrier))


def test_a_message_goes_from_the_queue_to_the_handset(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("1"), campaign_id="a")
    seen = [caller.status("a")]
    for _ in range(400):
        box.advance(0.1)
        status = caller.status("a")
        if status != seen[-1]:
            seen.append(status)
    assert seen == ["-1", "3", "0", "1"]


@pytest.mark.parametrize("status", sorted(set(STATUS_ENDINGS.values())))
def test_the_end_of_a_number_decides_the_final_status(caller: Caller, box: Sandbox, status: int) -> None:
    for kind in (0, 5):
        caller.send(number_for(str(status)), type=kind, campaign_id=f"r{kind}")
        box.advance(HOUR)
        assert caller.status(f"r{kind}") == str(status)


def test_every_status_of_the_table_can_be_had_by_a_number() -> None:
    assert {int(code) for code in STATUSES} <= set(STATUS_ENDINGS.values())


@pytest.mark.parametrize("code", sorted(REFUSED_ENDINGS.values()))
def test_the_end_of_a_number_refuses_with_a_code(caller: Caller, box: Sandbox, code: str) -> None:
    assert caller.send(number_for(code))["responseCode"] == code
    answer = caller.batch(
        {"number": number_for(code), "content": "Oi"}, {"number": "11988887001", "content": "Oi"}, type=0
    )
    assert [item["responseCode"] for item in answer["messages"]] == [code, "000"]


def test_special_numbers_can_be_switched_off(caller: Caller, box: Sandbox) -> None:
    box.settings(special_numbers=False)
    for n, outcome in enumerate(("-3", "050")):
        caller.send(number_for(outcome), campaign_id=f"r{n}", type=5)
        box.advance(HOUR)
        assert caller.status(f"r{n}") == "1"


@pytest.mark.parametrize(
    ("carrier", "sms", "whatsapp"), [("Oi", "0", "1"), ("Sercomtel", "0", "1"), ("Vivo", "1", "1")]
)
def test_oi_and_sercomtel_end_at_the_operator_for_sms(
    caller: Caller, box: Sandbox, carrier: str, sms: str, whatsapp: str
) -> None:
    caller.send(_number_of(carrier), campaign_id="sms")
    caller.send(_number_of(carrier), campaign_id="whatsapp", type=5)
    box.advance(HOUR)
    assert (caller.status("sms"), caller.status("whatsapp")) == (sms, whatsapp)
    assert box.ledger()[0]["carrier"] == f"{carrier} - Celular"


def test_landlines_take_voice_only(caller: Caller, box: Sandbox) -> None:
    caller.send("1138885555", campaign_id="sms")
    caller.send("1138885555", campaign_id="voice", type=3)
    box.advance(HOUR)
    assert (caller.status("sms"), caller.status("voice")) == ("-4", "1")


def test_a_share_fails_and_a_share_answers_the_same_in_every_run() -> None:
    def run(seed: int) -> list[Fate]:
        options = Options(seed=seed, failures=0.2, reply_share=0.3, stop_share=0.5)
        return [
            fate(Number(f"55119{n:08d}", False), CLASSIC.types[2], f"r{n}", options)
            for n in range(60_005_100, 60_006_100)
        ]

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    delivered = [one for one in first if one.handset_status == 1 or (one.operator_status, one.handset) == (0, None)]
    assert 0.7 < len(delivered) / len(first) < 0.92
    replies = [one.replies[0][1] for one in first if one.replies]
    assert 0.15 < len(replies) / len(first) < 0.35
    stops = [text for text in replies if text.upper().strip(".") in {
        "SAIR", "PARE", "PARAR", "CANCELAR", "REMOVER", "STOP", "DESCADASTRAR",
    }]  # fmt: skip
    assert 0.3 < len(stops) / len(replies) < 0.7


def test_nobody_answers_a_call_or_when_replies_are_off(caller: Caller, box: Sandbox) -> None:
    caller.send(number_for("reply"), type=3)
    box.settings(replies=False)
    caller.send(number_for("reply"), type=2)
    box.advance(HOUR)
    assert caller.get("mo_new")["messageCount"] == 0


def test_speed_shortens_a_life() -> None:
    slow, fast = (
        fate(Number("5511988887001", False), CLASSIC.types[0], "a", Options(speed=speed)) for speed in (1, 100)
    )
    assert fast.operator == pytest.approx(slow.operator / 100)
    assert fast.handset == pytest.approx((slow.handset or 0) / 100)


@given(st.text(max_size=30), st.text(max_size=5))
def test_any_number_is_one_or_gets_a_code(number: str, country: str) -> None:
    found = read_number(number, country)
    if isinstance(found, Number):
        assert found.digits.startswith("55")
        assert len(found.digits) in (12, 13)
    else:
        assert found in ("050", "060")


@given(st.sampled_from([11, 21, 43, 55, 97]), st.integers(0, 99_999_999), st.sampled_from(["", "55", "+55", "0"]))
def test_every_spelling_of_a_mobile_means_the_same(ddd: int, rest: int, prefix: str) -> None:
    assert read_number(f"{prefix}{ddd}9{rest:08d}", "55") == Number(f"55{ddd}9{rest:08d}", False)

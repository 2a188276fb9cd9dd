"""send-single: what is accepted, in which order it complains, what it costs."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.sandbox.conftest import Caller
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

BRASILIA = timezone(timedelta(hours=-3))


def _wall(box: Sandbox, hours: float, zone: timezone = BRASILIA, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(box.clock.now() + hours * 3600, zone).strftime(form)


def test_an_accepted_message_is_answered_like_the_vendors_sample(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=8)
    assert caller.send() == {
        "success": True, "responseCode": "000", "responseDescription": "Success queued", "credit": 1, "balance": "7",
        "id": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        ("11988880001", "5511988880001"),
        ("5511988880001", "5511988880001"),
        ("+5511988880001", "5511988880001"),
        ("+55 (11) 98888-0001", "5511988880001"),
        ("011988880001", "5511988880001"),
        ("55988880001", "5555988880001"),  # area code 55 exists
        ("1138880001", "551138880001"),
        ("1188880001", "551188880001"),  # of before the ninth digit
    ],
)
def test_a_number_is_understood_in_any_spelling(caller: Caller, box: Sandbox, number: str, stored: str) -> None:
    caller.send(number)
    assert [row["number"] for row in box.ledger()] == [stored]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"type": ""}, "020"),
        ({"type": "9"}, "020"),
        ({"type": "x"}, "020"),
        ({"content": " "}, "030"),
        ({"number": ""}, "050"),
        ({"number": "988880001"}, "050"),
        ({"number": "20988880001"}, "050"),
        ({"number": "11188880001"}, "050"),
        ({"number": "onze nove"}, "050"),
        ({"number": "+351912345678"}, "060"),
        ({"country_code": "351"}, "060"),
        ({"type": 6, "content": "https://x.test/a.png"}, "150"),
        ({"type": 6, "content": "um texto"}, "150"),
        ({"type": 8, "content": "https://x.test/a.mov"}, "150"),
        ({"type": 4, "content": "https://x.test/a.exe"}, "150"),
        ({"type": 6, "content": "https://x.test/a.jpg", "caption": "x" * 491}, "070"),
        ({"timezone": "America/Sao_Paulo"}, "140"),
        ({"timezone": "-13:00"}, "140"),
        ({"schedule": "amanhã"}, "040"),
        ({"schedule": "2020-11-01 15:00:00"}, "040"),
        ({"schedule": "2027-02-30 15:00:00"}, "040"),
        ({"colour": "red"}, "160"),
        ({"number": number_for("070")}, "070"),
        ({"number": number_for("060")}, "060"),
        ({"number": number_for("050")}, "050"),
    ],
)
def test_what_is_wrong_gets_its_code_and_costs_nothing(
    caller: Caller, box: Sandbox, wrong: dict[str, Any], code: str
) -> None:
    before = box.store.balances()
    answer = caller.send(**wrong)
    assert answer.keys() == {"success", "responseCode", "responseDescription"}
    assert (answer["responseCode"], answer["success"]) == (code, False)
    assert (box.ledger(), box.store.balances()) == ([], before)


def test_the_first_complaint_wins_in_the_order_of_the_table(caller: Caller, box: Sandbox) -> None:
    """Mending one mistake after the other uncovers the next, from the account inwards to the purse."""
    wrong: dict[str, Any] = {
        "colour": "red", "type": "99", "content": "", "number": "1", "timezone": "x", "schedule": "y",
    }  # fmt: skip
    mended: list[tuple[str, Any]] = [
        ("colour", None), ("type", 6), ("content", "https://x.test/a.png"), ("number", "11988880070"),
        ("content", "https://x.test/a.jpg"), ("timezone", "-03:00"), ("schedule", ""), ("number", "11988880001"),
    ]  # fmt: skip
    box.account(balance_4=0)
    codes = []
    for name, value in [("", ""), *mended]:
        if value is None:
            del wrong[name]
        elif name:
            wrong[name] = value
        codes.append(caller.get("send-single", **wrong)["responseCode"])
    assert codes == ["160", "020", "030", "050", "150", "140", "040", "070", "080"]


def test_the_account_is_asked_before_the_message(caller: Caller, box: Sandbox) -> None:
    for state in ("090", "091", "100", "110"):
        box.settings(account=state)
        assert caller.send(type="nonsense")["responseCode"] == state
        assert caller.get("no-such-call")["responseCode"] == state
    caller.http.auth = ("demo", "wrong")
    assert caller.send()["responseCode"] == "010"


def test_an_unknown_call_is_160(caller: Caller) -> None:
    assert caller.get("send-all")["responseCode"] == "160"
    assert caller.get("balance", colour="red")["responseCode"] == "160"


def test_unknown_parameters_may_be_let_through(caller: Caller, box: Sandbox) -> None:
    box.settings(strict_parameters=False)
    assert caller.send(colour="red")["responseCode"] == "000"


@pytest.mark.parametrize(
    ("type", "content", "purse", "credit"),
    [
        (0, "a" * 160, 1, 1),
        (0, "a" * 161, 1, 2),
        (1, "ação" * 18, 2, 2),
        (2, "a" * 307, 2, 3),
        (3, "a" * 1000, 3, 1),
        (4, "https://x.test/a.mp3", 3, 1),
        (5, "a" * 1000, 4, 1),
        (6, "https://x.test/a.JPG?v=1", 4, 1),
        (7, "https://x.test/a.ogg", 4, 1),
        (8, "https://x.test/a.mp4", 4, 1),
    ],
)
def test_each_type_debits_its_purse_by_segments_or_by_one(
    caller: Caller, box: Sandbox, type: int, content: str, purse: int, credit: int
) -> None:
    before = box.store.balances()
    answer = caller.send(type=type, content=content)
    assert (answer["responseCode"], answer["credit"]) == ("000", credit)
    after = box.store.balances()
    assert {number: before[number] - after[number] for number in before if before[number] != after[number]} == {
        purse: credit
    }
    assert answer["balance"] == str(after[purse])


def test_a_short_purse_is_080_with_zero_credit_and_balance(caller: Caller, box: Sandbox) -> None:
    box.account(balance_1=1)
    answer = caller.send(content="a" * 161)
    assert answer == {
        "success": False, "responseCode": "080", "responseDescription": "Insufficient or expired balance",
        "credit": "0", "balance": "0",
    }  # fmt: skip
    assert box.store.balances()[1] == 1


def test_expired_credits_are_080(caller: Caller, box: Sandbox) -> None:
    box.account(expiration=box.clock.now() - 1)
    assert caller.send()["responseCode"] == "080"


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d%%20%H:%M:%S"])
def test_a_schedule_is_read_in_every_form(caller: Caller, box: Sandbox, form: str) -> None:
    answer = caller.send(schedule=_wall(box, 2, form=form), timezone="-03:00")
    assert (answer["responseCode"], answer["responseDescription"]) == ("002", "Scheduled")


@pytest.mark.parametrize("blank", ["", "0000-00-00 00:00:00"])
def test_an_empty_schedule_is_now(caller: Caller, box: Sandbox, blank: str) -> None:
    assert caller.send(schedule=blank, timezone="")["responseCode"] == "000"
    assert box.ledger()[0]["schedule"] is None


@pytest.mark.parametrize("hours", [-5, -4, -3, -2, 0, 1, 9.5])
def test_a_schedule_is_honoured_in_its_zone(caller: Caller, box: Sandbox, hours: float) -> None:
    zone = timezone(timedelta(hours=hours))
    sign, minutes = ("-" if hours < 0 else "+"), int(abs(hours) * 60)
    offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert caller.send(schedule=_wall(box, 1, zone), timezone=offset, campaign_id="s")["responseCode"] == "002"
    due = datetime.fromisoformat(box.ledger()[0]["schedule"])
    assert due == datetime.fromtimestamp(int(box.clock.now()) + 3600, UTC)
    box.advance(3590)
    assert caller.status("s") == "-1"
    box.advance(60)
    assert caller.status("s") in ("0", "1")


def test_without_a_zone_a_schedule_is_brasilias(caller: Caller, box: Sandbox) -> None:
    assert caller.send(schedule=_wall(box, 0.01))["responseCode"] == "002"
    assert caller.send(schedule=_wall(box, -0.01))["responseCode"] == "040"


def test_a_plus_that_the_query_lost_is_still_a_plus(caller: Caller, box: Sandbox) -> None:
    zone = timezone(timedelta(hours=2))
    assert caller.send(schedule=_wall(box, 1, zone), timezone=" 02:00")["responseCode"] == "002"


def test_a_reference_twice_is_accepted_unless_protection_is_on(caller: Caller, box: Sandbox) -> None:
    assert [caller.send(campaign_id="a")["responseCode"] for _ in range(2)] == ["000", "000"]
    assert box.summary()["references_twice"] == 1
    box.settings(refuse_duplicates=True)
    assert caller.send(campaign_id="a")["responseCode"] == "070"
    assert [caller.send(campaign_id="b")["responseCode"] for _ in range(2)] == ["000", "070"]
    assert [caller.send()["responseCode"] for _ in range(2)] == ["000", "000"]  # no reference, nothing to protect


def test_a_reference_may_be_cut_to_what_the_gateway_keeps(caller: Caller, box: Sandbox) -> None:
    box.settings(reference_limit=4)
    caller.send(campaign_id="abcdefgh")
    assert box.ledger()[0]["campaign_id"] == "abcd"

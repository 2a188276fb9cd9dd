"""One message's way, and everything about one person: in plain words, without the number in any address."""

from datetime import datetime, timedelta
from html import unescape

import pytest

from tests.conftest import SignIn
from tests.make import ANA, BRUNO
from tests.reports import world
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.inbox.models import Inbound
from webapp.messages import outbox
from webapp.messages.outbox import NewMessage
from webapp.optouts import service as optouts
from webapp.reports import commands
from webapp.reports.detail import detail


def test_the_way_tells_every_step_in_order_with_what_stood_on_the_wire(services: Services, signed_in: SignIn) -> None:
    launch = datetime(2026, 11, 20, 12)
    campaign = world.launched(services.db, [NewMessage(ANA, "Oi Ana!")], at=launch)
    (key,) = world.keys(services.db, campaign)
    world.heard(services.db, key, "0", at=launch + timedelta(seconds=20))
    world.heard(services.db, key, "1", at=launch + timedelta(seconds=50))
    world.heard(services.db, key, "0", at=launch + timedelta(seconds=70))
    world.accepted_at(services.db, {key: launch + timedelta(seconds=5)})
    with services.db.reading() as session:
        found = detail(session, key, clock.now())
    titles = [event.title for event in found.events]
    assert titles == ["The campaign was written", "The campaign was launched", "The gateway accepted it", "At the operator", "Delivered to the phone",
                      "At the operator"]  # fmt: skip
    assert found.standing.label == "Delivered to the phone", "a late, lower status changes nothing"
    page = unescape(signed_in("support", locale="en").get(f"/messages/{key}").text)
    assert "Oi Ana!" in page
    assert f"campaign_id={found.reference}&id=9{key}&status=1" in page
    assert "told by the gateway (callback)" in page


def test_a_reply_stands_in_the_way_as_text(services: Services, signed_in: SignIn) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, 1))
    now = clock.now()
    with services.db.writing() as session:
        session.add(
            Inbound(
                number=world.FIRST, number_raw="", text="<script>alert(1)</script>", text_key="k", second=1, at=now,
                received_at=now, source="callback", message_id=key,
            )
        )  # fmt: skip
    page = signed_in("support").get(f"/messages/{key}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_number_stands_in_no_address(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, [NewMessage(BRUNO)])
    browser = signed_in("support", locale="en")
    answer = browser.post("/messages/person", data={"number": "(21) 99876-5432"})
    assert answer.status_code == 200
    assert "Promoção" in answer.text
    assert str(BRUNO)[2:] not in answer.text.replace("-", "").replace(" ", "").replace('value="(21)998765432"', "")
    assert "Nothing was sent yet" not in answer.text


@pytest.mark.parametrize(("entered", "why"), [("123", "digits are missing"), ("", "the number is empty"), ("ana", "this is not")])  # fmt: skip
def test_what_is_no_number_is_refused_with_its_reason(signed_in: SignIn, entered: str, why: str) -> None:
    answer = signed_in("support", locale="en").post("/messages/person", data={"number": entered})
    assert answer.status_code == 422
    assert why in unescape(answer.text)


def test_the_command_tells_the_whole_history(services: Services) -> None:
    at = datetime(2026, 11, 20, 12)
    first = world.launched(services.db, [NewMessage(ANA, "Oi Ana!")], name="Primeira", at=at)
    world.heard(services.db, world.keys(services.db, first)[0], "1")
    world.launched(services.db, [NewMessage(ANA)], name="Segunda", text="Tchau!")
    with services.db.writing() as session:
        outbox.send_one(session, kind="reply", name="x", number=ANA, type=0, text="Claro!")
        session.add(
            Inbound(
                number=ANA, number_raw="", text="SAIR", text_key="k", second=1, at=at, received_at=at, source="mo",
                run_id=first.run_id,
            )
        )  # fmt: skip
        optouts.add(session, ANA, origin="reply", reason="SAIR")
    found = commands.find(services, "11 98765-4321")
    assert found["number"] == "5511987654321"
    assert found["opted_out"] is True
    assert [(row["campaign"], row["content"], row["state"], row["status"]) for row in found["sent"]] == [
        ("Primeira", "Oi Ana!", "accepted", "1"), ("Segunda", "Tchau!", "queued", None), (None, "Claro!", "queued", None),
    ]  # fmt: skip
    assert found["replies"] == [{"at": "2026-11-20T12:00:00+00:00", "content": "SAIR", "campaign": "Primeira"}]


def test_the_command_says_when_nobody_is_known_or_nothing_was_meant(services: Services) -> None:
    assert commands.find(services, "5521998765432") == {
        "number": "5521998765432", "opted_out": False, "sent": [], "replies": [],
    }  # fmt: skip
    with pytest.raises(UserError, match="not a phone number"):
        commands.find(services, "12")

"""Why did this person not receive it? The decisive answer first, in one sentence, then everything there is."""

from datetime import datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from tests.campaigns import cast
from tests.conftest import SignIn
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from tests.reports.test_report import replied
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Import, ImportFault
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import STATUSES
from webapp.messages import outbox
from webapp.messages.models import Batch, Message
from webapp.messages.outbox import NewMessage
from webapp.messages.states import REASONS, RowState
from webapp.optouts import erased
from webapp.optouts import service as optouts
from webapp.reports.person import PersonView, person

LANDLINE = 551132654321


def about(services: Services, number: int) -> PersonView:
    with services.db.reading() as session:
        return person(session, number, clock.now())


def first(services: Services, number: int) -> str:
    return about(services, number).reasons[0].title


def page(signed_in: SignIn, typed: str) -> str:
    answer = signed_in("support", locale="en").post("/messages/person", data={"number": typed})
    assert answer.status_code == 200
    return unescape(answer.text)


def told(services: Services, campaign: Campaign, status: str, **heard: str) -> None:
    world.heard(services.db, world.keys(services.db, campaign)[0], status, **heard)


def test_nobody_knows_the_number(services: Services, signed_in: SignIn) -> None:
    assert first(services, ANA).startswith("Nobody here knows this number")
    assert "Check the digits" in page(signed_in, "11 98765-4321")


def test_a_person_of_a_list_that_got_nothing(services: Services) -> None:
    world.named(services.db, {ANA: "Ana Souza"})
    assert first(services, ANA).startswith("Nothing was sent yet")


@pytest.mark.parametrize(
    ("status", "carrier", "said"),
    [("1", "Vivo", "It arrived: the phone confirmed"), ("2", "Whatsapp", "has read it"), ("0", "Vivo", "is on its way"),
     ("0", "Oi", "this operator never says"), ("9", "TIM", "did not arrive. Not received by the phone"),
     ("-5", "TIM", "did not arrive. Blocked: on the block list"), ("77", "TIM", "is on its way")],
)  # fmt: skip
def test_the_last_word_of_the_gateway_is_the_answer(
    services: Services, signed_in: SignIn, status: str, carrier: str, said: str
) -> None:
    told(services, world.launched(services.db, [NewMessage(ANA)]), status, carrier=carrier)
    found = page(signed_in, "11987654321")
    assert said in found
    assert f'<code class="sub">{status}</code>' in found, "the raw code beside the words"
    assert "told by the gateway (callback)" in found


def test_every_status_has_an_answer_with_a_next_step(services: Services) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA)])
    told(services, campaign, "0")
    for code in STATUSES:
        with services.db.writing() as session:
            session.execute(update(Message).values(status=code))
        reason = about(services, ANA).reasons[0]
        assert reason.next, code
        assert "%(what)s" in reason.title


def test_every_reason_to_leave_out_has_an_answer_with_a_next_step(services: Services) -> None:
    world.launched(services.db, [NewMessage(ANA, left_out="recent")])
    for reason in REASONS:
        for state in (RowState.SUPPRESSED, RowState.EXPIRED):
            with services.db.writing() as session:
                session.execute(update(Message).values(state=state, reason=reason))
            said = about(services, ANA).reasons[0]
            assert said.values["why"] == REASONS[reason]
            assert said.next, reason


def test_a_refusal_shows_the_code(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA)])
    world.refused(services.db, world.keys(services.db, campaign)[0], "050")
    found = page(signed_in, "11987654321")
    assert "The gateway refused “Promoção”. The number does not exist or is incomplete." in found
    assert '<code class="sub">050</code>' in found


def waiting(services: Services, change: object) -> str:
    """Why a message is held, after a change to its run and batch."""
    campaign = world.launched(services.db, [NewMessage(ANA)])
    with services.db.writing() as session:
        change(session, campaign)  # type: ignore[operator]
    reason = about(services, ANA).reasons[0]
    assert reason.title == "%(what)s has not left yet. %(why)s"
    return str(reason.values["why"])


def test_a_message_that_is_held_says_for_what(services: Services) -> None:
    def pause(session: Session, campaign: Campaign) -> None:
        outbox.pause(session, world.run_of(session, campaign), "080")

    def window(session: Session, campaign: Campaign) -> None:
        later = clock.now() + timedelta(hours=9)
        session.execute(update(Batch).where(Batch.run_id == campaign.run_id).values(not_before=later))

    def canary(session: Session, campaign: Campaign) -> None:
        session.execute(update(Batch).where(Batch.run_id == campaign.run_id).values(state="held", problem="canary"))

    assert waiting(services, pause) == "The credits ran out or expired."
    assert "hours in which people may be written to" in waiting(services, window)
    assert "sent ahead to test" in waiting(services, canary)


def test_an_opt_out_decides_before_everything_else(services: Services, signed_in: SignIn) -> None:
    told(services, world.launched(services.db, [NewMessage(ANA)]), "1")
    with services.db.writing() as session:
        optouts.add(session, ANA, origin="reply", reason="SAIR", channel="sms")
    assert "opted out of SMS on" in page(signed_in, "11987654321")
    with services.db.writing() as session:
        optouts.add(session, ANA, origin="hand", reason="ligou")
    assert "no campaign writes to them any more" in first(services, ANA)


def test_a_landline_is_named_before_the_campaign_that_left_it_out(services: Services) -> None:
    world.launched(services.db, [NewMessage(LANDLINE, left_out="landline")])
    titles = [reason.title for reason in about(services, LANDLINE).reasons]
    assert titles == ["The number is a landline.", "%(what)s left this person out. %(why)s"]


def test_an_erased_person_is_told_and_nothing_of_them(services: Services, signed_in: SignIn) -> None:
    with services.db.writing() as session:
        erased.keep(session, ANA, clock.now())
    assert "erased at their request" in page(signed_in, "11987654321")
    with services.db.writing() as session:
        erased.lift(session, ANA, clock.now(), reason="voltou", person_id=None)
    assert "accepted again later" in first(services, ANA)


def test_a_number_that_never_works_is_called_doubtful_unless_the_person_answers(services: Services) -> None:
    for n in range(3):
        campaign = world.launched(services.db, [NewMessage(CARLA)], name=f"C{n}")
        told(services, campaign, "9")
    assert "None of the last messages arrived." in [one.title for one in about(services, CARLA).reasons]
    replied(services.db, campaign, CARLA, "Recebi")
    assert "None of the last messages arrived." not in [one.title for one in about(services, CARLA).reasons]


def test_with_and_without_the_ninth_digit_is_one_person(services: Services, signed_in: SignIn) -> None:
    told(services, world.launched(services.db, [NewMessage(ANA)]), "1")
    found = page(signed_in, "11 8765-4321")
    assert "It arrived" in found
    assert "one and the same" in found


def test_messages_of_other_systems_count(services: Services, signed_in: SignIn) -> None:
    world.outside(services.db, ANA, "9")
    assert "A message of another system on the account did not arrive" in page(signed_in, "11987654321")


def launched_from(services: Services, list_id: int, *others: NewMessage, **values: object) -> Campaign:
    campaign = world.launched(services.db, list(others) or [NewMessage(BRUNO)], name="Verão")
    with services.db.writing() as session:
        made = session.get_one(Campaign, campaign.id)
        made.lists = [list_id]
        for name, value in values.items():
            setattr(made, name, value)
    return campaign


def test_a_campaign_that_passed_the_person_by_says_why(services: Services, signed_in: SignIn) -> None:
    with services.db.writing() as session:
        shop = cast.contact_list(session, "Loja", [(ANA, "Ana", {"cidade": "Recife"})], fields=["cidade"])
        staff = cast.contact_list(session, "Equipe", [(ANA, "Ana", {})])
    launched_from(services, shop, excluded_lists=[staff])
    assert about(services, ANA).reasons[0].values["why"] == "The person is in a list that it leaves out."
    launched_from(services, shop, filters=[["cidade", "is", "Natal"]])
    assert about(services, ANA).reasons[0].values["why"] == "The person does not meet its conditions."
    launched_from(services, shop, audience_upto=0)
    found = page(signed_in, "11987654321")
    assert "“Verão” left this person out. The person came into the list after it was launched." in found
    assert len(about(services, ANA).passed_by) == 3
    launched_from(services, shop, NewMessage(ANA))
    assert len(about(services, ANA).passed_by) == 3, "there it has a message"
    launched_from(services, staff + 99)
    assert len(about(services, ANA).passed_by) == 3, "another list's"


def test_a_rejected_row_of_a_file_is_found(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    with services.db.writing() as session:
        source = Import(state="done", filename="base.csv", path="x", format="csv", mapping={}, checked={}, repaired={}, error_values={}, created_at=now)  # fmt: skip
        session.add(source)
        session.flush()
        for value, reason in (("98765-4321", "no_ddd"), ("98765-4321", "duplicate"), ("98765-1234", "no_ddd")):
            session.add(
                ImportFault(import_id=source.id, line=17, column="fone", value=value, reason=reason, row=[value])
            )
    (row,) = about(services, ANA).wrong_rows
    assert (row.file, row.line, row.why) == ("base.csv", 17, "the area code is missing")
    found = page(signed_in, "11987654321")
    assert "Line 17: the area code is missing." in found
    assert "the row of the file with it was rejected" in found


def test_the_time_line_has_everything_in_order(services: Services, signed_in: SignIn) -> None:
    at = datetime(2026, 11, 20, 12)
    list_id = world.named(services.db, {ANA: "Ana"})
    campaign = world.launched(services.db, [NewMessage(ANA)], at=at)
    (key,) = world.keys(services.db, campaign)
    world.heard(services.db, key, "0", at=at + timedelta(seconds=20))
    world.heard(services.db, key, "9", at=at + timedelta(seconds=50))
    world.accepted_at(services.db, {key: at})
    replied(services.db, campaign, ANA, "<b>SAIR</b>", opted_out=True)
    with services.db.writing() as session:
        session.execute(update(Contact).where(Contact.list_id == list_id).values(created_at=at - timedelta(days=9)))
        optouts.add(session, ANA, origin="reply", reason="SAIR")
    found = about(services, ANA)
    titles = [moment.title for moment in found.moments]
    assert titles[-2:] == ["Not received by the phone", "Came into the list “%(list)s”"]
    assert set(titles[:2]) == {"Opted out: %(reason)s", "Answered, and opted out by it"}
    (message,) = [moment for moment in found.moments if moment.row]
    assert [(heard.code, heard.at) for heard in message.heard] == [("0", at + timedelta(seconds=20)), ("9", at + timedelta(seconds=50))]  # fmt: skip
    shown = signed_in("support").post("/messages/person", data={"number": "11987654321"}).text
    assert "&lt;b&gt;SAIR&lt;/b&gt;" in shown
    assert "98765-4321" not in shown.replace("•••••-4321", "").replace('placeholder="11 98765-4321"', "")


def test_a_thousand_messages_are_cut_and_say_so(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    with services.db.writing() as session:
        session.execute(
            Message.__table__.insert(),  # type: ignore[attr-defined]
            [{"id": 10_000 + n, "number": ANA, "state": "accepted", "status": "1", "at": now - timedelta(minutes=n), "type": 0} for n in range(1000)],
        )  # fmt: skip
    found = about(services, ANA)
    assert (len(found.rows), found.more) == (100, True)
    assert "Only the newest 100 messages are shown." in page(signed_in, "11987654321")

"""The last look before sending: exact figures, a test on one's phone, and one click that counts."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.campaigns.cast import balance, contact_list, counted, draft, found, people
from tests.campaigns.test_compose import text_of
from tests.make import ANA, BRUNO, CARLA
from webapp.accounts.models import Audit
from webapp.campaigns import review
from webapp.campaigns.models import Campaign
from webapp.campaigns.plan import openings
from webapp.contacts.models import Contact, ContactList, Import
from webapp.core import clock
from webapp.core.web import Services
from webapp.core.window import SendingWindow
from webapp.messages.models import Message, Run
from webapp.optouts import service as optouts

SignIn = Callable[..., FlaskClient]
LONG = "á" * 71


@pytest.fixture
def key(services: Services) -> int:
    """A counted draft to two people and one without a name."""
    with services.db.writing() as session:
        balance(session)
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {}), (CARLA, "", {})])
        made = draft(session, [shop], "Oi {{nome}}!").id
    counted(services, made)
    return made


def page(browser: FlaskClient, key: int) -> str:
    return text_of(browser.get(f"/campaigns/{key}/review"))


def test_it_says_exactly_who_gets_it_and_what_it_costs(browser: FlaskClient, key: int) -> None:
    shown = page(browser, key)
    assert "People 2 of 3 in the audience" in shown
    assert "Credits 2 from the purse SMS" in shown
    assert "Left in the purse 999,998" in shown
    assert "A field of the message has no value for this person. −1" in shown
    assert "Send to 2 people" in shown


def test_it_reminds_of_nao_me_ligue_where_sao_paulo_is_written_to_and_no_list_came_lately(
    browser: FlaskClient, services: Services, key: str
) -> None:
    assert "1 person has an area code of São Paulo, and no “Não Me Ligue” list came in" in page(browser, key)
    browser.post("/contacts/opt-outs/import", data={"list-pasted": "41987654321", "list-reason": "Não Me Ligue"})
    assert "Não Me Ligue" not in page(browser, key)
    with services.db.writing() as session:
        session.scalars(select(Import)).one().finished_at = clock.now() - timedelta(days=31)
    assert "Não Me Ligue" in page(browser, key)


def test_people_without_a_value_get_a_blank_where_the_person_decides_so(
    browser: FlaskClient, services: Services, key: int
) -> None:
    assert browser.post(f"/campaigns/{key}/choices", data={"missing": "send"}).status_code == 303
    assert found(services.db, key).missing == "send"
    assert "Send to 3 people" in page(browser, key)


def test_accents_are_exchanged_only_when_the_person_decides_so(
    browser: FlaskClient, services: Services, key: int
) -> None:
    with services.db.writing() as session:
        session.get_one(Campaign, key).text = LONG
    counted(services, key)
    assert "Exchanging accents would save 3 credits with 3 people." in page(browser, key)
    browser.post(f"/campaigns/{key}/choices", data={"accents": "save"})
    assert "Credits 3 from the purse SMS" in page(browser, key)


def test_a_draft_that_was_not_counted_is_counted_by_the_page(
    browser: FlaskClient, services: Services, key: int
) -> None:
    with services.db.writing() as session:
        session.get_one(Campaign, key).text = "Bom dia, {{nome}}"
    answer = browser.get(f"/campaigns/{key}/review")
    assert 'hx-trigger="load, submit"' in answer.get_data(as_text=True)
    assert "Send to" not in text_of(answer)
    assert browser.post(f"/campaigns/{key}/forecast").status_code == 303
    assert "Send to 2 people" in page(browser, key)


def test_an_unfinished_draft_is_led_to_the_step_that_lacks_something(
    browser: FlaskClient, services: Services, key: int
) -> None:
    with services.db.writing() as session:
        session.get_one(Campaign, key).text = ""
    assert browser.get(f"/campaigns/{key}/review").location == f"/campaigns/{key}/message"
    with services.db.writing() as session:
        session.get_one(Campaign, key).lists = []
    assert browser.get(f"/campaigns/{key}").location == f"/campaigns/{key}/audience"


def test_the_click_sends_once_however_often_it_comes(browser: FlaskClient, services: Services, key: int) -> None:
    first = browser.post(f"/campaigns/{key}/launch")
    second = browser.post(f"/campaigns/{key}/launch")
    assert [first.status_code, second.status_code] == [303, 303]
    assert first.location == second.location == f"/campaigns/{key}"
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1
        assert session.scalar(select(func.count()).select_from(Message)) == 3
        noted = session.scalars(select(Audit.detail).where(Audit.action == "campaign.launch")).all()
    assert noted == [{"recipients": 2, "credits": 2}]
    assert "On its way to 2 people." in text_of(browser.get(first.location))


def test_what_was_sent_cannot_be_changed_any_more(browser: FlaskClient, services: Services, key: int) -> None:
    browser.post(f"/campaigns/{key}/launch")
    assert browser.get(f"/campaigns/{key}/message").location == f"/campaigns/{key}"
    answer = browser.post(f"/campaigns/{key}/audience", data={"name": "x", "lists": [1]})
    assert answer.status_code == 422
    assert "was sent already and cannot be changed" in text_of(answer)


def test_too_little_credit_is_refused_with_the_numbers(browser: FlaskClient, services: Services, key: int) -> None:
    with services.db.writing() as session:
        balance(session, balance_1=1)
    shown = page(browser, key)
    assert "The campaign needs 2 credits and the purse has 1 free: 1 are missing." in shown
    assert "Send to 2 people" not in shown
    answer = browser.post(f"/campaigns/{key}/launch")
    assert answer.status_code == 422
    assert found(services.db, key).run_id is None


def test_nobody_left_after_the_opt_outs_is_refused(browser: FlaskClient, services: Services, key: int) -> None:
    with services.db.writing() as session:
        optouts.add_many(session, [ANA, BRUNO], origin="reply", reason="SAIR")
    counted(services, key)
    assert "Nobody would receive this message." in page(browser, key)
    assert browser.post(f"/campaigns/{key}/launch").status_code == 422
    assert found(services.db, key).run_id is None


def test_above_a_thousand_people_the_number_is_typed(browser: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        balance(session)
        key = draft(session, [contact_list(session, "Loja", people(1001))], "Oi").id
    counted(services, key)
    for typed in ("", "1000", "1.002"):
        answer = browser.post(f"/campaigns/{key}/launch", data={"confirm": typed})
        assert answer.status_code == 422
        assert "Type the number of people, 1,001, to confirm." in text_of(answer)
    assert found(services.db, key).run_id is None
    assert browser.post(f"/campaigns/{key}/launch", data={"confirm": "1.001"}).status_code == 303


def test_a_list_that_grew_since_is_counted_again_before_anything_leaves(
    browser: FlaskClient, services: Services, key: int
) -> None:
    with services.db.writing() as session:
        first = session.scalars(select(Contact)).first()
        assert first is not None
        session.add(Contact(list_id=first.list_id, number=ANA + 1, name="Nova", fields={}, created_at=clock.now(),
                            updated_at=clock.now()))  # fmt: skip
        session.get_one(ContactList, first.list_id).size += 1
    answer = browser.post(f"/campaigns/{key}/launch")
    assert answer.status_code == 422
    assert found(services.db, key).run_id is None


class TestTestMessage:
    def test_it_goes_to_one_phone_as_the_first_person_gets_it(
        self, browser: FlaskClient, services: Services, key: int
    ) -> None:
        answer = browser.post(f"/campaigns/{key}/test", data={"number": "(11) 97777-6666"})
        assert (answer.status_code, answer.location) == (303, f"/campaigns/{key}/review")
        with services.db.reading() as session:
            run = session.scalars(select(Run)).one()
            message = session.scalars(select(Message)).one()
        assert (run.kind, run.text, message.number) == ("test", "Oi Ana!", 5511977776666)
        assert found(services.db, key).run_id is None

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ("", "Write a mobile number."),
            ("12", "digits are missing"),
            ("11 3333-4444", "Landlines take voice calls only."),
            (str(BRUNO), "asked not to be written to"),
        ],
    )
    def test_a_phone_that_cannot_get_it_is_refused(
        self, browser: FlaskClient, services: Services, key: int, typed: str, words: str
    ) -> None:
        with services.db.writing() as session:
            optouts.add(session, BRUNO, origin="reply", reason="SAIR")
        answer = browser.post(f"/campaigns/{key}/test", data={"number": typed})
        assert answer.status_code == 422
        assert words in text_of(answer)
        with services.db.reading() as session:
            assert session.scalar(select(Run.id)) is None


BRASILIA = SendingWindow.parse("mon-fri 09:00-20:00; sat 09:00-13:00")
areas = st.dictionaries(st.sampled_from([0, 11, 21, 65, 68, 81, 92, 97]), st.integers(0, 10_000), max_size=8)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(clock.aware)


@settings(deadline=None)  # the first look at a year reads its holidays
@given(areas, moments)
def test_the_plan_has_everybody_once_and_never_outside_the_window(counted_by_area: dict[int, int], at: Any) -> None:
    rows = openings(counted_by_area, BRASILIA, at)
    assert sum(row.people for row in rows) == sum(counted_by_area.values())
    assert [row.at for row in rows] == sorted({row.at for row in rows})
    assert all(row.at >= at for row in rows)
    assert sum(row.people for row in openings(counted_by_area, BRASILIA, at, ignores_window=True)) == sum(
        counted_by_area.values()
    )


def test_the_plan_names_the_states_that_wait() -> None:
    nine = datetime(2027, 3, 3, 12, 0, tzinfo=clock.aware(clock.now()).tzinfo)  # a Wednesday, 9:00 in São Paulo
    rows = openings({11: 100, 92: 7, 65: 3, 68: 5}, BRASILIA, nine)
    assert [(row.people, row.places, row.at - nine) for row in rows] == [
        (100, ("SP",), timedelta(0)),
        (10, ("AM", "MT"), timedelta(hours=1)),
        (5, ("AC",), timedelta(hours=2)),
    ]


def test_while_it_counts_the_box_asks_every_second_and_then_no_more(
    browser: FlaskClient, services: Services, key: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.jobs, "start", lambda *_: None)  # the worker has not come yet
    browser.post(f"/campaigns/{key}/choices", data={"missing": "send"})
    box = browser.get(f"/campaigns/{key}/forecast").get_data(as_text=True)
    assert 'hx-trigger="every 1s"' in box
    review.counting.carry_out(services.db, services.settings, key)
    box = browser.get(f"/campaigns/{key}/forecast").get_data(as_text=True)
    assert not re.search("every", box)
    assert "Send to 3 people" in box

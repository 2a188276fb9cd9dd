"""Days of rest: who got a campaign a short time ago is left out of the next one, in the count as in the launch."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.campaigns.cast import SMS, balance, contact_list, counted, draft, found
from tests.campaigns.test_compose import text_of
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import audience, forecast, launch, people, service
from webapp.campaigns.audience import Selection
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.messages import outbox
from webapp.messages.models import Message, Run
from webapp.messages.outbox import NewMessage
from webapp.messages.states import REASONS

SignIn = Callable[..., FlaskClient]
EVERYBODY = [(ANA, "Ana", {}), (BRUNO, "Bruno", {}), (CARLA, "Carla", {})]


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only",
        sending_window="always",
    )  # fmt: skip


def written_to(
    session: Session, number: int, days_ago: float, *, kind: str = "campaign", state: str = "accepted", type: int = 0
) -> None:
    """A message of another run that came to this state so many days ago."""
    at = clock.now() - timedelta(days=days_ago)
    run = outbox.open_run(session, kind=kind, name="Antes", type=type, text="Oi", total=1, not_before=at)
    outbox.write_chunk(session, run, [NewMessage(number)], 1)
    row = session.scalars(select(Message).where(Message.run_id == run.id)).one()
    row.state, row.at = state, at
    session.flush()


def reasons(session: Session, selection: Selection) -> dict[int, str | None]:
    """The reason of each person of the audience; all ways of asking have to say the same."""
    members = [member for chunk in audience.walk(session, selection, SMS) for member in chunk.members]
    bare = [member for chunk in audience.walk(session, selection, SMS, wanted=()) for member in chunk.members]
    assert [member.reason for member in bare] == [member.reason for member in members]
    for each in members:
        alone = people.member(session, selection, SMS, each.person.contact_id)
        assert alone is not None and alone.reason == each.reason
    walked = audience.count(session, selection, SMS)
    assert audience.count(session, selection, SMS, limit=-1) == walked
    assert walked.total == len(members) == walked.recipients + sum(walked.left_out.values())
    return {member.person.number: member.reason for member in members}


@pytest.fixture
def shop(services: Services) -> int:
    with services.db.writing() as session:
        balance(session)
        return contact_list(session, "Loja", EVERYBODY)


def test_who_got_a_campaign_three_days_ago_is_left_out_at_seven_days_and_not_at_two(
    services: Services, shop: int
) -> None:
    with services.db.writing() as session:
        written_to(session, ANA, 3)
    with services.db.reading() as session:
        assert reasons(session, Selection((shop,), rest_days=7)) == {ANA: "recent", BRUNO: None, CARLA: None}
        assert set(reasons(session, Selection((shop,), rest_days=2)).values()) == {None}
        assert set(reasons(session, Selection((shop,))).values()) == {None}


def test_a_campaign_counts_over_whatever_channel_it_went(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        written_to(session, ANA, 1, type=5)
    with services.db.reading() as session:
        assert reasons(session, Selection((shop,), rest_days=7))[ANA] == "recent"


@pytest.mark.parametrize("kind", ["reply", "test"])
def test_a_reply_or_a_test_does_not_count(services: Services, shop: int, kind: str) -> None:
    with services.db.writing() as session:
        written_to(session, ANA, 1, kind=kind)
    with services.db.reading() as session:
        assert reasons(session, Selection((shop,), rest_days=7))[ANA] is None


@pytest.mark.parametrize("state", ["pending", "refused", "cancelled", "suppressed", "expired"])
def test_what_was_not_handed_over_does_not_count(services: Services, shop: int, state: str) -> None:
    with services.db.writing() as session:
        written_to(session, ANA, 1, state=state)
    with services.db.reading() as session:
        assert reasons(session, Selection((shop,), rest_days=7))[ANA] is None


def test_what_another_system_of_the_account_sent_does_not_count(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        key = outbox.reserve_keys(session, 1)
        session.add(Message(id=key, number=ANA, type=0, state="accepted", at=clock.now(), gateway_id="x"))
    with services.db.reading() as session:
        assert reasons(session, Selection((shop,), rest_days=7))[ANA] is None


def test_somebody_of_two_lists_who_got_two_campaigns_is_left_out_once(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        club = contact_list(session, "Clube", [(ANA, "Ana", {})])
        written_to(session, ANA, 1)
        written_to(session, ANA, 2)
    with services.db.reading() as session:
        selection = Selection((shop, club), rest_days=7)
        reasons(session, selection)
        done = audience.count(session, selection, SMS)
        assert (done.rows, done.total, done.aside, done.left_out) == (4, 3, {"duplicate": 1}, {"recent": 1})


def test_the_count_and_the_launch_leave_out_the_same_and_the_run_adds_up(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        written_to(session, ANA, 3)
        key = draft(session, [shop], rest_days=7).id
    campaign = counted(services, key)
    with services.db.reading() as session:
        result = forecast.progress(session, campaign, clock.now()).result
        assert result is not None and (result.recipients, result.count.left_out) == (2, {"recent": 1})
    with services.db.writing() as session:
        written_to(session, BRUNO, 0)  # another campaign reaches him between the count and the click
        launch.launch(session, services.settings, session.get_one(Campaign, key), person_id=None, undo_seconds=0)
    launch.carry_out(services.db, services.settings, key)
    with services.db.reading() as session:
        run = session.get_one(Run, found(services.db, key).run_id)
        rows = session.execute(select(Message.number, Message.state, Message.reason).where(Message.run_id == run.id))
        assert {number: (state, reason) for number, state, reason in rows} == {
            ANA: ("suppressed", "recent"), BRUNO: ("suppressed", "recent"), CARLA: ("pending", None),
        }  # fmt: skip
        assert run.total == 3


def test_a_changed_number_of_days_is_counted_anew(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        key = draft(session, [shop], rest_days=7).id
    counted(services, key)
    with services.db.writing() as session:
        campaign = session.get_one(Campaign, key)
        campaign.rest_days = 8
        assert forecast.progress(session, campaign, clock.now()).state == "none"


def test_a_copy_keeps_the_days(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        made = draft(session, [shop], rest_days=30)
        assert service.duplicate(session, made, name="Outra", person_id=None).rest_days == 30


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # it reads the plan of SQLite
def test_each_person_costs_a_look_at_their_own_messages_however_many_campaigns_there_were(
    services: Services, shop: int
) -> None:
    with services.db.reading() as session:
        query = select(*audience.person_columns(SMS, clock.now())).where(audience.Contact.list_id == shop)
        asked = query.compile(session.connection(), compile_kwargs={"literal_binds": True})
        steps = " | ".join(row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {asked}")))
        assert "SEARCH message USING INDEX ix_message_number_id (number=?)" in steps
        assert "SCAN run" not in steps


class TestPages:
    """On SQLite alone: what is asked of the database is tested above."""

    @pytest.fixture
    def database(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"

    def test_the_step_keeps_the_number_and_the_review_says_it(
        self, browser: FlaskClient, services: Services, shop: int
    ) -> None:
        answer = browser.post("/campaigns/new", data={"name": "x", "lists": [shop], "rest_days": " 7 "})
        assert (answer.status_code, found(services.db, 1).rest_days) == (303, 7)
        page = browser.get("/campaigns/1/audience").get_data(as_text=True)
        assert 'value="7"' in page
        browser.post("/campaigns/1/audience", data={"name": "x", "lists": [shop], "rest_days": ""})
        assert found(services.db, 1).rest_days == 0

    @pytest.mark.parametrize("typed", ["-1", "91", "sete", "1.5", "9" * 5000])
    def test_what_is_no_number_of_days_is_refused_and_kept_in_the_field(
        self, browser: FlaskClient, services: Services, shop: int, typed: str
    ) -> None:
        answer = browser.post("/campaigns/new", data={"name": "x", "lists": [shop], "rest_days": typed})
        assert answer.status_code == 422
        assert "Write a whole number of days, 90 at most, or nothing." in text_of(answer)
        assert f'value="{typed}"' in answer.get_data(as_text=True)
        with services.db.reading() as session:
            assert session.scalar(select(Campaign.id)) is None
        live = browser.post("/campaigns/audience-count", data={"lists": [shop], "rest_days": typed})
        assert "3 people can receive it" in text_of(live)

    def test_the_live_count_tells_them_apart(self, browser: FlaskClient, services: Services, shop: int) -> None:
        with services.db.writing() as session:
            written_to(session, ANA, 3)
        answer = browser.post("/campaigns/audience-count", data={"lists": [shop], "rest_days": "7"})
        assert "2 people can receive it" in text_of(answer)
        assert "got a campaign in the last 7 days −1" in text_of(answer)

    @pytest.mark.parametrize(
        ("locale", "words"),
        [
            ("en", ("Left out: who got a campaign in the last 7 days", f"{REASONS['recent']} −1")),
            ("pt_BR", ("De fora: quem recebeu campanha nos últimos 7 dias",
                       "A pessoa recebeu outra campanha nos últimos dias. −1")),
        ],
    )  # fmt: skip
    def test_the_review_says_who_is_left_out(
        self, signed_in: SignIn, services: Services, shop: int, locale: str, words: Any
    ) -> None:
        with services.db.writing() as session:
            written_to(session, ANA, 3)
            key = draft(session, [shop], rest_days=7).id
        counted(services, key)
        shown = text_of(signed_in("marketing", locale=locale).get(f"/campaigns/{key}/review"))
        assert all(each in shown for each in words), shown

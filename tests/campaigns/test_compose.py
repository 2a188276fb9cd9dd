"""Writing a campaign in the browser: each step saves its part, refuses nonsense and keeps what was typed."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from tests.campaigns.cast import balance, contact_list, draft, found
from tests.make import ANA, BRUNO, CARLA
from webapp.accounts.models import Audit
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def shop(services: Services) -> int:
    """A list of three, one without a name, with the field `cidade`."""
    with services.db.writing() as session:
        balance(session)
        rows = [(ANA, "Ana", {"cidade": "Santos"}), (BRUNO, "Bruno", {"cidade": "Bauru"}), (CARLA, "", {})]
        return contact_list(session, "Loja", rows, ["cidade"])


@pytest.fixture
def written(services: Services, shop: int) -> int:
    """A draft that lacks nothing."""
    with services.db.writing() as session:
        return draft(session, [shop], "Oi {{nome|você}}!").id


def text_of(answer: Any) -> str:
    """What people read of a page, blanks folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)))


class TestAudience:
    def test_looking_at_the_first_step_writes_nothing(
        self, browser: FlaskClient, services: Services, shop: int
    ) -> None:
        assert browser.get("/campaigns/new").status_code == 200
        with services.db.reading() as session:
            assert session.scalar(select(Campaign.id)) is None

    def test_saving_it_makes_the_draft_and_leads_on(self, browser: FlaskClient, services: Services, shop: int) -> None:
        answer = browser.post("/campaigns/new", data={"name": " Volta  às aulas ", "lists": [shop]})
        assert (answer.status_code, answer.location) == (303, "/campaigns/1/message")
        made = found(services.db, 1)
        assert (made.name, made.lists, made.run_id) == ("Volta às aulas", [shop], None)

    def test_without_a_list_the_page_comes_again_with_the_name_kept(
        self, browser: FlaskClient, services: Services, shop: int
    ) -> None:
        answer = browser.post("/campaigns/new", data={"name": "Oferta"})
        assert answer.status_code == 422
        assert "Choose at least one list." in text_of(answer)
        assert 'value="Oferta"' in answer.get_data(as_text=True)
        with services.db.reading() as session:
            assert session.scalar(select(Campaign.id)) is None

    def test_a_list_moves_up_without_saving(self, browser: FlaskClient, services: Services, written: int) -> None:
        with services.db.writing() as session:
            club = contact_list(session, "Clube", [(ANA, "Ana", {})])
            session.get_one(Campaign, written).lists = [1, club]
        answer = browser.post(f"/campaigns/{written}/audience", data={"name": "x", "lists": [1, club], "up": club})
        page = answer.get_data(as_text=True)
        assert page.index(f'id="lists-{club}"') < page.index('id="lists-1"')
        assert found(services.db, written).lists == [1, club]

    def test_the_live_count_tells_who_is_left_out(self, browser: FlaskClient, shop: int) -> None:
        answer = browser.post(
            "/campaigns/audience-count",
            data={"lists": [shop], "filter_field": ["cidade"], "filter_op": ["is"], "filter_value": ["santos"]},
        )
        assert "1 person can receive it" in text_of(answer)
        assert "not meeting the conditions −2" in text_of(answer)

    @pytest.mark.parametrize(
        ("field", "op", "value", "words"),
        [
            ("cpf", "is", "1", "no field called cpf"),
            ("cidade", "before", "ontem", "ontem is neither a date nor a number"),
        ],
    )
    def test_a_condition_that_makes_no_sense_is_refused(
        self, browser: FlaskClient, shop: int, field: str, op: str, value: str, words: str
    ) -> None:
        data = {"name": "x", "lists": [shop], "filter_field": [field], "filter_op": [op], "filter_value": [value]}
        answer = browser.post("/campaigns/new", data=data)
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert f'value="{value}"' in answer.get_data(as_text=True)

    def test_support_may_not_write_campaigns(self, signed_in: SignIn, shop: int) -> None:
        assert signed_in("support").get("/campaigns/new").status_code == 403


class TestMessage:
    def test_all_nine_kinds_can_be_chosen(self, browser: FlaskClient, written: int) -> None:
        page = browser.get(f"/campaigns/{written}/message").get_data(as_text=True)
        assert len(re.findall(r'type="radio" name="type"', page)) == len(CLASSIC.types) == 9

    @pytest.mark.parametrize("kind", [number for number, row in CLASSIC.types.items() if not row.media])
    def test_a_text_is_saved_for_each_text_kind(
        self, browser: FlaskClient, services: Services, written: int, kind: int
    ) -> None:
        answer = browser.post(f"/campaigns/{written}/message", data={"type": kind, "text": "Olá {{name}}\r\n"})
        assert (answer.status_code, answer.location) == (303, f"/campaigns/{written}/schedule")
        campaign = found(services.db, written)
        assert (campaign.type, campaign.text) == (kind, "Olá {{name}}")

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"type": 0, "text": "  \n "}, "Write the message."),
            ({"type": 0, "text": "Oi {{Cidáde}} {{cpf}}"}, "no field called {{cpf}}. They have: {{nome}}, {{cidade}}."),
            ({"type": 0, "text": "a" * 1531}, "The text takes 11 messages; at most 10 are sent as one."),
            ({"type": 3, "text": "a" * 1001}, "The text has 1,001 characters; at most 1,000 fit."),
            ({"type": 5, "text": "a" * 4097}, "The text has 4,097 characters; at most 4,096 fit."),
            ({"type": 6}, "Choose a file, or write the address of one."),
            ({"type": 6, "media_url": "ftp://x.com/a.jpg"}, "starting with https:// or http://"),
            ({"type": 6, "media_url": "https://x.com/a.gif"}, "The address must end in .jpg"),
            ({"type": 8, "media_url": "https://x.com/a.mp4", "caption": "a" * 491}, "The caption has 491 characters"),
            ({"type": 8, "media_url": "https://x.com/a.mp4", "caption": "Oi {{nome}}"}, "cannot have fields"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_in_words_and_nothing_is_lost(
        self, browser: FlaskClient, services: Services, written: int, data: dict[str, Any], words: str
    ) -> None:
        answer = browser.post(f"/campaigns/{written}/message", data=data)
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert found(services.db, written).text == "Oi {{nome|você}}!"
        for typed in (data.get("media_url"), data.get("caption")):
            assert not typed or typed in answer.get_data(as_text=True)

    def test_a_picture_is_hosted_and_served_for_everybody(
        self, browser: FlaskClient, app: Any, services: Services, written: int
    ) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (2000, 1000), "navy").save(picture, "JPEG")
        data = {"type": 6, "file": (io.BytesIO(picture.getvalue()), "foto.jpg"), "caption": "Novidade!"}
        answer = browser.post(f"/campaigns/{written}/message", data=data, content_type="multipart/form-data")
        assert answer.status_code == 303
        with services.db.reading() as session:
            media = session.get_one(Campaign, written).media
            assert media is not None
            assert (media.width, media.height) == (1024, 512)
        assert "from 2000 × 1000 to 1024 × 512" in text_of(browser.get(answer.location))
        fetched = app.test_client().get(f"/media/{media.name}")
        assert (fetched.status_code, fetched.content_type) == (200, "image/jpeg")
        assert fetched.headers["X-Content-Type-Options"] == "nosniff"
        assert app.test_client().get("/media/").status_code == 404
        assert app.test_client().get("/media/" + "a" * 36 + ".jpg").status_code == 404

    def test_the_preview_shows_a_chosen_person_the_cost_and_what_accents_do(
        self, browser: FlaskClient, services: Services, written: int
    ) -> None:
        data = {"type": 0, "text": "Olá {{nome|você}} " + "ã" * 70}
        first = text_of(browser.post(f"/campaigns/{written}/preview", data=data))
        assert "Olá Ana ã" in first
        assert "2 credits · 78 of 134 characters" in first
        assert "Exchanging accents would save 3 credits with 3 people." in first
        assert "6 credits of SMS for 3 people 999,994 will be left." in first
        after = text_of(browser.post(f"/campaigns/{written}/preview", data={**data, "go": "next:1"}))
        assert "Olá Bruno ã" in after
        saving = text_of(browser.post(f"/campaigns/{written}/preview", data={**data, "accents": "1"}))
        assert "Ola Ana aaa" in saving
        assert "3 credits of SMS for 3 people" in saving
        assert found(services.db, written).text == "Oi {{nome|você}}!"

    def test_without_scripts_the_next_person_comes_by_the_form_itself(
        self, browser: FlaskClient, services: Services, written: int
    ) -> None:
        data = {"type": 0, "text": "Bom dia {{nome|você}}", "go": "next:1"}
        answer = browser.post(f"/campaigns/{written}/message", data=data)
        assert answer.status_code == 200
        assert "Bom dia Bruno" in text_of(answer)
        assert found(services.db, written).text == "Oi {{nome|você}}!"

    def test_markup_in_a_list_shows_as_text(self, browser: FlaskClient, services: Services) -> None:
        with services.db.writing() as session:
            evil = contact_list(session, "X", [(ANA, "<script>alert(1)</script>", {})])
            key = draft(session, [evil], "Oi {{nome}}").id
        page = browser.get(f"/campaigns/{key}/message").get_data(as_text=True)
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page


class TestSchedule:
    def save(self, browser: FlaskClient, key: int, **data: Any) -> Any:
        base = {"mode": "at", "timezone": "America/Sao_Paulo", "handover": "held"}
        return browser.post(f"/campaigns/{key}/schedule", data=base | data)

    def test_now_is_saved_and_counted_exactly(self, browser: FlaskClient, services: Services, written: int) -> None:
        answer = self.save(browser, written, mode="now")
        assert (answer.status_code, answer.location) == (303, f"/campaigns/{written}/review")
        campaign = found(services.db, written)
        assert campaign.send_at is None
        assert campaign.forecast is not None
        assert campaign.forecast["state"] == "done"

    def test_a_date_and_zone_become_a_moment(self, browser: FlaskClient, services: Services, written: int) -> None:
        day = (clock.now() + timedelta(days=30)).date()
        answer = self.save(browser, written, date=day.isoformat(), time="09:30", timezone="America/Manaus")
        assert answer.status_code == 303
        at = found(services.db, written).send_at
        assert at is not None
        assert (at.date(), at.hour, at.minute) == (day, 13, 30)
        assert "(UTC−4)" in text_of(browser.get(f"/campaigns/{written}/review"))

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"date": "2020-05-01", "time": "10:00"}, "01/05/2020 10:00 in São Paulo has passed."),
            ({"date": "2099-05-01", "time": "10:00"}, "is more than a year away"),
            ({"time": "10:00"}, "Choose the date and the time."),
            ({"date": "2099-05-01", "time": "10:00", "timezone": "Marte/Olympus"}, "no time zone called Marte/Olympus"),
            ({"date": "31/02/2027", "time": "10:00"}, "Not a valid date value."),
            ({"mode": "now", "valid_date": "2020-01-01"}, "01/01/2020 23:59 in São Paulo has passed."),
        ],
    )
    def test_a_moment_that_cannot_be_is_refused(
        self, browser: FlaskClient, services: Services, written: int, data: dict[str, str], words: str
    ) -> None:
        answer = self.save(browser, written, **data)
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert found(services.db, written).send_at is None

    def test_valid_until_comes_after_the_sending(self, browser: FlaskClient, written: int) -> None:
        day = (clock.now() + timedelta(days=9)).date().isoformat()
        answer = self.save(browser, written, date=day, time="10:00", valid_date=day, valid_time="09:00")
        assert answer.status_code == 422
        assert "must be later than the sending itself" in text_of(answer)

    def test_only_an_admin_overrides_the_window_and_it_is_noted(
        self, browser: FlaskClient, signed_in: SignIn, services: Services, written: int
    ) -> None:
        self.save(browser, written, mode="now", ignores_window="y")
        assert not found(services.db, written).ignores_window
        self.save(signed_in("admin"), written, mode="now", ignores_window="y")
        assert found(services.db, written).ignores_window
        with services.db.reading() as session:
            noted = session.scalars(select(Audit.subject).where(Audit.action == "campaign.window")).all()
        assert noted == [f"campaign {written}"]

    def test_the_box_beside_the_date_says_it_in_both_zones(self, browser: FlaskClient) -> None:
        data = {"mode": "at", "date": "2099-01-05", "time": "09:00", "timezone": "America/Rio_Branco"}
        said = text_of(browser.post("/campaigns/when", data=data))
        assert "Mon, 05/01/2099 09:00 in Rio Branco (UTC−5)" in said
        assert "05/01/2099 11:00 in São Paulo (UTC−3)" in said
        assert "has passed" in text_of(browser.post("/campaigns/when", data={**data, "date": "2020-01-05"}))


def test_a_draft_is_duplicated_with_its_message_and_deleted_for_good(
    browser: FlaskClient, services: Services, written: int
) -> None:
    answer = browser.post(f"/campaigns/{written}/duplicate")
    copy = found(services.db, written + 1)
    assert (answer.status_code, copy.name, copy.text) == (303, "Volta às aulas (copy)", "Oi {{nome|você}}!")
    assert browser.post(f"/campaigns/{copy.id}/delete").status_code == 303
    with services.db.reading() as session:
        assert list(session.scalars(select(Campaign.id))) == [written]
    assert browser.get(f"/campaigns/{copy.id}").status_code == 404


def test_the_list_is_filtered_by_its_url(browser: FlaskClient, services: Services, written: int) -> None:
    with services.db.writing() as session:
        draft(session, [1], "Texto", name="Outra coisa", type=5)
    assert "Volta às aulas" in text_of(browser.get("/campaigns?text=volta&state=draft"))
    assert "Outra coisa" not in text_of(browser.get("/campaigns?text=volta"))
    assert "Volta às aulas" not in text_of(browser.get("/campaigns?type=5"))
    assert "No campaign fits these filters" in text_of(browser.get("/campaigns?state=paused"))


def test_the_list_goes_on_where_it_stopped(browser: FlaskClient, services: Services, shop: int) -> None:
    with services.db.writing() as session:
        for number in range(30):
            draft(session, [shop], "x", name=f"Campanha {number:02}")
    first = browser.get("/campaigns").get_data(as_text=True)
    assert "Campanha 29" in first
    assert "Campanha 04" not in first
    more = re.search(r'href="(/campaigns\?after=\d+)"', first)
    assert more is not None
    second = browser.get(more[1]).get_data(as_text=True)
    assert "Campanha 04" in second
    assert "Campanha 05" not in second

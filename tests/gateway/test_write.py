"""What is written: the dialect's parameters, small bodies, the schedule in its own offset."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.gateway.codes import CLASSIC, MAX_BATCH
from webapp.gateway.errors import OurMistake
from webapp.gateway.outgoing import Manner, Recipient, batch_body, parameters, scheduled, single_body

SMS = Manner(0, "Olá")
ANA = Recipient(5511987654321, "ab1cd-1", "Olá, Ana")
BIA = Recipient(5521987654321, "ab1cd-2", "Olá, Bia")


def test_a_brazilian_number_travels_without_its_country_code():
    assert parameters(SMS, ANA, CLASSIC) == {
        "type": 0,
        "country_code": 55,
        "number": 11987654321,
        "content": "Olá, Ana",
        "campaign_id": "ab1cd-1",
    }


@pytest.mark.parametrize(
    ("number", "code", "national"),
    [(14155552671, 1, 4155552671), (351912345678, 351, 912345678), (390612345678, 39, "0612345678")],
)
def test_a_foreign_number_travels_beside_its_country_code(number, code, national):
    found = parameters(SMS, ANA._replace(number=number), CLASSIC)
    assert (found["country_code"], found["number"]) == (code, national)


@pytest.mark.parametrize("number", sorted(CLASSIC.types))
def test_a_caption_goes_only_with_the_types_that_document_one(number):
    found = parameters(Manner(number, "Olá", "veja"), ANA, CLASSIC)
    assert found.get("caption") == ("veja" if number in (6, 8) else None)


def test_a_dialect_may_carry_the_file_in_another_field():
    image = replace(CLASSIC.types[6], body_field="media")
    other = replace(CLASSIC, types={**CLASSIC.types, 6: image})
    found = parameters(Manner(6, "https://x/a.jpg"), ANA._replace(content=None), other)
    assert found["media"] == "https://x/a.jpg"
    assert "content" not in found


@pytest.mark.parametrize("number", [9, -1])
def test_a_type_that_the_dialect_lacks_is_our_mistake_before_anything_leaves(number):
    with pytest.raises(OurMistake) as caught:
        parameters(Manner(number), ANA, CLASSIC)
    assert caught.value.code == "020"


def test_a_schedule_is_written_in_its_own_offset():
    zone = timezone(timedelta(hours=-4))
    assert scheduled(datetime(2025, 8, 22, 14, 55, tzinfo=zone)) == ("2025-08-22 14:55:00", "-04:00")
    assert scheduled(datetime(2025, 8, 22, 14, 55, 1, 999, tzinfo=UTC)) == ("2025-08-22 14:55:01", "+00:00")
    assert scheduled(datetime(1900, 1, 1, tzinfo=ZoneInfo("America/Sao_Paulo")))[1] == "-03:00"
    with pytest.raises(ValueError, match="time zone"):
        scheduled(datetime(2025, 8, 22))


def test_a_single_message_is_a_form():
    form = parse_qs(single_body(SMS, ANA._replace(content="a&b=ç 🙂\ud83d"), CLASSIC).decode("ascii"))
    assert form["content"] == ["a&b=ç 🙂?"]
    assert form["number"] == ["11987654321"]


def test_what_a_batch_shares_is_written_once():
    at = datetime(2025, 8, 22, 14, 55, tzinfo=timezone(timedelta(hours=-3)))
    people = [ANA._replace(content=None), BIA._replace(content=None)]
    body = json.loads(batch_body(Manner(0, "Oi", schedule=at), people, CLASSIC))
    assert body["defaultValues"] == {
        "type": 0,
        "country_code": 55,
        "content": "Oi",
        "schedule": "2025-08-22 14:55:00",
        "timezone": "-03:00",
    }
    assert body["messages"] == [
        {"number": 11987654321, "campaign_id": "ab1cd-1"},
        {"number": 21987654321, "campaign_id": "ab1cd-2"},
    ]


def test_a_text_or_a_country_of_their_own_stays_with_each_message():
    abroad = Recipient(14155552671, "ab1cd-2")
    body = json.loads(batch_body(SMS, [ANA, abroad], CLASSIC))
    assert body["defaultValues"] == {"type": 0}
    assert [message["country_code"] for message in body["messages"]] == [55, 1]
    assert [message["content"] for message in body["messages"]] == ["Olá, Ana", "Olá"]


@pytest.mark.parametrize(("size", "code"), [(0, "130"), (MAX_BATCH + 1, "120")])
def test_a_batch_of_an_impossible_size_is_our_mistake_before_anything_leaves(size, code):
    with pytest.raises(OurMistake) as caught:
        batch_body(SMS, [ANA] * size, CLASSIC)
    assert caught.value.code == code


manners = st.builds(
    Manner,
    type=st.sampled_from(sorted(CLASSIC.types)),
    content=st.text(max_size=5),
    caption=st.text("xy", max_size=1),
    schedule=st.none() | st.datetimes(timezones=st.just(UTC)),
)
people = st.builds(
    Recipient,
    number=st.integers(5511900000000, 5511999999999) | st.sampled_from([14155552671, 390612345678, 551134567890]),
    reference=st.text("abc-", min_size=1),
    content=st.none() | st.text(max_size=5),
)


@given(manners, st.lists(people, min_size=1, max_size=4))
def test_defaults_and_message_together_are_always_the_whole_message(manner, people):
    body = json.loads(batch_body(manner, people, CLASSIC))
    written = [{**body["defaultValues"], **message} for message in body["messages"]]
    assert written == [parameters(manner, to, CLASSIC) for to in people]


def test_half_an_emoji_does_not_hold_a_batch_up():
    body = json.loads(batch_body(SMS, [ANA._replace(content="Oi \ud83d!"), BIA], CLASSIC))
    assert [message["content"] for message in body["messages"]] == ["Oi ?!", "Olá, Bia"]

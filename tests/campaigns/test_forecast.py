"""What a campaign will cost and whom it will reach, exactly and by the first people."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.cast import SMS, contact_list, counted, draft, found
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import counting, forecast, jobs
from webapp.campaigns.audience import Chunk, Count, Member, Person
from webapp.campaigns.forecast import Forecast
from webapp.campaigns.leases import LATE
from webapp.campaigns.rendering import Renderer, Words
from webapp.core import clock
from webapp.core.text import DEFAULT_RULE, segments
from webapp.core.web import Services

LONG = "á" * 71  # two parts because of its accents, one without them


def result_of(services: Services, campaign_id: int) -> Forecast:
    campaign = counted(services, campaign_id)
    with services.db.reading() as session:
        made = forecast.progress(session, campaign, clock.now()).result
    assert made is not None
    return made


def test_the_exact_count_renders_every_persons_own_text(services: Services) -> None:
    rows = [(ANA, "Ana", {}), (BRUNO, "B" * 150, {}), (CARLA, "", {})]
    with services.db.writing() as session:
        campaign = draft(session, [contact_list(session, "Loja", rows)], "Oi {{nome}}, tudo bem?")
        key = campaign.id
    made = result_of(services, key)
    assert (made.count.total, made.recipients, made.credits) == (3, 2, 1 + 2)
    assert made.count.left_out == {"missing_field": 1}
    assert made.parts == {1: 1, 2: 1}
    assert made.areas == {11: 1, 21: 1}
    assert made.missing == {"nome": 1}


def test_who_lacks_a_field_gets_a_blank_where_the_person_chose_that(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (CARLA, "", {})])
        key = draft(session, [shop], "Oi {{nome}}!", missing="send").id
    made = result_of(services, key)
    assert (made.recipients, made.missing_people, sum(made.count.left_out.values())) == (2, 1, 0)


def test_a_text_that_is_empty_for_somebody_is_not_sent_to_them(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (CARLA, "", {})])
        key = draft(session, [shop], "{{nome}}", missing="send").id
    assert result_of(services, key).count.left_out == {"empty": 1}


def test_exchanging_accents_tells_what_it_saves_and_saves_it_where_chosen(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
        keep, save = draft(session, [shop], LONG).id, draft(session, [shop], LONG, accents="save").id
    kept, saving = result_of(services, keep), result_of(services, save)
    assert (kept.credits, kept.saved, kept.saved_people) == (4, 2, 2)
    assert (saving.credits, saving.saved) == (2, 2)


def test_a_change_of_the_draft_makes_the_count_stale_and_stops_one_under_way(services: Services) -> None:
    with services.db.writing() as session:
        campaign = draft(session, [contact_list(session, "Loja", [(ANA, "Ana", {})])])
        counting.begin(session, campaign)
        key = campaign.id
    with services.db.writing() as session:
        changed = session.get_one(type(campaign), key)
        changed.text = "Outro texto"
    with services.db.reading() as session:
        assert forecast.progress(session, found(services.db, key), clock.now()).state == "none"
    assert result_of(services, key).recipients == 1


def test_an_old_count_is_made_again(services: Services) -> None:
    with services.db.writing() as session:
        key = draft(session, [contact_list(session, "Loja", [(ANA, "Ana", {})])]).id
    campaign = counted(services, key)
    with services.db.reading() as session:
        later = clock.now() + forecast.FRESH * 1.1
        assert forecast.progress(session, campaign, clock.now()).state == "done"
        assert forecast.progress(session, campaign, later).state == "none"


def test_a_count_of_a_machine_whose_clock_is_a_little_ahead_is_good(services: Services) -> None:
    with services.db.writing() as session:
        key = draft(session, [contact_list(session, "Loja", [(ANA, "Ana", {})])]).id
    with clock.shifted(timedelta(seconds=50)):
        campaign = counted(services, key)
    with services.db.reading() as session:
        assert forecast.progress(session, campaign, clock.now()).state == "done"
        long_before = clock.now() - timedelta(hours=1)  # the clock was set back since
        assert forecast.progress(session, campaign, long_before).state == "none"


def test_a_count_whose_worker_died_is_taken_up_by_the_sweep(services: Services) -> None:
    with services.db.writing() as session:
        campaign = draft(session, [contact_list(session, "Loja", [(ANA, "Ana", {})])])
        counting.begin(session, campaign)
        assert campaign.lease_until is not None
        campaign.lease_until -= LATE * 2
        key = campaign.id
    jobs.sweep(services)
    with services.db.reading() as session:
        assert forecast.progress(session, found(services.db, key), clock.now()).state == "done"


values = st.fixed_dictionaries({}, optional={"nome": st.text("aá 😀{}", max_size=90), "x": st.sampled_from(["", "1"])})
members = st.lists(st.tuples(values, st.sampled_from([None, None, None, "optout", "landline"])), max_size=30)
texts = st.sampled_from(["Oi {{nome}}", "{{x}}", "fixo", "Olá {{nome|amigo}} e {{x}}", LONG, "{{nome}}" * 30])


@given(members, texts, st.sampled_from(["keep", "save"]), st.sampled_from(["leave", "send"]))
def test_the_audience_is_its_recipients_and_those_left_out_by_reason(rows, text, accents, missing) -> None:
    chunk = Chunk(len(rows) + 3, aside=Counter(duplicate=1, excluded=2))
    chunk.members = [Member(Person(n, 1, ANA + n, "mobile", "", fields), why) for n, (fields, why) in enumerate(rows)]
    made, renderer = Forecast(), Renderer(Words(text, accents, missing), SMS, DEFAULT_RULE)
    made.add(chunk, renderer)
    assert made.count.rows == made.count.total + sum(made.count.aside.values())
    assert made.count.total == made.recipients + sum(made.count.left_out.values())
    assert sum(made.parts.values()) == sum(made.areas.values()) == made.recipients
    assert made.credits == sum(parts * n for parts, n in made.parts.items())
    assert Forecast.from_json(made.to_json()).credits == made.credits
    for member in chunk.members:
        rendered = renderer.of(member.person.values)
        if rendered.problem is None:
            sent = renderer.common if rendered.text is None else rendered.text
            assert rendered.credits == max(segments(sent).parts, 1)


@given(members, st.integers(0, 5000))
def test_an_estimate_over_everybody_is_the_exact_cost(rows, more) -> None:
    reachable = [Person(n, 1, ANA + n, "mobile", "", fields) for n, (fields, why) in enumerate(rows) if why is None]
    renderer = Renderer(Words("Oi {{nome|você}}"), SMS, DEFAULT_RULE)
    exact = sum(renderer.of(person.values).credits for person in reachable)
    whole = forecast.estimate(reachable, Count(rows=len(reachable), total=len(reachable)), renderer)
    assert whole.exact
    assert whole.credits == exact
    part = forecast.estimate(reachable, Count(rows=0, total=len(reachable) + more + 1), renderer)
    assert not part.exact
    assert part.credits >= exact

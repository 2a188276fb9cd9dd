"""Who is in an audience, and where the others went."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from tests.campaigns.cast import SMS, VOICE, contact_list
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import audience, people
from webapp.campaigns.audience import Selection
from webapp.campaigns.conditions import Condition
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC
from webapp.messages import outbox
from webapp.messages.models import Batch, Message, Run, RunCount
from webapp.messages.outbox import NewMessage
from webapp.optouts import service as optouts
from webapp.optouts.models import OptOut, OptOutEvent

LANDLINE = 551133334444


def opt_out(session: Session, number: int, channel: str = "all") -> None:
    optouts.add(session, number, origin="hand", reason="asked by phone", channel=channel)


def written_to(session: Session, numbers: list[int]) -> None:
    """A campaign that these people got a moment ago."""
    run = outbox.open_run(
        session, kind="campaign", name="Antes", type=0, text="Oi", total=len(numbers), not_before=clock.now()
    )
    outbox.write_chunk(session, run, [NewMessage(number) for number in numbers], 100)
    session.execute(update(Message).where(Message.run_id == run.id).values(state="accepted"))


def everybody(session: Session, selection: Selection, service=SMS, **how) -> list[audience.Member]:
    return [member for chunk in audience.walk(session, selection, service, **how) for member in chunk.members]


def test_a_person_in_two_lists_is_one_person_with_the_fields_of_the_first_named(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {"cidade": "Santos"})], ["cidade"])
        club = contact_list(session, "Clube", [(ANA, "Ana Souza", {"cidade": "Bauru"}), (BRUNO, "Bruno", {})])
    with services.db.reading() as session:
        found = everybody(session, Selection((club, shop)))
        assert [(m.person.number, m.person.name) for m in found] == [(ANA, "Ana Souza"), (BRUNO, "Bruno")]
        assert found[0].person.values["cidade"] == "Bauru"
        counted = audience.count(session, Selection((club, shop)), SMS)
        assert (counted.rows, counted.total, counted.recipients) == (3, 2, 2)
        assert counted.aside == {"duplicate": 1}


def test_opt_outs_and_landlines_stay_in_the_audience_with_their_reason(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {}), (LANDLINE, "Padaria", {})])
        opt_out(session, BRUNO)
    with services.db.reading() as session:
        assert [m.reason for m in everybody(session, Selection((shop,)))] == [None, "optout", "landline"]
        assert [m.reason for m in everybody(session, Selection((shop,)), VOICE)] == [None, "optout", None]
        counted = audience.count(session, Selection((shop,)), SMS)
        assert (counted.total, counted.recipients) == (3, 1)
        assert counted.left_out == {"optout": 1, "landline": 1}


def test_an_opt_out_of_one_channel_leaves_the_others_open(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {})])
        opt_out(session, ANA, "voice")
    with services.db.reading() as session:
        assert everybody(session, Selection((shop,)), VOICE)[0].reason == "optout"
        assert everybody(session, Selection((shop,)), SMS)[0].reason is None


def test_who_wants_no_sms_gets_no_flash_and_no_interactive_one(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {})])
        opt_out(session, ANA, "sms")
    with services.db.reading() as session:
        reasons = [everybody(session, Selection((shop,)), CLASSIC.types[type])[0].reason for type in (0, 1, 2, 3, 5)]
        assert reasons == ["optout", "optout", "optout", None, None]
        flash = CLASSIC.types[1]
        assert audience.count(session, Selection((shop,)), flash, limit=0).left_out == {"optout": 1}


def test_an_excluded_list_takes_people_out_whatever_list_brought_them(services: Services) -> None:
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
        staff = contact_list(session, "Equipe", [(BRUNO, "Bruno", {}), (CARLA, "Carla", {})])
    with services.db.reading() as session:
        selection = Selection((shop,), (staff,))
        assert [m.person.number for m in everybody(session, selection)] == [ANA]
        assert audience.count(session, selection, SMS).aside == {"excluded": 1}


def test_conditions_compare_words_numbers_and_dates_as_people_write_them(services: Services) -> None:
    rows = [
        (ANA, "Ana", {"cidade": "São Paulo", "gasto": "1.234,50", "ultima": "05/03/2026"}),
        (BRUNO, "Bruno", {"cidade": "sao paulo ", "gasto": "99", "ultima": "2026-01-31 10:00"}),
        (CARLA, "Carla", {"gasto": "R$ 2000,00"}),
    ]
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", rows, ["cidade", "gasto", "ultima"])

    def chosen(*conditions: Condition) -> list[int]:
        with services.db.reading() as session:
            return [m.person.number for m in everybody(session, Selection((shop,), (), conditions))]

    assert chosen(Condition("cidade", "is", "SAO PAULO")) == [ANA, BRUNO]
    assert chosen(Condition("cidade", "is_not", "São Paulo")) == [CARLA]
    assert chosen(Condition("cidade", "is", "")) == [CARLA]
    assert chosen(Condition("nome", "contains", "bru")) == [BRUNO]
    assert chosen(Condition("gasto", "after", "1000")) == [ANA, CARLA]
    assert chosen(Condition("gasto", "before", "1.000,00")) == [BRUNO]
    assert chosen(Condition("ultima", "before", "01/03/2026")) == [BRUNO]
    assert chosen(Condition("ddd", "is", "31")) == [CARLA]
    assert chosen(Condition("cidade", "is", "Sao Paulo"), Condition("gasto", "after", "100")) == [ANA]


def test_a_long_list_with_conditions_is_estimated_and_says_so(services: Services) -> None:
    rows = [(ANA + place, "", {"vip": "sim" if place % 2 else "não"}) for place in range(300)]
    with services.db.writing() as session:
        shop = contact_list(session, "Loja", rows, ["vip"])
    with services.db.reading() as session:
        found = audience.count(session, Selection((shop,), (), (Condition("vip", "is", "sim"),)), SMS, limit=100)
        assert (found.exact, found.rows, found.total) == (False, 300, 150)
        assert found.rows == found.total + sum(found.aside.values())


def test_the_preview_goes_on_to_the_next_person_across_lists_and_back(services: Services) -> None:
    with services.db.writing() as session:
        one = contact_list(session, "Um", [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
        two = contact_list(session, "Dois", [(ANA, "Ana", {}), (CARLA, "Carla", {})])
        opt_out(session, BRUNO)
    with services.db.reading() as session:
        selection = Selection((one, two))
        ana, carla = (m.person for m in everybody(session, selection) if m.reason is None)
        assert people.neighbour(session, selection, SMS, ana) == carla
        assert people.neighbour(session, selection, SMS, carla) is None
        assert people.neighbour(session, selection, SMS, carla, backwards=True) == ana
        assert people.search(session, selection, SMS, "carl") == [carla]
        assert people.search(session, selection, SMS, str(ANA)[-4:]) == [ana]
        assert people.search(session, selection, SMS, "bruno") == []


TABLES = (Contact, ListField, ContactList, OptOut, OptOutEvent, Message, Batch, RunCount, Run)
numbers = st.lists(st.integers(0, 30), max_size=25, unique=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lists=st.lists(numbers, min_size=1, max_size=3),
    excluded=numbers,
    out=st.sets(st.integers(0, 30), max_size=6),
    recent=st.sets(st.integers(0, 30), max_size=6),
    rest_days=st.sampled_from([0, 7]),
)
def test_every_row_is_counted_once_and_both_ways_of_counting_agree(
    services: Services, lists: list[list[int]], excluded: list[int], out: set[int], recent: set[int], rest_days: int
) -> None:
    def number(place: int) -> int:
        return LANDLINE + place if place % 5 == 0 else ANA + place

    with services.db.writing() as session:
        for model in TABLES:
            session.query(model).delete()
        ids = tuple(contact_list(session, f"L{n}", [(number(p), "", {}) for p in rows]) for n, rows in enumerate(lists))
        shut = contact_list(session, "X", [(number(p), "", {}) for p in excluded])
        for place in out:
            opt_out(session, number(place))
        written_to(session, [number(place) for place in recent])
    with services.db.reading() as session:
        selection = Selection(ids, (shut,), rest_days=rest_days)
        walked = audience.count(session, selection, SMS)
        asked = audience.count(session, selection, SMS, limit=-1)
        assert walked.rows == sum(map(len, lists)) == walked.total + sum(walked.aside.values())
        assert walked.total == walked.recipients + sum(walked.left_out.values())
        assert walked.total == len({p for rows in lists for p in rows} - set(excluded))
        assert asked == walked
        reached = {p for rows in lists for p in rows if p % 5} - {*excluded} - out
        assert walked.left_out["recent"] == len(reached & recent if rest_days else ())


asked = st.sets(st.sampled_from(["nome", "name", "cliente", "cidade", "fone", "ddd"]))
known = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(["", "x", None, 7]) for key in ("nome", "cidade", "cliente")}
)
cast = st.lists(st.tuples(st.sampled_from(["", " ", "Ana"]), known), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cast, asked, st.booleans())
def test_whoever_asks_for_some_values_gets_these_as_if_for_all(
    services: Services, rows, wanted, filtered: bool
) -> None:
    conditions = (Condition("cidade", "is", "x"),) if filtered else ()
    with services.db.writing() as session:
        for table in (Contact, ListField, ContactList):
            session.execute(delete(table))
        shop = contact_list(session, "Loja", [(ANA + place, *row) for place, row in enumerate(rows)], ["cidade"])
        session.add(ListField(list_id=shop, key="cliente", label="Cliente", kind="name", position=8))
        session.add(ListField(list_id=shop, key="fone", label="Fone", kind="phone", position=9))
    with services.db.reading() as session:
        selection = Selection((shop,), (), conditions)
        some, whole = everybody(session, selection, wanted=wanted), everybody(session, selection)
        assert [(m.person.number, m.reason) for m in some] == [(m.person.number, m.reason) for m in whole]
        for one, other in zip(some, whole, strict=True):
            assert {key: one.person.values.get(key) for key in wanted} == {
                key: other.person.values.get(key) for key in wanted
            }

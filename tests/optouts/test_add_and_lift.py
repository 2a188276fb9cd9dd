import pytest

from tests import make
from webapp.core.web import Services
from webapp.optouts import queries, service


@pytest.mark.parametrize(
    "word", ["SAIR", " sair. ", "Pare!", "PARAR", "cancelar", "Remover", "descadastrar", "Stop", "saír"]
)
def test_each_opt_out_word_is_known_however_it_is_written(word: str) -> None:
    assert service.is_opt_out(word)


@pytest.mark.parametrize("text", ["", "não quero sair de casa", "we must stop this bill", "cancelar?? não!", "sairei"])
def test_a_word_inside_a_sentence_is_no_opt_out(text: str) -> None:
    assert not service.is_opt_out(text)


def test_who_opts_out_twice_keeps_the_first_reason(services: Services) -> None:
    with services.db.writing() as session:
        assert service.add(session, make.ANA, origin="reply", reason="SAIR")
        assert not service.add(session, make.ANA, origin="import", reason="list")
    with services.db.reading() as session:
        (row,) = queries.of_person(session, make.ANA)
        assert (row.origin, row.reason) == ("reply", "SAIR")
        assert len(queries.history(session, make.ANA)) == 1


def test_an_opt_out_of_one_channel_leaves_the_others_open(services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="hand", reason="asked", channel="whatsapp")
        service.add(session, make.BRUNO, origin="hand", reason="asked")
    everybody = [make.ANA, make.BRUNO, make.CARLA]
    with services.db.reading() as session:
        assert queries.opted_out(session, everybody, "whatsapp") == {make.ANA, make.BRUNO}
        assert queries.opted_out(session, everybody, "sms") == {make.BRUNO}
        assert queries.opted_out(session, everybody) == {make.BRUNO}
        assert queries.is_opted_out(session, make.BRUNO, "sms")


def test_lifting_leaves_a_trace_and_can_be_followed_by_another_opt_out(services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
        assert service.lift(session, make.ANA, reason="asked on the phone", person_id=None)
        assert not service.lift(session, make.ANA, reason="again", person_id=None)
        assert not queries.is_opted_out(session, make.ANA)
        assert service.add(session, make.ANA, origin="reply", reason="PARE")
    with services.db.reading() as session:
        changes = [(event.change, event.reason) for event in queries.history(session, make.ANA)]
    assert changes == [("added", "PARE"), ("lifted", "asked on the phone"), ("added", "SAIR")]


def test_a_long_list_is_added_once_each(services: Services) -> None:
    numbers = [5511900000000 + n for n in range(12_000)]
    with services.db.writing() as session:
        service.add(session, numbers[0], origin="reply", reason="SAIR")
        added = service.add_many(session, numbers + numbers[:10], origin="import", reason="Não Me Ligue")
    assert len(added) == 11_999
    with services.db.reading() as session:
        assert queries.count(session) == 12_000
        assert len(queries.opted_out(session, numbers)) == 12_000


def test_pages_show_everybody_once_and_the_latest_first(services: Services) -> None:
    with services.db.writing() as session:
        service.add_many(session, range(5511900000000, 5511900000107), origin="import", reason="list")
        service.add(session, make.CARLA, origin="reply", reason="SAIR")
    seen: list[int] = []
    after = None
    with services.db.reading() as session:
        while True:
            page = queries.page(session, queries.Filter(), after, size=25)
            seen += [row.number for row in page.rows]
            after = page.next
            if after is None:
                break
        assert seen[0] == make.CARLA
        assert len(seen) == len(set(seen)) == 108
        only = queries.page(session, queries.Filter(origin="reply"), None)
        assert [row.number for row in only.rows] == [make.CARLA]
        ends = queries.page(session, queries.Filter(digits="0042"), None)
        assert [row.number for row in ends.rows] == [5511900000042]


@pytest.mark.parametrize("cursor", ["x", "a~b~c", "2026-01-01~x~all", "~~"])
def test_a_made_up_position_starts_from_the_top(services: Services, cursor: str) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
        assert len(queries.page(session, queries.Filter(), cursor).rows) == 1

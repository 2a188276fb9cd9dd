"""What colleagues do: one winner a conversation, one answer a click, nobody answers who left."""

import threading
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests import make
from tests.conftest import SignIn
from tests.inbox import replies
from tests.make import ANA, BRUNO
from webapp.accounts.models import Audit, Person
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC
from webapp.inbox import answering, canned, intake, privacy, queries, service
from webapp.inbox import thread as threads
from webapp.inbox.models import CannedReply, Conversation, ConversationEvent, Draft, Note
from webapp.messages.models import Message
from webapp.optouts import queries as optouts
from webapp.optouts import service as optout_service


def key_of(services: Services, number: int = ANA) -> str:
    with services.db.reading() as session:
        found = queries.key_of(session, number)
    assert found
    return found


@pytest.fixture
def key(services: Services) -> str:
    """The conversation with Ana, who asked something about a WhatsApp campaign."""
    replies.sent(services, ANA, "Oi Ana", type=5)
    replies.callback(services, ANA, "Quanto custa?")
    return key_of(services)


@pytest.fixture
def two(services: Services) -> tuple[int, int]:
    """Two people of support, Rita and Saulo."""
    with services.db.writing() as session:
        rita = make.person(session, "support", email="rita@example.com")
        saulo = make.person(session, "support", email="saulo@example.com")
        rita.name, saulo.name = "Rita", "Saulo"
        return rita.id, saulo.id


def answer(services: Services, key: str, person: int, text: str = "Custa 10", seen: int = 0) -> int:
    with services.db.writing() as session:
        return answering.answer(session, key, person, text, seen=seen, dialect=CLASSIC).id


def test_two_who_take_at_once_have_one_winner_each_time(services: Services, key: str, two: tuple[int, int]) -> None:
    for _ in range(15):
        with services.db.writing() as session:
            session.get_one(Conversation, ANA).assignee_id = None
        outcomes: list[bool] = []
        start = threading.Barrier(2)

        def race(person: int, start: threading.Barrier = start, outcomes: list[bool] = outcomes) -> None:
            start.wait()
            try:
                with services.db.writing() as session:
                    service.take(session, key, person)
                outcomes.append(True)
            except UserError:
                outcomes.append(False)

        racers = [threading.Thread(target=race, args=(person,)) for person in two]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert sorted(outcomes) == [False, True]


def test_the_loser_hears_who_won(services: Services, key: str, two: tuple[int, int]) -> None:
    with services.db.writing() as session:
        service.take(session, key, two[0])
    with pytest.raises(UserError, match="Rita was faster"), services.db.writing() as session:
        service.take(session, key, two[1])


def test_taking_over_works_only_from_whom_one_saw(services: Services, key: str, two: tuple[int, int]) -> None:
    with services.db.writing() as session:
        service.take(session, key, two[0])
    with services.db.writing() as session:
        service.take(session, key, two[1], instead_of=two[0])
    assert replies.conversation(services, ANA).assignee_id == two[1]
    with pytest.raises(UserError), services.db.writing() as session:
        service.take(session, key, two[0], instead_of=999)


def test_the_next_one_is_who_waited_longest_and_nobody_gets_it_twice(services: Services, two: tuple[int, int]) -> None:
    now = clock.now()
    replies.callback(services, BRUNO, "primeiro", date=replies.local(now - timedelta(hours=2)))
    replies.callback(services, ANA, "segunda", date=replies.local(now - timedelta(hours=1)))
    with services.db.writing() as session:
        taken = [service.take_next(session, person) for person in (*two, two[0])]
    assert taken == [key_of(services, BRUNO), key_of(services, ANA), None]


def test_an_answer_goes_out_by_the_kind_it_came_in(services: Services, key: str, two: tuple[int, int]) -> None:
    answer(services, key, two[0], "Custa 10 reais")
    ((message, run),) = replies.replies_sent(services)
    assert (message.number, message.type, run.text, run.kind, run.priority) == (ANA, 5, "Custa 10 reais", "reply", 0)
    found = replies.conversation(services, ANA)
    assert found.first_answer_at and not found.waiting_since and found.unread == 0
    assert (found.assignee_id, found.snippet, found.snippet_out) == (two[0], "Custa 10 reais", True)


@pytest.mark.parametrize(
    ("came", "goes"), [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0), (5, 5), (6, 5), (7, 5), (8, 5), (None, 0), (99, 0)]
)
def test_every_kind_has_a_way_to_be_answered(came: int | None, goes: int) -> None:
    assert answering.channel(CLASSIC, came).type == goes


def test_two_clicks_send_once(services: Services, key: str, two: tuple[int, int]) -> None:
    assert answer(services, key, two[0]) == answer(services, key, two[0])
    assert len(replies.replies_sent(services)) == 1


def test_a_colleagues_answer_in_between_is_noticed(services: Services, key: str, two: tuple[int, int]) -> None:
    first = answer(services, key, two[0])
    with services.db.writing() as session:
        service.assign(session, key, None, by_id=two[0])
    with pytest.raises(UserError, match="Rita answered a moment ago"):
        answer(services, key, two[1], "E o meu?")
    answer(services, key, two[1], "E o meu?", seen=first)
    assert len(replies.replies_sent(services)) == 2


def test_what_a_colleague_has_must_be_taken_over_first(services: Services, key: str, two: tuple[int, int]) -> None:
    with services.db.writing() as session:
        service.take(session, key, two[0])
    with pytest.raises(UserError, match="Take it over"):
        answer(services, key, two[1])


@pytest.mark.parametrize(
    ("text", "says"), [("", "Write the answer"), ("  \n ", "Write the answer"), ("x" * 1531, "at most")]
)
def test_an_empty_or_endless_answer_is_refused(
    services: Services, key: str, two: tuple[int, int], text: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        answer(services, key, two[0], text)
    assert replies.replies_sent(services) == []


def test_nobody_answers_who_opted_out_until_it_is_lifted(services: Services, key: str, two: tuple[int, int]) -> None:
    replies.callback(services, ANA, "SAIR")
    with pytest.raises(UserError, match="asked not to be written to"):
        answer(services, key, two[0])
    with pytest.raises(UserError, match="Say why"), services.db.writing() as session:
        service.lift_opt_out(session, key, two[0], "  ")
    with services.db.writing() as session:
        service.lift_opt_out(session, key, two[0], "ligou pedindo")
    answer(services, key, two[0])
    assert len(replies.replies_sent(services)) == 1


def test_an_opt_out_of_one_channel_closes_that_channel_only(services: Services, key: str, two: tuple[int, int]) -> None:
    with services.db.writing() as session:
        optout_service.add(session, ANA, origin="hand", reason="só por SMS não", channel="sms")
    answer(services, key, two[0])  # she wrote on WhatsApp
    with services.db.writing() as session:
        optout_service.add(session, ANA, origin="hand", reason="nem por aqui", channel="whatsapp")
    with pytest.raises(UserError, match="asked not to be written to"):
        answer(services, key, two[0], "Mais uma")


def test_the_card_says_on_which_channel_and_lets_one_leave_altogether(
    services: Services, signed_in: SignIn, key: str
) -> None:
    with services.db.writing() as session:
        optout_service.add(session, ANA, origin="hand", reason="só por SMS não", channel="sms")
    shown = signed_in("admin").get(f"/inbox/{key}").text
    assert "só SMS" in shown
    assert f"/inbox/{key}/optout" in shown
    assert f"/inbox/{key}/lift" in shown


def test_a_sender_without_a_number_cannot_be_answered(services: Services, two: tuple[int, int]) -> None:
    replies.callback(services, "28282", "codigo 123")
    with pytest.raises(UserError, match="no telephone number"):
        answer(services, key_of(services, 28282), two[0])


def test_opting_out_by_hand_stops_what_is_held(services: Services, key: str, two: tuple[int, int]) -> None:
    held = replies.waiting(services, ANA)
    with services.db.writing() as session:
        service.opt_out(session, key, two[0])
    with services.db.reading() as session:
        assert optouts.is_opted_out(session, ANA)
        assert session.get_one(Message, held).state == "suppressed"


def test_closing_and_a_new_reply_opening_again_are_in_the_thread(
    services: Services, key: str, two: tuple[int, int]
) -> None:
    with services.db.writing() as session:
        service.close(session, key, two[0])
    assert replies.conversation(services, ANA).state == "closed"
    replies.callback(services, ANA, "mais uma coisa")
    with services.db.reading() as session:
        found = queries.by_key(session, key)
        assert found.state == "open"
        changes = session.scalars(select(ConversationEvent.change).order_by(ConversationEvent.id)).all()
        assert changes == ["closed", "reopened"]
        kinds = [item.kind for item in threads.thread(session, found, CLASSIC).items]
    assert kinds.count("event") == 2 and kinds.count("in") == 2 and kinds.count("out") == 1


def test_a_draft_is_each_persons_own_and_goes_with_the_answer(
    services: Services, key: str, two: tuple[int, int]
) -> None:
    with services.db.writing() as session:
        service.save_draft(session, key, two[0], "Custa 1")
        service.save_draft(session, key, two[0], "Custa 10")
        service.save_draft(session, key, two[1], "outra coisa")
    with services.db.reading() as session:
        assert service.others_typing(session, key, two[0]) == ["Saulo"]
        later = clock.now() + timedelta(seconds=61)
        assert service.others_typing(session, key, two[0], later) == []
    answer(services, key, two[0])
    with services.db.writing() as session:
        assert [row.person_id for row in session.scalars(select(Draft))] == [two[1]]
        service.save_draft(session, key, two[1], "  ")
        assert not session.scalars(select(Draft)).all()


def test_a_kept_answer_is_filled_with_the_persons_fields(services: Services, key: str) -> None:
    with services.db.writing() as session:
        entry = ContactList(name="Loja", created_at=clock.now())
        session.add(entry)
        session.flush()
        session.add(
            Contact(
                list_id=entry.id, number=ANA, name="Ana Lima", fields={"cidade": "Recife"}, created_at=clock.now(),
                updated_at=clock.now(),
            )
        )  # fmt: skip
        row = canned.save(
            session, None, "Oi", "Oi {{nome}} de {{cidade}}, seu pedido {{pedido}} {{x|já}} saiu {{nome}}"
        )
        session.flush()
        values = answering.person_fields(session, queries.by_key(session, key))
        text, missing = answering.with_canned(values, row, "Bom dia")
    assert text == "Bom dia\nOi Ana Lima de Recife, seu pedido  já saiu Ana Lima"
    assert missing == ("pedido",)


@pytest.mark.parametrize(
    ("title", "text"), [("", "x"), ("x" * 81, "x"), ("x", " "), ("x", "y" * 1531), ("Horário", "x")]
)
def test_kept_answers_are_checked(services: Services, title: str, text: str) -> None:
    with services.db.writing() as session:
        canned.save(session, None, "Horário", "9 às 18")
    with pytest.raises(UserError), services.db.writing() as session:
        canned.save(session, None, title, text)
    assert replies.count(services, CannedReply) == 1


def test_erasing_a_person_leaves_nothing_of_them_and_all_of_others(services: Services, two: tuple[int, int]) -> None:
    intake.keep_body(services, "mo_new", replies.body(replies.row(ANA, "meu segredo"), replies.row(BRUNO, "oi")))
    replies.callback(services, ANA, "outro segredo")
    with services.db.writing() as session:
        service.add_note(session, queries.key_of(session, ANA) or "", two[0], "nota")
        privacy.forget_person(session, ANA)
    assert [reply.number for reply in replies.all_inbound(services)] == [BRUNO]
    assert replies.count(services, Note) == 0 and replies.count(services, Conversation) == 1
    assert not any(b"segredo" in raw.body for raw in replies.raw_rows(services))


# Through the pages


def post(client: FlaskClient, path: str, **form: str) -> int:
    return client.post(path, data=form).status_code


def test_the_work_of_a_conversation_through_the_pages(services: Services, signed_in: SignIn, key: str) -> None:
    client = signed_in("support")
    for path, form in (
        ("take", {}), ("read", {}), ("note", {"note": "cliente antiga"}), ("draft", {"text": "Custa"}),
        ("answer", {"text": "Custa 10", "seen": "0"}), ("close", {}), ("reopen", {}), ("assign", {"person": ""}),
    ):  # fmt: skip
        assert post(client, f"/inbox/{key}/{path}", **form) in (200, 303), path
    page = client.get(f"/inbox/{key}").get_data(as_text=True)
    assert "cliente antiga" in page and "Custa 10" in page and "Oi Ana" in page and "Quanto custa?" in page
    assert replies.conversation(services, ANA).assignee_id is None


def test_a_refused_answer_keeps_what_was_typed(services: Services, signed_in: SignIn, key: str) -> None:
    client = signed_in("support")
    replies.callback(services, ANA, "PARE")
    given = client.post(f"/inbox/{key}/answer", data={"text": "texto digitado", "seen": "0"})
    assert given.status_code == 422
    assert "pediu para não receber" in given.get_data(as_text=True)
    given = signed_in("support").post(f"/inbox/{key}/note", data={"note": "x" * 4001})
    assert given.status_code == 422 and "x" * 4001 in given.get_data(as_text=True)


def test_answering_too_late_shows_the_colleagues_answer_and_keeps_the_text(
    services: Services, signed_in: SignIn, key: str
) -> None:
    first, second = signed_in("support"), signed_in("admin")
    assert post(first, f"/inbox/{key}/answer", text="Custa 10", seen="0") == 303
    assert post(first, f"/inbox/{key}/assign", person="") == 303
    late = second.post(f"/inbox/{key}/answer", data={"text": "Custa 12", "seen": "0"})
    page = late.get_data(as_text=True)
    assert late.status_code == 422 and "Custa 12" in page and "Custa 10" in page and "acabou de responder" in page


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("marketing", "answer", 403), ("marketing", "take", 403), ("marketing", "read", 403), ("support", "lift", 403),
        ("support", "reveal", 403), ("marketing", "reveal", 200), ("marketing", "optout", 303), ("support", "optout", 303),
        ("admin", "answer", 303),
    ],
)  # fmt: skip
def test_roles_do_what_they_may(signed_in: SignIn, key: str, role: str, path: str, status: int) -> None:
    assert post(signed_in(role), f"/inbox/{key}/{path}", text="Custa 10", reason="pediu") == status


def test_marketing_reads_and_has_no_box_to_write_in(signed_in: SignIn, key: str) -> None:
    page = signed_in("marketing").get(f"/inbox/{key}").get_data(as_text=True)
    assert "Quanto custa?" in page and "<textarea" not in page and "/take" not in page


def test_numbers_are_masked_and_seeing_one_is_audited(services: Services, signed_in: SignIn, key: str) -> None:
    for role in ("support", "marketing", "admin"):
        client = signed_in(role)
        for path in ("/inbox", f"/inbox/{key}", "/inbox?q=4321", f"/inbox/{key}/live", "/inbox/queue"):
            page = client.get(path).get_data(as_text=True)
            assert "4321" in page and str(ANA) not in page and "98765-4321" not in page, path
    shown = signed_in("admin").post(f"/inbox/{key}/reveal").get_data(as_text=True)
    assert "+55 11 98765-4321" in shown
    with services.db.reading() as session:
        rows = session.scalars(select(Audit).where(Audit.action == "number.reveal")).all()
    assert [row.subject for row in rows] == [f"conversation {key}"]


def test_an_unknown_conversation_is_a_page_of_its_own(signed_in: SignIn) -> None:
    client = signed_in("support")
    for method, path in (("get", "/inbox/nada"), ("post", "/inbox/nada/take"), ("get", "/inbox/nada/live")):
        assert getattr(client, method)(path).status_code == 404


@pytest.mark.parametrize("person", ["999", "abc", "-1", "9" * 30])
def test_nobody_is_assigned_who_cannot_answer(services: Services, signed_in: SignIn, key: str, person: str) -> None:
    client = signed_in("support")
    assert post(client, f"/inbox/{key}/assign", person=person) == 422
    with services.db.writing() as session:
        marketing = make.person(session, "marketing", email="m@example.com").id
    assert post(client, f"/inbox/{key}/assign", person=str(marketing)) == 422
    assert replies.conversation(services, ANA).assignee_id is None


def test_keeping_changing_and_deleting_answers_through_the_pages(services: Services, signed_in: SignIn) -> None:
    client = signed_in("support")
    assert "Nenhuma resposta pronta" in client.get("/inbox/canned").get_data(as_text=True)
    assert post(client, "/inbox/canned", title="Horário", text="Das 9 às 18, {{nome}}") == 303
    assert post(client, "/inbox/canned", title="Horário", text="outro") == 422
    with services.db.reading() as session:
        row = session.scalars(select(CannedReply)).one()
    assert "Das 9 às 18" in client.get(f"/inbox/canned/{row.id}").get_data(as_text=True)
    assert post(client, f"/inbox/canned/{row.id}", title="Horário", text="Das 8 às 18") == 303
    assert "Das 8 às 18" in client.get("/inbox/canned").get_data(as_text=True)
    assert post(client, f"/inbox/canned/{row.id}/delete") == 303
    assert post(client, f"/inbox/canned/{row.id}/delete") == 404
    assert replies.count(services, CannedReply) == 0


def test_a_chosen_answer_lands_behind_what_is_typed(services: Services, signed_in: SignIn, key: str) -> None:
    with services.db.writing() as session:
        chosen = canned.save(session, None, "Oi", "Oi, {{pedido}} aqui").id
    client = signed_in("support")
    gone = client.post(f"/inbox/{key}/compose", data={"text": "Bom dia", "canned": str(chosen)})
    assert gone.status_code == 303
    page = client.get(gone.location).get_data(as_text=True)
    assert "Bom dia\nOi,  aqui" in page and "não tem pedido" in page
    assert post(client, f"/inbox/{key}/compose", text="x", canned="999") == 404


def test_the_next_one_through_the_pages(signed_in: SignIn, key: str) -> None:
    client = signed_in("support")
    assert client.post("/inbox/next").location == f"/inbox/{key}?view=mine"
    assert client.post("/inbox/next").location == "/inbox"
    assert "Ninguém está esperando" in client.get("/inbox").get_data(as_text=True)


def test_a_disabled_colleague_is_nobodys_choice(services: Services, key: str, two: tuple[int, int]) -> None:
    with services.db.writing() as session:
        session.get_one(Person, two[0]).disabled_at = clock.now()
    with services.db.reading() as session:
        assert [person.name for person in queries.colleagues(session)] == ["Saulo"]

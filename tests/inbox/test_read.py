"""What the inbox shows: the right people in each view, texts as they are, and nothing new where nothing changed."""

from datetime import timedelta

import pytest
from markupsafe import escape
from sqlalchemy import event

from tests import make
from tests.conftest import SignIn
from tests.inbox import replies
from tests.inbox.test_work import key_of
from tests.make import ANA, BRUNO, CARLA
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC, RESPONSES, STATUSES
from webapp.inbox import intake, queries, service
from webapp.inbox import thread as threads
from webapp.inbox.models import Conversation
from webapp.messages import outbox
from webapp.messages.models import Cursor, Message


@pytest.fixture
def busy(services: Services) -> int:
    """Ana waits, Bruno is Rita's, Carla opted out, a stranger's is closed; returns Rita's id."""
    for number, text in ((ANA, "Qual o preço?"), (BRUNO, "Olá São Paulo"), (5585996667777, "valeu"), (CARLA, "SAIR")):
        replies.callback(services, number, text)
    with services.db.writing() as session:
        rita = make.person(session, "support", email="rita@example.com")
        service.take(session, queries.key_of(session, BRUNO) or "", rita.id)
        service.close(session, queries.key_of(session, 5585996667777) or "", rita.id)
        ana = session.get_one(Conversation, ANA)
        ana.name, ana.name_key = "Ana Conceição", "ana conceicao"
        return rita.id


def numbers(services: Services, view: str, person: int, words: str = "") -> set[int]:
    with services.db.reading() as session:
        return {row.conversation.number for row in queries.queue(session, view, person, words).rows}


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("open", {ANA, BRUNO}), ("mine", {BRUNO}), ("unassigned", {ANA}), ("optouts", {CARLA}),
        ("all", {ANA, BRUNO, CARLA, 5585996667777}),
    ],
)  # fmt: skip
def test_each_view_has_its_people(services: Services, busy: int, view: str, expected: set[int]) -> None:
    assert numbers(services, view, busy) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("4321", {ANA}), ("11 98765-4321", {ANA}), ("(11) 8765-4321", {ANA}), ("+55 21 99876-5432", {BRUNO}),
        ("conceicao", {ANA}), ("CONCEIÇÃO", {ANA}), ("preco", {ANA}), ("são paulo", {BRUNO}), ("sao_paulo", set()),
        ("%", set()), ("nada disso", set()), ("sair", {CARLA}),
    ],
)  # fmt: skip
def test_search_finds_by_number_name_and_words(services: Services, busy: int, words: str, expected: set[int]) -> None:
    assert numbers(services, "mine", busy, words) == expected


def test_a_near_miss_waits_among_the_opt_outs_until_somebody_decides(services: Services, busy: int) -> None:
    replies.callback(services, ANA, "me remove dessa lista")
    assert ANA in numbers(services, "optouts", busy)
    with services.db.writing() as session:
        assert queries.counts(session, busy)["optouts"] == 1
        service.no_opt_out(session, queries.key_of(session, ANA) or "")
    assert ANA not in numbers(services, "optouts", busy)


def test_the_badge_counts_open_conversations_with_news(services: Services, signed_in: SignIn, busy: int) -> None:
    client = signed_in("marketing")
    assert 'data-count="2"' in client.get("/inbox/badge").get_data(as_text=True)
    with services.db.writing() as session:
        for number in (ANA, BRUNO):
            service.mark_read(session, queries.key_of(session, number) or "")
    assert client.get("/inbox/badge").get_data(as_text=True).strip() == ""


def test_reading_changes_nothing(services: Services, signed_in: SignIn, busy: int) -> None:
    client = signed_in("support")
    client.get("/inbox")  # the session's own row is touched now, if at all
    written: list[str] = []

    def watch(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.split(" ")[0] in {"INSERT", "UPDATE", "DELETE"}:
            written.append(statement)

    event.listen(services.db.engine, "before_cursor_execute", watch)
    key = key_of(services)
    for path in (
        "/inbox",
        "/inbox/queue",
        "/inbox/badge",
        f"/inbox/{key}",
        f"/inbox/{key}/live",
        f"/inbox/{key}/presence",
    ):
        assert client.get(path).status_code in (200, 204), path
    assert written == []


def test_an_idle_queue_answers_204_from_one_number(services: Services, signed_in: SignIn, busy: int) -> None:
    client = signed_in("support")
    with services.db.reading() as session:
        version = queries.version(session)
    assert client.get(f"/inbox/queue?v={version}").status_code == 204
    replies.callback(services, ANA, "oi de novo")
    fresh = client.get(f"/inbox/queue?v={version}")
    assert fresh.status_code == 200 and "oi de novo" in fresh.get_data(as_text=True)


def token(services: Services) -> str:
    with services.db.reading() as session:
        return threads.token(session, session.get_one(Conversation, ANA))


def test_an_idle_thread_answers_204_until_something_would_look_different(
    services: Services, signed_in: SignIn, busy: int
) -> None:
    replies.sent(services, ANA)
    client, key = signed_in("support"), key_of(services)
    seen = token(services)
    assert client.get(f"/inbox/{key}/live?v={seen}&mode=write").status_code == 204
    replies.callback(services, BRUNO, "outra conversa")
    assert token(services) == seen
    with services.db.writing() as session:
        session.query(Message).update({"status": "9"})
    assert token(services) != seen
    fresh = client.get(f"/inbox/{key}/live?v={seen}&mode=write").get_data(as_text=True)
    assert "hx-swap-oob" in fresh and "<textarea" not in fresh


def test_the_reply_box_comes_along_only_where_its_kind_changed(
    services: Services, signed_in: SignIn, busy: int
) -> None:
    client, key = signed_in("support"), key_of(services)
    replies.callback(services, ANA, "STOP")
    fresh = client.get(f"/inbox/{key}/live?v=0&mode=write").get_data(as_text=True)
    assert 'id="reply" hx-swap-oob="true"' in fresh and "pediu para não receber" in fresh
    same = client.get(f"/inbox/{key}/live?v=0&mode=refused").get_data(as_text=True)
    assert 'id="reply"' not in same


def test_the_thread_shows_the_campaigns_text_as_it_arrived(services: Services, signed_in: SignIn) -> None:
    with services.db.writing() as session:
        run = outbox.open_run(
            session, kind="campaign", name="Natal", type=2, text="modelo", total=1, not_before=clock.now()
        )
        outbox.write_chunk(session, run, [outbox.NewMessage(ANA, "Oi Ana & cia, <b>seu</b> saldo é 10")], 10)
        session.get_one(Message, run.first_key).state = "accepted"
    replies.callback(services, ANA, "Obrigada")
    page = signed_in("support").get(f"/inbox/{key_of(services)}").get_data(as_text=True)
    assert "Oi Ana &amp; cia, &lt;b&gt;seu&lt;/b&gt; saldo é 10" in page and "responde a “Natal”" in page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{ 7*7 }}", "100% %(name)s %s"]
)
def test_what_people_write_is_text(services: Services, signed_in: SignIn, text: str) -> None:
    replies.callback(services, ANA, text)
    client, key = signed_in("support"), key_of(services)
    for path in ("/inbox", f"/inbox/{key}", f"/inbox/{key}/live", "/inbox?q=alert"):
        page = client.get(path).get_data(as_text=True)
        assert text not in page or "<" not in text
    assert str(escape(text)) in client.get(f"/inbox/{key}").get_data(as_text=True)


def test_reasons_with_percent_signs_are_shown_as_they_are(services: Services, signed_in: SignIn) -> None:
    replies.callback(services, ANA, "oi")
    key, admin = key_of(services), signed_in("admin")
    assert admin.post(f"/inbox/{key}/optout", data={"reason": "reclamou 100% e %(x)s"}).status_code == 303
    assert admin.post(f"/inbox/{key}/lift", data={"reason": "50% arrependida"}).status_code == 303
    page = admin.get(f"/inbox/{key}").get_data(as_text=True)
    assert "reclamou 100% e %(x)s" in page and "50% arrependida" in page


@pytest.mark.parametrize("status", [*STATUSES, "77"])
def test_every_status_of_our_messages_is_said_in_words(services: Services, signed_in: SignIn, status: str) -> None:
    replies.sent(services, ANA)
    replies.callback(services, ANA, "oi")
    with services.db.writing() as session:
        session.query(Message).update({"status": status})
    with services.db.reading() as session:
        badge = threads.badge(session, session.query(Message).one())
    assert badge.look in set(threads.LOOKS.values()) | {"paused", "cancelled", "unknown"}
    page = signed_in("support", locale="en").get(f"/inbox/{key_of(services)}").get_data(as_text=True)
    assert str(escape(badge.label)) in page


@pytest.mark.parametrize("code", ["050", "060", "070", "080"])
def test_an_answer_that_the_gateway_refused_says_why(services: Services, signed_in: SignIn, code: str) -> None:
    replies.callback(services, ANA, "oi")
    client, key = signed_in("support", locale="en"), key_of(services)
    client.post(f"/inbox/{key}/answer", data={"text": "resposta", "seen": "0"})
    with services.db.writing() as session:
        session.query(Message).update({"state": "refused", "reason": code})
    assert RESPONSES[code].explanation in client.get(f"/inbox/{key}").get_data(as_text=True)


def test_days_are_the_readers_days(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    replies.callback(services, ANA, "ontem", date=replies.local(now - timedelta(days=1)))
    replies.callback(services, ANA, "antes", date=replies.local(now - timedelta(days=9)))
    replies.callback(services, ANA, "hoje", date=replies.local(now))
    page = signed_in("support").get(f"/inbox/{key_of(services)}").get_data(as_text=True)
    assert page.index("antes") < page.index("Ontem") < page.index("ontem</div>") < page.index("Hoje")


def test_a_long_thread_shows_its_end_first(services: Services, signed_in: SignIn) -> None:
    now = clock.now()
    rows = [replies.row(ANA, f"mensagem {n:03}", date=replies.local(now - timedelta(minutes=n))) for n in range(60)]
    intake.keep_body(services, "mo_new", replies.body(*rows))
    client, key = signed_in("support"), key_of(services)
    page = client.get(f"/inbox/{key}").get_data(as_text=True)
    assert "mensagem 000" in page and "mensagem 059" not in page and "Mensagens anteriores" in page
    assert "mensagem 059" in client.get(f"/inbox/{key}?items=80").get_data(as_text=True)


def test_a_long_queue_grows_by_asking(services: Services, signed_in: SignIn) -> None:
    intake.keep_body(services, "mo_new", replies.body(*(replies.row(5511900000000 + n, "oi") for n in range(35))))
    client = signed_in("support")
    assert client.get("/inbox").get_data(as_text=True).count("data-row") == 30
    assert client.get("/inbox?size=60").get_data(as_text=True).count("data-row") == 35


@pytest.mark.parametrize(
    "query", ["view=nada", "size=-5", "size=x", "q=%00", "q=" + "9" * 400, "items=x", "view=mine&q=a'"]
)
def test_odd_addresses_show_the_inbox(services: Services, signed_in: SignIn, busy: int, query: str) -> None:
    client = signed_in("support")
    assert client.get(f"/inbox?{query}").status_code == 200
    assert client.get(f"/inbox/{key_of(services)}?{query}").status_code == 200


@pytest.mark.parametrize("locale", ["pt_BR", "en"])
@pytest.mark.parametrize("role", ["support", "marketing", "admin"])
def test_an_empty_inbox_says_what_will_come(signed_in: SignIn, role: str, locale: str) -> None:
    client = signed_in(role, locale=locale)
    words = {"pt_BR": "Tudo respondido", "en": "Everything is answered"}[locale]
    assert words in client.get("/inbox").get_data(as_text=True)
    for view in queries.VIEWS:
        assert client.get(f"/inbox?view={view}").status_code == 200


def test_the_last_check_with_the_gateway_is_said(services: Services, signed_in: SignIn) -> None:
    with services.db.writing() as session:
        session.add(Cursor(name="inbox.mo", ran_at=clock.now(), rows=0, differences=0))
    assert "0 divergências" in signed_in("support").get("/inbox").get_data(as_text=True)


def test_media_and_messages_of_other_systems_are_shown(services: Services) -> None:
    replies.sent(services, ANA, "https://example.com/media/a.jpg", type=6)
    with services.db.writing() as session:
        session.add(
            Message(id=999_999, run_id=None, number=ANA, type=0, state="accepted", at=clock.now(), gateway_id="7")
        )
    replies.callback(services, ANA, "oi")
    with services.db.reading() as session:
        items = threads.thread(session, session.get_one(Conversation, ANA), CLASSIC).items
    out = [item for item in items if item.kind == "out"]
    assert {item.change for item in out} == {"campaign", "outside"}
    assert [item.service.media for item in out if item.service] == [True, False]

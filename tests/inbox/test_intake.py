"""Replies come in once, whatever way and shape they come in, and none is lost."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.inbox import replies
from tests.make import ANA, BRUNO
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway import wire
from webapp.gateway.account import row as account_row
from webapp.gateway.errors import LookupFailed, Stopped
from webapp.inbox import intake, linking
from webapp.inbox.models import Conversation, Inbound, InboxVersion, RawInbound
from webapp.messages.models import Message
from webapp.optouts import queries as optouts
from webapp.optouts import service as optout_service


def test_a_reply_opens_a_conversation_with_the_campaign_it_answers(services: Services) -> None:
    reference = replies.sent(services, ANA, "Oi Ana, 20% hoje", type=5)
    replies.sent(services, ANA, "Uma campanha mais nova", type=0)
    replies.callback(services, ANA, "Quero!", campaign_id=reference)
    (reply,) = replies.all_inbound(services)
    assert (reply.number, reply.text, reply.type, reply.source) == (ANA, "Quero!", 5, "callback")
    with services.db.reading() as session:
        assert session.get_one(Message, reply.message_id).run_id == reply.run_id
    found = replies.conversation(services, ANA)
    assert (found.state, found.unread, found.snippet, found.channel_type) == ("open", 1, "Quero!", 5)
    assert found.waiting_since == reply.at


def test_a_reply_without_reference_answers_the_last_message_of_32_days(services: Services) -> None:
    replies.sent(services, ANA, "Primeira")
    replies.sent(services, ANA, "Segunda")
    replies.callback(services, ANA, "ok")
    (reply,) = replies.all_inbound(services)
    with services.db.writing() as session:
        messages = session.scalars(select(Message).order_by(Message.id)).all()
        assert reply.message_id == messages[1].id
        for message in messages:
            message.at = clock.now() - timedelta(days=33)
    replies.callback(services, ANA, "e agora?")
    assert replies.all_inbound(services)[1].message_id is None


@pytest.mark.parametrize("reference", ["abc123", "zzzzz-1", "", "k3x9a-zzzzzzzzzzzzz", "não é nossa", "' OR 1=1 --"])
def test_a_wrong_reference_still_opens_a_thread(services: Services, reference: str) -> None:
    replies.callback(services, BRUNO, "Quem é?", campaign_id=reference)
    (reply,) = replies.all_inbound(services)
    assert (reply.number, reply.message_id, reply.run_id) == (BRUNO, None, None)
    assert replies.conversation(services, BRUNO).unread == 1


def test_a_reference_sent_to_somebody_else_is_not_believed(services: Services) -> None:
    reference = replies.sent(services, ANA)
    replies.callback(services, BRUNO, "oi", campaign_id=reference)
    (reply,) = replies.all_inbound(services)
    assert (reply.number, reply.message_id) == (BRUNO, None)


def test_a_reply_that_names_only_our_message_comes_from_whom_it_was_sent_to(services: Services) -> None:
    reference = replies.sent(services, ANA)
    replies.callback(services, "", "oi", campaign_id=reference)
    (reply,) = replies.all_inbound(services)
    assert reply.number == ANA and reply.message_id is not None


@pytest.mark.parametrize(
    "spelling", ["5511987654321", "11987654321", "1187654321", "551187654321", "+55 (11) 98765-4321", "011987654321"]
)
def test_one_person_whatever_the_spelling(services: Services, spelling: str) -> None:
    replies.callback(services, "5511987654321", "primeira")
    replies.callback(services, spelling, "segunda")
    assert {reply.number for reply in replies.all_inbound(services)} == {ANA}
    assert replies.conversation(services, ANA).unread == 2


@pytest.mark.parametrize(
    ("spelling", "number"), [("28282", 28282), ("351912345678", 351912345678), ("+1 202 555 0143", 12025550143)]
)
def test_short_and_foreign_numbers_are_kept(services: Services, spelling: str, number: int) -> None:
    replies.callback(services, spelling, "hello")
    assert [reply.number for reply in replies.all_inbound(services)] == [number]


def test_who_names_nobody_is_kept_raw_and_shown(services: Services) -> None:
    replies.callback(services, "ANONIMO", "oi?", id="")
    assert replies.all_inbound(services) == []
    (raw,) = replies.raw_rows(services)
    assert raw.problem == "nobody" and b"ANONIMO" in raw.body


HUGE = "á" * 10_240


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀👩‍👩‍👧",
        "שלום עולם",
        "<script>alert(1)</script>",
        "a\x00b",
        HUGE,
        "'; DROP TABLE inbound; --",
        "\ud83d",
    ],
)
def test_any_text_is_kept_as_it_is(services: Services, text: str) -> None:
    intake.keep_body(services, "mo_new", replies.body(replies.row(ANA, text)))
    (reply,) = replies.all_inbound(services)
    assert reply.text == text.replace("\x00", "").replace("\ud83d", "\ufffd")


def test_a_long_callback_is_read_as_far_as_callbacks_are_read(services: Services) -> None:
    intake.keep_callback(services, replies.query(ANA, "x" * 10_000, date=""))
    (reply,) = replies.all_inbound(services)
    assert reply.text.startswith("x" * 7000)


@pytest.mark.parametrize("date", ["", "0000-00-00 00:00:00", "ontem", "2099-01-01 10:00:00", "1970-01-01 00:00:00"])
def test_a_date_that_is_none_becomes_ours(services: Services, date: str) -> None:
    before = clock.now()
    replies.callback(services, ANA, "oi", date=date)
    (reply,) = replies.all_inbound(services)
    assert before <= reply.at <= clock.now() and reply.undated


def test_dates_without_zone_are_brasilias_and_never_in_the_future(services: Services) -> None:
    hour_ago = clock.now().replace(microsecond=0) - timedelta(hours=1)
    replies.callback(services, ANA, "a", date=replies.local(hour_ago))
    replies.callback(services, ANA, "b", date=replies.local(hour_ago + timedelta(hours=3)))
    first, second = replies.all_inbound(services)
    assert first.at == hour_ago
    assert second.at == second.received_at


def test_the_admins_zone_of_dates_is_used(services: Services) -> None:
    with services.db.writing() as session:
        account_row(session).dates_zone = "+00:00"
    moment = clock.now().replace(microsecond=0) - timedelta(hours=5)
    replies.callback(services, ANA, "a", date=moment.strftime("%Y-%m-%d %H:%M:%S"))
    assert replies.all_inbound(services)[0].at == moment


def test_a_repeated_callback_is_one_reply(services: Services) -> None:
    told = replies.query(ANA, "Sim")
    for _ in range(3):
        intake.keep_callback(services, told)
    assert len(replies.all_inbound(services)) == 1
    assert replies.conversation(services, ANA).unread == 1
    assert len(replies.raw_rows(services)) == 3


def test_a_repeated_callback_without_date_is_one_reply(services: Services) -> None:
    told = replies.query(ANA, "Sim", date="")
    intake.keep_callback(services, told)
    intake.keep_callback(services, told)
    assert len(replies.all_inbound(services)) == 1


def test_two_equal_replies_a_minute_apart_are_two(services: Services) -> None:
    then = clock.now() - timedelta(minutes=10)
    replies.callback(services, ANA, "Sim", date=replies.local(then))
    replies.callback(services, ANA, "Sim", date=replies.local(then + timedelta(minutes=1)))
    assert len(replies.all_inbound(services)) == 2


@pytest.mark.parametrize("hours", [0, 3, -3])
@pytest.mark.parametrize("seconds", [0, 2, -20])
def test_the_same_reply_by_three_ways_is_one(services: Services, hours: int, seconds: int) -> None:
    then = clock.now() - timedelta(hours=6)
    shifted = then + timedelta(hours=hours, seconds=seconds)
    replies.callback(services, ANA, "Sim, quero", date=replies.local(then))
    intake.keep_body(services, "mo_new", replies.body(replies.row(ANA, " Sim, quero ", date=replies.local(shifted))))
    for _ in range(3):
        intake.keep_body(services, "mo", replies.body(replies.row(ANA, "Sim, quero", date=replies.local(shifted))))
    assert len(replies.all_inbound(services)) == 1


def test_two_equal_replies_by_three_ways_stay_two(services: Services) -> None:
    then = clock.now() - timedelta(hours=6)
    moments = [then, then + timedelta(seconds=20)]
    for moment in moments:
        replies.callback(services, ANA, "Oi", date=replies.local(moment))
    for source in ("mo_new", "mo", "mo"):
        late = [replies.row(ANA, "Oi", date=replies.local(moment + timedelta(seconds=3))) for moment in moments]
        intake.keep_body(services, source, replies.body(*reversed(late)))  # type: ignore[arg-type]
    assert len(replies.all_inbound(services)) == 2


def test_across_ways_a_minute_apart_are_two(services: Services) -> None:
    then = clock.now() - timedelta(hours=6)
    replies.callback(services, ANA, "Oi", date=replies.local(then))
    later = replies.local(then + timedelta(minutes=1))
    intake.keep_body(services, "mo", replies.body(replies.row(ANA, "Oi", date=later)))
    assert len(replies.all_inbound(services)) == 2


def test_an_undated_row_of_mo_is_one_at_every_sweep(services: Services) -> None:
    for _ in range(3):
        intake.keep_body(services, "mo", replies.body(replies.row(ANA, "Oi", date=None)))
    assert len(replies.all_inbound(services)) == 1


def test_composed_and_decomposed_accents_are_the_same_text(services: Services) -> None:
    then = replies.local(clock.now())
    replies.callback(services, ANA, "não", date=then)
    intake.keep_body(services, "mo", replies.body(replies.row(ANA, "na\u0303o", date=then)))
    assert len(replies.all_inbound(services)) == 1


def test_another_way_fills_in_what_the_first_did_not_say(services: Services) -> None:
    reference = replies.sent(services, ANA, type=5)
    replies.sent(services, ANA, type=0)
    then = replies.local(clock.now())
    replies.callback(services, ANA, "Oi", date=then, carrier="", id="")
    done = intake.keep_body(
        services, "mo", replies.body(replies.row(ANA, "Oi", date=then, carrier="Claro", campaign_id=reference))
    )
    (reply,) = replies.all_inbound(services)
    assert (done.new, done.changed) == (0, 1)
    assert (reply.carrier, reply.gateway_id, reply.reference) == ("Claro", "150", reference)


def test_replies_that_come_late_do_not_move_the_conversation_back(services: Services) -> None:
    now = clock.now().replace(microsecond=0)
    replies.callback(services, ANA, "depois", date=replies.local(now))
    replies.callback(services, ANA, "antes", date=replies.local(now - timedelta(hours=1)))
    found = replies.conversation(services, ANA)
    assert (found.snippet, found.last_at) == ("depois", now)


@pytest.mark.parametrize(
    "word", ["SAIR", " sair ", "Saír!!", "pare.", "STOP", "Descadastrar", "*CANCELAR*", "remover\n"]
)
def test_the_whole_message_opts_out_at_once(services: Services, word: str) -> None:
    key = replies.waiting(services, ANA)
    replies.callback(services, ANA, word)
    with services.db.reading() as session:
        assert optouts.is_opted_out(session, ANA)
        (row,) = optouts.of_person(session, ANA)
        assert row.origin == "reply" and row.reason == " ".join(word.split())
        message = session.get_one(Message, key)
        assert (message.state, message.reason) == ("suppressed", "optout")
    (reply,) = replies.all_inbound(services)
    assert reply.opted_out and not reply.suspect
    assert replies.conversation(services, ANA).state == "closed"


@pytest.mark.parametrize(
    "text", ["Quero SAIR dessa lista", "não quero mais receber", "tira meu número daí", "como faço p/ cancelar?"]
)
def test_a_near_miss_is_flagged_and_not_obeyed(services: Services, text: str) -> None:
    replies.callback(services, ANA, text)
    (reply,) = replies.all_inbound(services)
    assert reply.suspect and not reply.opted_out
    assert replies.conversation(services, ANA).suspect
    with services.db.reading() as session:
        assert not optouts.is_opted_out(session, ANA)


@pytest.mark.parametrize("text", ["Quero sim!", "Bom dia, tudo bem?", "Me tira uma dúvida?", "obrigada"])
def test_ordinary_words_are_no_near_miss(services: Services, text: str) -> None:
    replies.callback(services, ANA, text)
    assert not replies.all_inbound(services)[0].suspect


def test_an_opt_out_that_a_sweep_repeats_does_not_undo_a_lift(services: Services) -> None:
    then = replies.local(clock.now())
    replies.callback(services, ANA, "SAIR", date=then)
    with services.db.writing() as session:
        optout_service.lift(session, ANA, reason="pediu para voltar", person_id=None)
    intake.keep_body(services, "mo", replies.body(replies.row(ANA, "SAIR", date=then)))
    with services.db.reading() as session:
        assert not optouts.is_opted_out(session, ANA)


def test_a_reply_after_closing_opens_again_and_its_times_start_anew(services: Services) -> None:
    replies.callback(services, ANA, "oi", date=replies.local(clock.now() - timedelta(hours=1)))
    with services.db.writing() as session:
        found = session.get_one(Conversation, ANA)
        found.state, found.closed_at, found.first_answer_at = "closed", clock.now(), clock.now()
    replies.callback(services, ANA, "voltei")
    found = replies.conversation(services, ANA)
    assert (found.state, found.closed_at, found.first_answer_at) == ("open", None, None)


def test_a_crash_between_keeping_and_reading_loses_nothing(services: Services) -> None:
    raw_id = intake.keep_raw(services, "callback", replies.query(ANA, "quase perdido"))
    body_id = intake.keep_raw(services, "mo_new", replies.body(replies.row(BRUNO, "eu também")))
    assert replies.all_inbound(services) == []
    intake.replay(services)
    assert replies.all_inbound(services) == []  # whoever kept it may still be reading it
    later = clock.now() + timedelta(minutes=1)
    assert intake.replay(services, now=later).new == 2
    assert intake.replay(services, now=later).new == 0
    assert {reply.raw_id for reply in replies.all_inbound(services)} == {raw_id, body_id}


def test_reading_the_same_row_twice_does_nothing_the_second_time(services: Services) -> None:
    raw_id = intake.keep_raw(services, "callback", replies.query(ANA))
    for expected in (1, 0):
        with services.db.writing() as session:
            assert intake.read_raw(session, session.get_one(RawInbound, raw_id)).new == expected


def test_one_row_that_nobody_understands_does_not_stop_the_others(services: Services) -> None:
    odd = {"status": "4", "content": "sem remetente"}
    done = intake.keep_body(services, "mo_new", replies.body(replies.row(ANA), odd, "??", replies.row(BRUNO)))  # type: ignore[arg-type]
    assert (done.new, done.odd) == (2, 2)
    (raw,) = replies.raw_rows(services)
    assert raw.problem == "odd_rows 2"


def _fails_on_boom(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = linking.answered

    def fragile(session: Session, heard: wire.Inbound, *rest: Any) -> Message | None:
        if heard.content == "boom":
            raise ZeroDivisionError
        return answered(session, heard, *rest)

    monkeypatch.setattr(linking, "answered", fragile)


def test_a_row_that_we_fail_on_is_kept_and_the_others_go_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fails_on_boom(patch)
        rows = [replies.row(ANA, "boom"), replies.row(BRUNO, "oi")]
        assert intake.keep_body(services, "mo_new", replies.body(*rows)).new == 1
    (raw,) = replies.raw_rows(services)
    assert raw.problem == "odd_rows 1"
    with services.db.writing() as session:
        assert intake.read_again(session, session.get_one(RawInbound, raw.id)).new == 1
    assert {reply.number for reply in replies.all_inbound(services)} == {ANA, BRUNO}


def test_a_callback_that_we_fail_on_is_kept_with_its_fault(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _fails_on_boom(patch)
        replies.callback(services, ANA, "boom")
    (raw,) = replies.raw_rows(services)
    assert raw.problem == "error ZeroDivisionError" and raw.read_at is not None
    assert replies.all_inbound(services) == []


def test_odd_rows_of_the_sweep_are_kept_once(services: Services) -> None:
    for _ in range(3):
        intake.keep_body(services, "mo", replies.body({"status": "4", "content": "sem remetente"}))
    assert len(replies.raw_rows(services)) == 1


@pytest.mark.parametrize(
    "answer", [b"", b"<html>502</html>", b'{"success":true,"responseCode":"200","messages":[{"num']
)
def test_an_unreadable_mo_new_is_kept_and_shown(services: Services, answer: bytes) -> None:
    with pytest.raises(LookupFailed):
        intake.keep_body(services, "mo_new", answer)
    (raw,) = replies.raw_rows(services)
    assert raw.problem and raw.problem.startswith("unreadable") and raw.body == answer


@pytest.mark.parametrize("messages", ["[]", "null", '""'])
def test_an_empty_mo_new_leaves_no_row(services: Services, messages: str) -> None:
    answer = b'{"success":true,"responseCode":"200","messageCount":0,"messages":%s}' % messages.encode()
    assert intake.keep_body(services, "mo_new", answer) == intake.Read()
    assert replies.raw_rows(services) == []


def test_a_refused_mo_new_says_so_and_leaves_no_row(services: Services) -> None:
    with pytest.raises(Stopped):
        intake.keep_body(services, "mo_new", b'{"success":false,"responseCode":"010","responseDescription":"no"}')
    assert replies.raw_rows(services) == []


def test_fewer_replies_than_announced_are_noted(services: Services) -> None:
    answer = replies.body(replies.row(ANA)).replace(b'"messageCount": 1', b'"messageCount": 3')
    intake.keep_body(services, "mo_new", answer)
    assert replies.raw_rows(services)[0].problem == "too_few 2"


def test_raw_bodies_go_after_forty_days_and_replies_stay(services: Services) -> None:
    replies.callback(services, ANA)
    with services.db.writing() as session:
        assert intake.forget_old(session, now=clock.now() + timedelta(days=39)) == 0
        assert intake.forget_old(session, now=clock.now() + timedelta(days=41)) == 1
    assert replies.all_inbound(services)[0].raw_id is None


def test_every_new_reply_moves_the_version(services: Services) -> None:
    versions = []
    for text in ("a", "b"):
        replies.callback(services, ANA, text)
        with services.db.reading() as session:
            versions.append(session.get_one(InboxVersion, 1).value)
    assert versions[1] > versions[0]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_no_bytes_raise_and_none_get_lost(services: Services, noise: bytes) -> None:
    before = replies.count(services, RawInbound)
    intake.keep_callback(services, noise)
    intake.keep_callback(services, b"number=5511987654321&content=" + noise)
    assert replies.count(services, RawInbound) == before + 2
    with services.db.reading() as session:
        assert not session.scalars(select(RawInbound).where(RawInbound.problem.like("error%"))).all()
        assert session.scalar(select(Inbound.id).limit(1)) is not None

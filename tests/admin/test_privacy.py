"""A person by their number: what is held, a copy of it, and an erasure after which nothing of them is anywhere."""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update

from tests.admin.conftest import actions
from tests.contacts.steps import bring_in, size_of, the_import, upload
from tests.inbox import replies
from tests.make import ANA, BRUNO, CARLA
from webapp.accounts.models import Audit
from webapp.admin import erasure, jobs
from webapp.admin.models import Erasure
from webapp.campaigns.models import Campaign
from webapp.campaigns.spool import Spool, SpoolWriter
from webapp.contacts import consent, proofs
from webapp.contacts.consent import Consent
from webapp.contacts.models import Contact
from webapp.core import clock
from webapp.core.db import Base
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway.wire import Receipt as Told
from webapp.inbox import intake, queries, service
from webapp.inbox.models import Conversation, Inbound, RawInbound
from webapp.messages import outbox, receipts
from webapp.messages.models import Batch, DayCount, Message, Receipt, Run, RunCount
from webapp.messages.reference import decode, encode
from webapp.optouts import erased
from webapp.optouts import queries as optouts
from webapp.reports import campaign as report

NAME = "Anabela Quintanilha"
SECRETS = ("Anabela", "anabela", "Quintanilha", "meu segredo", "ligar amanhã", "rascunho dela")
FILE = (
    f"Nome;Celular;Cidade;Obs\n{NAME};(11) 98765-4321;Santos;\nBruno;21998765432;Niterói;\n"
    f"{NAME};11 9 8765.4321;Santos;\nSem número;123;Itu;+55 (11) 98765-4321\n"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """An installation on either database."""
    if request.param == "sqlite":
        return settings
    return replace(settings, database_url=str(request.getfixturevalue("postgres_url")))


def told(reference: str, status: str, number: int | None = ANA, id: str = "7", at: datetime | None = None) -> Told:
    return Told(id, reference, number, status, status, at or datetime.now(UTC), "", "Vivo", 0)


@contextmanager
def hearing(services: Services, source: str, *news: Told) -> Iterator[receipts.Applied]:
    """News of the gateway, taken in; callbacks with the bytes in which they came."""
    with services.db.writing() as session:
        raw = [receipts.Heard(each, f"campaign_id={each.reference}&number={each.number}") for each in news]
        yield receipts.apply(session, raw if source == "callback" else list(news), source)


def hear(services: Services, source: str, *news: Told) -> receipts.Applied:
    with hearing(services, source, *news) as applied:
        return applied


def reference_of(services: Services, key: int) -> str:
    with services.db.reading() as session:
        return encode(session.scalars(select(Run.token).join(Message).where(Message.id == key)).one(), key)


def everywhere(services: Services, admin: FlaskClient, person_id: int) -> str:
    """Ana in every place that there is; the reference of a campaign's message to her."""
    bring_in(admin, FILE)
    bring_in(admin, FILE.replace("Santos", "Praia Grande"))  # she was there before: a copy for undoing it
    bring_in(admin, FILE, list_name="Outra")
    upload(admin, FILE, "espera.csv")
    reference = reference_of(services, replies.waiting(services, ANA, "Oi {{nome}}, oferta!"))
    replies.sent(services, BRUNO, "Oi Bruno")
    replies.waiting(services, ANA, "Amanhã, {{nome}}")
    with services.db.writing() as session:
        now, run_id = clock.now(), session.scalars(select(func.min(Run.id))).one()
        session.add(Campaign(name="Oferta", created_at=now, updated_at=now, timezone="UTC", lists=[], run_id=run_id))
        session.execute(update(Message).where(Message.number == ANA).values(text=f"Oi {NAME}, oferta!"))
    hear(services, "callback", told(reference, "0"), told("nossa-nao", "1"))
    hear(services, "mt_date", told("5511987654321-x", "1", id="outside-1"))
    replies.callback(services, ANA, "meu segredo", campaign_id=reference)
    replies.callback(services, ANA, "meu segredo 2")
    then = replies.local(clock.now() - timedelta(minutes=3))
    intake.keep_body(
        services, "mo_new",
        replies.body(replies.row(ANA, "meu segredo 3", date=then), replies.row(BRUNO, "oi, sou o Bruno", date=then)),
    )  # fmt: skip
    with services.db.writing() as session:
        key = queries.key_of(session, ANA) or ""
        service.add_note(session, key, person_id, f"ligar amanhã para {NAME}")
        service.save_draft(session, key, person_id, "rascunho dela")
        outbox.send_one(session, kind="reply", name=NAME, number=ANA, type=0, text=f"Olá {NAME}")
        outbox.send_one(session, kind="test", name="Oferta", number=ANA, type=0, text=f"Teste {NAME}")
        service.opt_out(session, key, person_id, f"{NAME} pediu")
        service.lift_opt_out(session, key, person_id, "voltou atrás")
        proof = proofs.keep(services.settings.instance, io.BytesIO(f"%PDF-1.7 {NAME}".encode()), "ficha.pdf")
        consent.record(session, ANA, Consent("consent", f"ficha de {NAME}", now.date(), proof=proof), person_id)
    return reference


def handle_in(page: str) -> str:
    found = re.search(r'name="person" value="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def find(admin: FlaskClient, number: str = "(11) 98765-4321") -> str:
    return admin.post("/admin/privacy", data={"number": number}).text


def erase(admin: FlaskClient, number: str = "11987654321", reason: str = "Pedido 42 por e-mail", digits: str = ""):  # type: ignore[no-untyped-def]
    handled = handle_in(find(admin, number))
    form = {"person": handled, "reason": reason, "digits": digits or number[-4:]}
    return admin.post("/admin/privacy/erase", data=form)


def states(services: Services) -> list[str]:
    with services.db.reading() as session:
        return list(session.scalars(select(Erasure.state).order_by(Erasure.id)))


def admin_id(services: Services) -> int:
    with services.db.reading() as session:
        return session.execute(text("SELECT max(id) FROM person")).scalar_one()


def everything(services: Services) -> str:
    """Every column of every row of every table as text, and every file of the installation but the database."""
    found = []
    with services.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                cells = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for cell in row]
                found += [f"{table.name}: {cell}" for cell in cells]
    for path in services.settings.instance.rglob("*"):
        if path.is_file() and not path.name.startswith("recado.db"):
            found.append(f"{path.name}: {path.read_bytes().decode('utf-8', 'replace')}")
    return "\n".join(found)


def traces(services: Services, *more: str) -> list[str]:
    """Where anything of Ana stands: her number in any spelling, her name, her words."""
    spelled = re.compile(r"9?\D{0,3}8\D{0,3}7\D{0,3}6\D{0,3}5\D{0,3}4\D{0,3}3\D{0,3}2\D{0,3}1(?!\d)")
    lines = [*everything(services).splitlines(), *more]
    return [line for line in lines if spelled.search(line) or any(secret in line for secret in SECRETS)]


def settle_the_open(services: Services) -> None:
    """The answer and the test that were queued have left and were taken."""
    with services.db.writing() as session:
        waiting = select(Run.id).where(Run.kind.in_(["reply", "test"]))
        session.execute(update(Message).where(Message.run_id.in_(waiting)).values(state="accepted"))
        session.execute(update(Batch).where(Batch.run_id.in_(waiting)).values(state="done", pending=0))


def figures(services: Services) -> tuple[report.Report, list[object], list[object]]:
    """The report of the campaign, how many messages there are and what they cost, and the figures of the days."""
    with services.db.reading() as session:
        runs = session.execute(
            select(RunCount.run_id, func.sum(RunCount.n), func.sum(RunCount.credits))
            .group_by(RunCount.run_id)
            .order_by(RunCount.run_id)
        )
        days = session.execute(
            select(DayCount.status, func.sum(DayCount.n)).group_by(DayCount.status).order_by(DayCount.status)
        )
        return report.report(session, 1, clock.now()), [tuple(row) for row in runs], [tuple(row) for row in days]


def test_after_an_erasure_nothing_of_the_person_is_anywhere(
    services: Services, admin: FlaskClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    everywhere(services, admin, admin_id(services))
    settle_the_open(services)
    assert len(traces(services)) > 25
    before = figures(services)
    assert before[0].replies == 1 and before[0].counts.accepted == 1
    assert erase(admin).status_code == 303
    assert states(services) == ["done"]
    logs = capfd.readouterr()
    assert traces(services, *logs.out.splitlines(), *logs.err.splitlines(), *caplog.text.splitlines()) == []
    assert (size_of(services), size_of(services, "Outra")) == (1, 1)
    with services.db.reading() as session:
        assert list(session.scalars(select(Contact.name))) == ["Bruno", "Bruno"]
        assert session.scalars(select(Message.number).where(Message.number > 0)).all() == [BRUNO]
        assert session.get(Conversation, BRUNO) is not None and session.get(Conversation, ANA) is None
        assert [row.text for row in session.scalars(select(Inbound)) if row.text] == ["oi, sou o Bruno"]
        assert any(b"sou o Bruno" in body for body in session.scalars(select(RawInbound.body)))
    after = figures(services)
    for figure in ("counts", "tally", "carriers", "slices", "debited", "replies", "optouts"):
        assert getattr(after[0], figure) == getattr(before[0], figure), figure
    assert after[1:] == before[1:]
    assert the_import(services).state == "discarded"  # the upload that waited held her number
    assert {"privacy.find", "privacy.erase", "privacy.erased"} <= set(actions(services))
    page = admin.get("/messages").text
    assert "erased" in page
    lines = admin.get("/messages/export?format=csv").text.splitlines()
    numbers = [line.split(";")[1] for line in lines[1:]]
    assert len(numbers) > 3 and set(numbers) == {"", str(BRUNO)}


def test_what_the_gateway_tells_later_moves_the_status_and_brings_nobody_back(
    services: Services, admin: FlaskClient
) -> None:
    reference = everywhere(services, admin, admin_id(services))
    settle_the_open(services)
    day_before = replies.local(clock.now() - timedelta(hours=20))
    erase(admin)
    key = (decode(reference) or ("", 0))[1]
    applied = hear(
        services, "callback", told(reference, "1"), told("ainda-nao", "1", at=datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert applied.found == 1
    with services.db.reading() as session:
        message = session.get_one(Message, key)
        assert (message.number, message.status, message.text) == (-key, "1", "")
    applied = hear(
        services, "mt_date",
        told("outro", "1", id="outside-1"),  # known, anonymous since
        told("5511987654321-y", "1", id="outside-2", at=datetime.now(UTC) - timedelta(hours=1)),
    )  # fmt: skip
    assert (applied.new, applied.dropped) == (0, 1)
    old = [replies.row(ANA, "meu segredo 3", date=day_before), replies.row(ANA, "meu segredo 9", date=None)]
    bruno = replies.row(BRUNO, "oi, sou o Bruno de novo", date=day_before)
    read = intake.keep_body(services, "mo", replies.body(*old, bruno))
    assert (read.dropped, read.new) == (2, 1)
    intake.keep_body(services, "mo_new", replies.body(old[0], replies.row(CARLA, "sou Carla")))
    replies.callback(services, ANA, "meu segredo", date=day_before, campaign_id=reference)
    nameless = {"content": "meu segredo 4", "campaign_id": reference, "date": day_before, "id": "3", "status": "4"}
    intake.keep_body(services, "mo", replies.body(nameless))
    assert traces(services) == []
    assert replies.conversation(services, CARLA).unread == 1
    # What is written after the moment is a new conversation, and can be erased again.
    replies.callback(services, ANA, "meu segredo novo", date=replies.local(clock.now() + timedelta(seconds=2)))
    assert replies.conversation(services, ANA).unread == 1
    assert b"segredo+novo" in replies.raw_rows(services)[-1].body
    erase(admin)
    assert states(services) == ["done", "done"] and traces(services) == []


def test_imports_count_who_was_erased_as_suppressed_and_store_nothing(services: Services, admin: FlaskClient) -> None:
    bring_in(admin, FILE)
    erase(admin)
    bring_in(admin, FILE)
    found = the_import(services)
    assert (found.rows, found.imported, found.duplicates, found.rejected, found.suppressed) == (4, 1, 1, 1, 1)
    assert found.created == 0 and found.checked["suppressed"] == 1 and size_of(services) == 1
    added = admin.post(
        "/contacts/opt-outs/import", data={"list-pasted": "celular\n11987654321\n", "list-reason": "NML"}
    )
    assert added.status_code == 303
    admin.post("/contacts/opt-outs", data={"number": "11987654321"})
    refused = admin.post(f"/contacts/{found.list_id}/add", data={"number": "11987654321", "name": "Anabela"})
    assert refused.status_code == 422 and "An administrator can lift that" in refused.text
    assert traces(services) == []
    with services.db.reading() as session:
        assert optouts.is_opted_out(session, ANA, "sms")


def test_a_lifted_number_is_taken_in_again_and_the_past_is_not(services: Services, admin: FlaskClient) -> None:
    bring_in(admin, FILE)
    day_before = replies.local(clock.now() - timedelta(hours=20))
    erase(admin)
    page = find(admin)
    assert "Nothing is held about this number." in page and "Erase this person" not in page
    form = {"person": handle_in(page), "lift-reason": ""}
    assert admin.post("/admin/privacy/lift", data=form).status_code == 422
    assert admin.post("/admin/privacy/lift", data={**form, "lift-reason": "pediu de volta"}).status_code == 303
    bring_in(admin, FILE)
    assert size_of(services) == 2
    assert intake.keep_body(services, "mo", replies.body(replies.row(ANA, "velha", date=day_before))).dropped == 1
    page = find(admin)
    assert "the number is accepted again" in page and "Lists" in page
    assert "privacy.lift" in actions(services)


def test_an_open_message_is_settled_before_the_number_goes(services: Services, admin: FlaskClient) -> None:
    replies.waiting(services, ANA, "já saiu?")
    with services.db.writing() as session:
        session.execute(update(Batch).values(state="unknown", look_at=clock.now(), settle_at=clock.now()))
    bring_in(admin, FILE)
    assert erase(admin).status_code == 303
    assert states(services) == ["waiting"]
    with services.db.reading() as session:
        assert session.scalars(select(Erasure.waits)).one() == {"messages": 1}
        assert session.scalars(select(Message.number)).one() == ANA
        assert session.scalar(select(func.count()).select_from(Contact).where(Contact.number == ANA)) == 0
    page = find(admin)
    assert "Being erased" in page and "1 messages that are leaving" in page and "Erase for good" not in page
    with services.db.writing() as session:  # it was never sent, and is due again: it does not leave
        session.execute(update(Batch).values(state="queued"))
    jobs.sweep(services)
    assert states(services) == ["done"] and traces(services) == []
    with services.db.reading() as session:
        assert session.scalars(select(Message.reason)).one() == "erased"


def test_a_launch_that_has_the_person_in_its_files_is_waited_for(services: Services, admin: FlaskClient) -> None:
    spool = Spool(services.settings.instance, 7)
    writer = SpoolWriter(spool, "ab")
    erase(admin)
    assert states(services) == ["waiting"]
    writer.add(ANA, "Oi", None)
    writer.publish(0)
    jobs.sweep(services)
    assert states(services) == ["waiting"]
    spool.remove()
    jobs.sweep(services)
    assert states(services) == ["done"]


def test_a_kill_anywhere_is_made_good_by_the_sweep(
    services: Services, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere(services, admin, admin_id(services))
    settle_the_open(services)
    for point in ("_round", "launches_with", "_finish"):
        with monkeypatch.context() as patched:

            def killed(*_args: object) -> None:
                raise KeyboardInterrupt

            patched.setattr(erasure, point, killed)
            with services.db.writing() as session:
                found, _ = erasure.request(session, ANA, "Pedido 42", None)
            with pytest.raises(KeyboardInterrupt):
                erasure.carry_out(services.db, services.settings.instance, found.id)
        jobs.sweep(services)  # the lease of the dead worker holds
        assert states(services) == ["requested"]
        with services.db.writing() as session:
            session.execute(update(Erasure).values(lease_until=clock.now() - timedelta(seconds=1)))
    jobs.sweep(services)
    assert states(services) == ["done"] and traces(services) == []


def test_two_administrators_at_once_make_one_erasure(services: Services, admin: FlaskClient) -> None:
    with services.db.writing() as session:
        first, new = erasure.request(session, ANA, "Pedido 42", None)
        second, again = erasure.request(session, ANA, "Pedido 43", None)
    assert (new, again) == (True, False) and first.id == second.id
    jobs.sweep(services)
    jobs.sweep(services)
    assert actions(services).count("privacy.erased") == 1
    with services.db.reading() as session:
        entry = session.scalars(select(Audit).where(Audit.action == "privacy.erased")).one()
        assert entry.detail["person"] == erased.mark_of(session, ANA)


def test_the_copy_for_the_person_holds_what_is_held(services: Services, admin: FlaskClient) -> None:
    everywhere(services, admin, admin_id(services))
    page = find(admin)
    assert "987654321" not in page and "98765-4321" not in page.replace('11 98765-4321"', "").replace(
        "(11) 98765-4321", ""
    )
    answer = admin.post("/admin/privacy/export", data={"person": handle_in(page)})
    assert answer.mimetype == "application/zip" and "4321" not in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        sheet, data = archive.read("recado.html").decode(), json.loads(archive.read("recado.json"))
    assert data["number"] == "+5511987654321"
    counts = Counter({key: section["total"] for key, section in data["held"].items()})
    expected = {
        "lists": 2,
        "copies": 1,
        "uploads": 1,
        "messages": 5,
        "replies": 3,
        "conversation": 1,
        "notes": 1,
        "consents": 4,
    }
    assert {key: counts[key] for key in expected} == expected
    assert counts["wrong_rows"] == 6 and counts["raw_replies"] == 3 and counts["optout_history"] == 2
    for words in ("meu segredo", "ligar amanhã", "rascunho dela", "Praia Grande", f"Oi {NAME}, oferta!"):
        assert words in sheet and words in json.dumps(data, ensure_ascii=False), words
    assert "sou o Bruno" not in sheet and "<script" not in sheet
    assert "privacy.export" in actions(services)


def test_a_text_with_markup_stays_text_in_the_copy(services: Services, admin: FlaskClient) -> None:
    replies.callback(services, ANA, "<script>alert(1)</script>")
    answer = admin.post("/admin/privacy/export", data={"person": handle_in(find(admin))})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert "&lt;script&gt;" in archive.read("recado.html").decode()


@pytest.mark.parametrize("wrong", ["", "ana", "123", "0800 123 4567"])
def test_what_is_no_number_gets_a_sentence(admin: FlaskClient, wrong: str) -> None:
    answer = admin.post("/admin/privacy", data={"number": wrong})
    assert answer.status_code == 422 and "Please check before going on" in answer.text
    assert "W r i t e" not in answer.text  # a sentence, not its letters


def test_a_number_that_nobody_knows_can_be_kept_out_all_the_same(services: Services, admin: FlaskClient) -> None:
    page = find(admin)
    assert "Nothing is held about this number." in page and "You can still have it kept out for good" in page
    assert erase(admin).status_code == 303 and states(services) == ["done"]
    bring_in(admin, FILE)
    assert the_import(services).suppressed == 1 and traces(services) == []


@pytest.mark.parametrize(
    ("reason", "digits", "said"),
    [
        ("", "4321", "Write why"),
        ("Pedido 42", "1234", "These are not the last four digits"),
        ("a Anabela pediu", "4321", "without the person&#39;s name or number"),
        ("o 11 98765 4321 pediu", "4321", "without the person&#39;s name or number"),
    ],
)
def test_an_erasure_takes_a_reason_and_the_last_digits(
    services: Services, admin: FlaskClient, reason: str, digits: str, said: str
) -> None:
    bring_in(admin, FILE)
    answer = erase(admin, reason=reason, digits=digits)
    assert answer.status_code == 422 and said in answer.text
    assert states(services) == [] and size_of(services) == 2


def test_a_forged_handle_names_nobody(admin: FlaskClient) -> None:
    for path in ("export", "erase", "lift"):
        assert admin.post(f"/admin/privacy/{path}", data={"person": "5511987654321"}).status_code == 404


def test_without_its_key_nothing_is_taken_in(services: Services, admin: FlaskClient) -> None:
    erase(admin)
    key: Path = services.settings.instance / erased.KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    bring_in(admin, FILE)
    assert the_import(services).state in ("checking", "failed") and size_if_any(services) == 0
    assert not key.exists()


def size_if_any(services: Services) -> int:
    with services.db.reading() as session:
        return session.scalar(select(func.count()).select_from(Contact)) or 0


def test_the_bytes_of_callbacks_about_the_erased_are_not_kept(services: Services, admin: FlaskClient) -> None:
    erase(admin)
    hear(
        services, "callback", told("alheia", "1", at=datetime.now(UTC) - timedelta(days=1)), told("alheia2", "1", BRUNO)
    )
    with services.db.reading() as session:
        assert [row.raw is None for row in session.scalars(select(Receipt).order_by(Receipt.id))] == [True, False]

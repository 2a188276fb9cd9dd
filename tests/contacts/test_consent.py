"""Consent: what was stated about each person, for what, on which channels, and what of it holds now."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from flask.testing import FlaskClient
from sqlalchemy import event, func, insert, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests import make
from tests.conftest import SignIn
from tests.contacts import steps
from tests.make import ANA, BRUNO, CARLA
from webapp import migrate, schema
from webapp.accounts.models import Audit
from webapp.contacts import consent, jobs, proofs, service, uploads, work
from webapp.contacts.commands import run_import_command
from webapp.contacts.consent import Consent
from webapp.contacts.models import ConsentLink, ConsentStatement, Contact, Import, ImportBefore
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import make_services
from webapp.messages import outbox
from webapp.messages.models import Message
from webapp.optouts import queries as optout_queries
from webapp.optouts import service as optouts

PDF = b"%PDF-1.7 a signed form"
EXE = b"MZ\x90\x00\x03\x00\x00\x00 a program"
FILE = "Nome;Celular\nAna;11987654321\nBruno;21998765432\nLoja;1133334444\n"


@pytest.fixture
def both(database: str, settings: Settings) -> Iterator[Services]:
    """The services on SQLite and on PostgreSQL."""
    made = make_services(replace(settings, database_url=database), immediate_jobs=True)
    migrate.upgrade(made.db)
    yield made
    made.db.dispose()


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def bring(services: Services, content: str = FILE, **stated: Any) -> int:
    """Import a file by the command's way; the import's id."""
    path = services.settings.instance.parent / "list.csv"
    path.write_text(content)
    run_import_command(services.db, services.settings, path, "Clientes", **stated)
    return steps.the_import(services).id


def undo(services: Services, import_id: int) -> None:
    with services.db.writing() as session:
        uploads.start_undo(session, import_id)
    work.run(services.db, services.settings.instance, import_id)


def held(session: Session, number: int, purpose: str = "marketing", channel: str = "sms") -> str | None:
    """The source of what holds now."""
    found = consent.holding(consent.ledger(session, number), purpose, channel)
    return found and f"{found.statement.basis} {found.statement.source}"


def links(services: Services) -> list[tuple[int, int]]:
    with services.db.reading() as session:
        rows = session.execute(select(ConsentLink.number, ConsentLink.statement_id).order_by(ConsentLink.number))
        return [(row[0], row[1]) for row in rows]


def test_an_import_states_it_for_everybody_in_its_file(both: Services) -> None:
    with both.db.writing() as session:
        optouts.add(session, ANA, origin="reply", reason="SAIR")
    bring(both, basis="consent", source="shop", consent_date=date(2026, 1, 2))
    with both.db.reading() as session:
        for number in (ANA, BRUNO, 551133334444):  # who opted out and a landline, too: it is evidence
            (entry,) = consent.ledger(session, number)
            assert (entry.day, entry.filename, entry.by) == (date(2026, 1, 2), "list.csv", None)
            assert [held(session, number, "marketing", channel) for channel in entry.channels] == ["consent shop"] * 3
            assert held(session, number, "billing") is None
        assert consent.ledger(session, CARLA) == []


def test_where_nothing_is_stated_not_one_question_more_is_asked(both: Services) -> None:
    said: list[str] = []
    event.listen(both.db.engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    bring(both)
    assert [text for text in said if "INTO consent" in text or "FROM consent" in text] == []
    with both.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(ConsentStatement)) == 0
    assert links(both) == []


def test_the_latest_statement_that_covers_purpose_and_channel_holds(both: Services) -> None:
    bring(both, basis="interest", source="old", consent_date=date(2026, 3, 1))
    later = Consent("consent", "form", date(2026, 5, 1), "marketing", ("sms",))
    older = Consent("contract", "found in the archive", date(2025, 1, 1))
    billing = Consent("contract", "loan", None, "billing", ("voice",))
    with both.db.writing() as session:
        for stated in (later, older, billing):
            consent.record(session, ANA, stated, None)
    with both.db.reading() as session:
        assert (held(session, ANA), held(session, ANA, channel="voice")) == ("consent form", "interest old")
        assert held(session, ANA, "billing", "voice") == "contract loan"
        assert held(session, ANA, "billing", "sms") is None
        assert [entry.statement.source for entry in consent.ledger(session, ANA)][1:] == [
            "form", "old", "found in the archive",
        ]  # fmt: skip
        rows = consent.standings(consent.ledger(session, ANA), {"voice"})
        assert [(row.purpose, row.channels, row.opted_out) for row in rows] == [
            ("marketing", ["sms"], False), ("marketing", ["whatsapp"], False), ("marketing", ["voice"], True),
            ("billing", ["voice"], True),
        ]  # fmt: skip


def test_a_second_import_adds_to_the_ledger_and_the_first_stays(both: Services) -> None:
    first = bring(both, basis="consent", source="2025", consent_date=date(2025, 1, 1))
    second = bring(both, basis="consent", source="2026", consent_date=date(2026, 1, 1))
    with both.db.reading() as session:
        assert [entry.statement.import_id for entry in consent.ledger(session, ANA)] == [second, first]
        assert held(session, ANA) == "consent 2026"
    undo(both, second)
    with both.db.reading() as session:
        assert held(session, ANA) == "consent 2025"


def test_an_undone_import_has_stated_nothing_and_its_proof_is_gone(
    both: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "CHUNK", 2)
    folder = both.settings.instance
    import_id = bring(both, basis="consent", source="shop")
    with both.db.writing() as session:
        mine = consent.record(session, ANA, Consent("consent", "by hand", date(2026, 1, 1)), None)
        kept = proofs.keep(folder, io.BytesIO(PDF), "form.pdf")
        stated = consent.of_import(session, import_id)
        assert stated is not None
        stated.proof_path, stated.proof_name = kept
        uploads.start_undo(session, import_id)
    with both.db.reading() as session:
        assert [entry.statement.id for entry in consent.ledger(session, ANA)] == [mine]  # at once, before the worker
    unlink, calls = consent.unlink_chunk, 0

    def dying(*args: Any) -> int | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt  # a power cut
        return unlink(*args)

    monkeypatch.setattr(consent, "unlink_chunk", dying)
    with pytest.raises(KeyboardInterrupt):
        work.run(both.db, folder, import_id)
    monkeypatch.setattr(consent, "unlink_chunk", unlink)
    with both.db.writing() as session:
        uploads.the_import(session, import_id).lease_until = None
    jobs.sweep(both)
    assert steps.the_import(both).state == "undone"
    assert links(both) == [(ANA, mine)]
    assert not (folder / kept.path).exists()
    with both.db.writing() as session:
        consent.attach(session, import_id, [BRUNO])  # too late: nothing is stated any more
        again = consent.record(session, CARLA, Consent("interest", "x"), None)
    assert links(both) == [(ANA, mine), (CARLA, again)]


@pytest.mark.parametrize("after", [1, 3])
def test_an_import_that_is_killed_and_goes_on_links_everybody_once(
    both: Services, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(work, "CHUNK", 100)
    folder = both.settings.instance
    path = uploads.keep_paste(folder, "Nome;Celular\n" + "\n".join(f"P {n};1198765{n:04}" for n in range(450)))
    with both.db.writing() as session:
        found = uploads.register(session, folder, path, "list.csv", None)
        found.state = "ready"
        uploads.confirm(session, found.id, "Clientes", Consent("consent", "shop"), None)
    store, calls = work._store, 0

    def dying(*args: Any) -> int:
        nonlocal calls
        calls += 1
        created = store(*args)
        if calls == after:
            raise KeyboardInterrupt  # the chunk is written but not committed
        return created

    monkeypatch.setattr(work, "_store", dying)
    with pytest.raises(KeyboardInterrupt):
        work.run(both.db, folder, found.id)
    assert len(links(both)) == (after - 1) * 100
    monkeypatch.setattr(work, "_store", store)
    with both.db.writing() as session:
        uploads.the_import(session, found.id).lease_until = None
    jobs.sweep(both)
    assert [number for number, _ in links(both)] == [5511987650000 + n for n in range(450)]


def test_somebody_mended_into_an_import_later_is_covered_too(both: Services) -> None:
    import_id = bring(both, basis="consent", source="shop")
    with both.db.writing() as session:
        consent.attach(session, import_id, [CARLA, ANA])
        consent.attach(session, import_id, [])
    with both.db.reading() as session:
        assert held(session, CARLA) == held(session, ANA) == "consent shop"


def test_a_list_that_is_deleted_leaves_the_evidence(both: Services) -> None:
    bring(both, basis="consent", source="shop")
    with both.db.writing() as session:
        service.delete_list(session, steps.the_import(both).list_id or 0)
    jobs.purge(both)
    with both.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == 0
        assert held(session, ANA) == "consent shop"


def test_a_withdrawal_holds_until_a_dated_consent_follows_and_opts_out_for_marketing(both: Services) -> None:
    bring(both, basis="consent", source="shop", consent_date=date(2026, 1, 2))
    with both.db.writing() as session:
        person = make.person(session)
        closed = consent.withdraw(session, ANA, "marketing", ["sms"], "by phone", person.id)
        assert closed == ["sms"]
        assert consent.withdraw(session, BRUNO, "billing", ["sms"], "by phone", person.id) == []
        consent.withdraw(session, CARLA, "marketing", ["sms", "whatsapp", "voice"], "by phone", person.id)
    bring(both, basis="consent", source="the same old file")
    with both.db.reading() as session:
        assert held(session, ANA) == "withdrawn by phone"
        assert held(session, ANA, channel="voice") == "consent the same old file"
        out = [optout_queries.is_opted_out(session, ANA, channel) for channel in ("sms", "voice", "all")]
        assert out == [True, False, False]
        assert not optout_queries.of_person(session, BRUNO)
        assert [row.channel for row in optout_queries.of_person(session, CARLA)] == ["all"]
    with both.db.writing() as session:
        consent.record(session, ANA, Consent("consent", "asked again", clock.now().date()), None)
    with both.db.reading() as session:
        assert held(session, ANA) == "consent asked again"
        assert [row.channel for row in optout_queries.of_person(session, ANA)] == ["sms"]  # and still nothing is sent


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        (Consent("because", "x"), "basis"),
        (Consent("consent", "x", date(2999, 1, 1)), "consent_date"),
        (Consent("consent", "x", None, "fun"), "purpose"),
        (Consent("consent", "x", None, "marketing", ()), "channels"),
        (Consent("consent", "x", None, "marketing", ("pigeon",)), "channels"),
    ],
)
def test_what_cannot_be_a_statement_is_refused(services: Services, stated: Consent, field: str) -> None:
    with pytest.raises(UserError) as refused, services.db.writing() as session:
        consent.record(session, ANA, stated, None)
    assert refused.value.field == field
    for purpose, ticked in (("fun", ["sms"]), ("marketing", [])):
        with pytest.raises(UserError), services.db.writing() as session:
            consent.withdraw(session, ANA, purpose, ticked, "x", None)


def test_whoever_is_erased_leaves_nothing_and_the_others_keep_theirs(both: Services) -> None:
    bring(both, basis="consent", source="shop")
    proof = proofs.Proof("proofs/a.pdf", "a.pdf")
    with both.db.writing() as session:
        consent.record(session, ANA, Consent("consent", "mine", None, proof=proof), None)
        consent.record(session, ANA, Consent("interest", "mine"), None)
        consent.record(session, BRUNO, Consent("interest", "his", None, proof=proof), None)
        assert consent.forget(session, ANA) == ["proofs/a.pdf"]
        assert consent.forget(session, CARLA) == []
    with both.db.reading() as session:
        assert consent.ledger(session, ANA) == []
        assert len(consent.ledger(session, BRUNO)) == 2
        assert session.scalar(select(func.count()).select_from(ConsentStatement)) == 2


def test_what_imports_stated_before_the_ledger_is_its_beginning(database: str, tmp_path: Path) -> None:
    db = Database(database)
    migrate.upgrade(db)
    with db.writing() as session:
        made = service.list_named(session, "Clientes")
        now = clock.now()
        shared = {"list_id": made.id, "filename": "a.csv", "path": "x", "format": "csv", "created_at": now}
        stated = {"basis": "consent", "source": "shop", "consent_date": date(2025, 5, 5), "started_at": now}
        rows = [
            {**shared, **stated, "state": "done"},
            {**shared, **stated, "state": "done", "source": "later", "consent_date": None},
            {**shared, "state": "done", "started_at": now},  # stated nothing
            {**shared, **stated, "state": "undone"},
            {**shared, **stated, "state": "ready", "started_at": None},
        ]
        first, second, silent, undone, _ = [
            session.scalars(insert(Import).values(**row).returning(Import.id)).one() for row in rows
        ]
        people = [(ANA, first), (BRUNO, second), (CARLA, silent), (CARLA + 1, undone)]
        session.execute(insert(Contact), [
            {"list_id": made.id, "number": number, "import_id": import_id, "created_at": now, "updated_at": now}
            for number, import_id in people
        ])  # fmt: skip
        before = {"kind": "mobile", "name": "", "name_key": "", "fields": {}}
        session.execute(insert(ImportBefore), [
            {"import_id": import_id, "number": number, **before} for import_id, number in [(second, ANA), (silent, BRUNO)]
        ])  # fmt: skip
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    with db.durable_engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
    migrate.upgrade(db)
    with db.reading() as session:
        assert {entry.statement.import_id for entry in consent.ledger(session, ANA)} == {first, second}
        (bruno,) = consent.ledger(session, BRUNO)
        assert (bruno.statement.source, bruno.statement.given_on, bruno.channels) == (
            "later", None, ["sms", "whatsapp", "voice"],
        )  # fmt: skip
        assert consent.ledger(session, CARLA) == consent.ledger(session, CARLA + 1) == []
        assert session.scalar(select(func.count()).select_from(ConsentStatement)) == 2
    db.dispose()


def packed(part: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(part, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("termo.PDF", PDF),
        ("tela.png", b"\x89PNG\r\n\x1a\n..."),
        ("tela.jpeg", b"\xff\xd8\xff\xe0..."),
        ("cadastro.xlsx", packed("xl/workbook.xml")),
        ("termo.docx", packed("word/document.xml")),
        ("cadastro.csv", "Nome;Aceitou em\nJoão;2026".encode("cp1252")),
        ("pedido.eml", b"From: ana@example.com\r\n\r\nSim"),
        ("notas.txt", "sim".encode("utf-16")),
        ("ligação.ogg", b"OggS..."),
    ],
)
def test_a_proof_is_kept_under_a_name_that_cannot_be_guessed(services: Services, name: str, content: bytes) -> None:
    folder = services.settings.instance
    kept = proofs.keep(folder, io.BytesIO(content), name)
    assert kept.name == name
    assert (folder / kept.path).read_bytes() == content
    assert kept.path.startswith("proofs/")
    assert name.rpartition(".")[0] not in kept.path


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("termo.pdf", EXE, "no .pdf"),
        ("notas.txt", EXE, "no .txt"),
        ("tela.png", PDF, "no .png"),
        ("cadastro.xlsx", packed("evil.exe"), "no .xlsx"),
        ("cadastro.xlsx", b"PK\x03\x04 nothing", "no .xlsx"),
        ("setup.exe", EXE, "one of these"),
        ("page.html", b"<script>", "one of these"),
        ("pdf", PDF, "one of these"),
        ("termo.pdf", b"", "empty"),
        ("termo.pdf", PDF + b" " * (20 << 20), "larger than 20 MB"),
    ],
)
def test_what_is_no_proof_is_refused_and_nothing_is_kept(
    services: Services, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        proofs.keep(services.settings.instance, io.BytesIO(content), name)
    assert not list((services.settings.instance / proofs.FOLDER).glob("*"))


@pytest.mark.parametrize("name", ["../../etc/cron.d/x.pdf", "..\\..\\x.pdf", "/etc/x.pdf", "C:\\x.pdf", "a\x00/x.pdf"])
def test_a_name_leads_nowhere(services: Services, name: str) -> None:
    folder = services.settings.instance
    kept = proofs.keep(folder, io.BytesIO(PDF), name)
    assert kept.name == "x.pdf"
    assert (folder / kept.path).resolve().parent == (folder / proofs.FOLDER).resolve()


def test_a_proof_of_nothing_goes_after_a_day(services: Services) -> None:
    folder = services.settings.instance
    lost, known = (proofs.keep(folder, io.BytesIO(PDF), "a.pdf") for _ in range(2))
    with services.db.writing() as session:
        consent.record(session, ANA, Consent("consent", "x", proof=known), None)
    jobs.discard_stale(services)
    assert (folder / lost.path).exists()
    with clock.shifted(timedelta(days=2)):
        jobs.discard_stale(services)
    assert not (folder / lost.path).exists()
    assert (folder / known.path).exists()


def test_an_import_takes_purpose_channels_and_a_proof_on_its_page(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, steps.USUAL).location
    client.post(f"{where}/columns")
    page = client.get(where).text
    ticked = re.findall(r'<input checked[^>]*name="channels"[^>]*value="(\w+)"', page)
    assert ticked == ["sms", "whatsapp", "voice"]
    refused = client.post(
        f"{where}/confirm", data={**steps.CONSENT, "channels": "", "proof": (io.BytesIO(EXE), "a.pdf")}
    )
    assert refused.status_code == 422
    assert "Escolha pelo menos um canal" in refused.text
    told = {**steps.CONSENT, "purpose": "billing", "channels": ["", "voice"]}
    fake = client.post(f"{where}/confirm", data={**told, "proof": (io.BytesIO(EXE), "a.pdf")})
    assert fake.status_code == 422
    assert "não é .pdf" in fake.text
    assert client.post(
        f"{where}/confirm", data={**told, "consent_date": "2999-01-01", "proof": (io.BytesIO(PDF), "a.pdf")}
    )
    assert not list((services.settings.instance / proofs.FOLDER).glob("*"))  # refused: nothing stays behind
    assert client.post(f"{where}/confirm", data={**told, "proof": (io.BytesIO(PDF), "../termo.pdf")}).status_code == 303
    with services.db.reading() as session:
        assert held(session, ANA, "billing", "voice") == "consent loja"
        assert held(session, ANA, "billing", "sms") is held(session, ANA) is None
    assert "termo.pdf" in client.get(where).text
    client.post(f"{where}/undo")
    assert not list((services.settings.instance / proofs.FOLDER).glob("*"))


def url_of(services: Services, name: str = "Ana") -> str:
    person = next(person for person in steps.people(services) if person.name == name)
    return f"/contacts/{person.list_id}/people/{person.id}"


def state(client: FlaskClient, url: str, **more: Any) -> TestResponse:
    told = {"basis": "consent", "source": "site", "consent_date": "2026-02-03", "purpose": "marketing"}
    return client.post(f"{url}/consent", data={**told, "channels": ["", "whatsapp"], **more})


def test_one_persons_consent_is_registered_by_hand_with_its_proof(
    client: FlaskClient, signed_in: SignIn, services: Services
) -> None:
    steps.bring_in(client, basis="not_stated")
    url = url_of(services)
    assert "Não informado" in client.get(url).text
    assert state(client, url, proof=(io.BytesIO(PDF), "termo é.pdf")).status_code == 303
    page = client.get(url).text
    assert "Consentimento" in page
    assert "desde 03/02/2026" in page
    link = page.split('/proof"')[0].rsplit('href="', 1)[1] + "/proof"
    answer = client.get(link)
    assert answer.data == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.mimetype == "application/octet-stream"
    with services.db.reading() as session:
        actions = list(session.scalars(select(Audit.action).order_by(Audit.id)))
        assert actions[-2:] == ["consent.record", "consent.proof"]
        assert held(session, ANA, channel="whatsapp") == "consent site"
        assert held(session, ANA) is None
    assert client.get("/contacts/consent/999/proof").status_code == 404
    support = signed_in("support")
    for path in (link, f"{url}/consent", f"{url}/withdraw"):
        assert support.get(path).status_code == 403
    assert state(support, url).status_code == 403
    (services.settings.instance / proofs.FOLDER).rename(services.settings.instance / "elsewhere")
    assert client.get(link).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"basis": "not_stated"}, "Escolha por que"),
        ({"consent_date": ""}, "Informe quando"),
        ({"source": ""}, "Diga onde"),
        ({"consent_date": "2999-01-01"}, "ainda não chegou"),
        ({"channels": ""}, "pelo menos um canal"),
    ],
)
def test_a_statement_by_hand_says_all_that_counts(
    client: FlaskClient, services: Services, wrong: dict[str, str], says: str
) -> None:
    steps.bring_in(client)
    answer = state(client, url_of(services), **wrong)
    assert answer.status_code == 422
    assert says in answer.text


def test_who_withdraws_is_opted_out_there_and_what_waits_is_stopped(client: FlaskClient, services: Services) -> None:
    steps.bring_in(client)
    url = url_of(services)
    with services.db.writing() as session:
        for kind in (0, 5):
            run = outbox.open_run(
                session, kind="campaign", name="x", type=kind, text="x", total=1, not_before=clock.now()
            )
            outbox.write_chunk(session, run, [outbox.NewMessage(ANA)], 10)
    assert client.post(f"{url}/withdraw", data={"purpose": "marketing", "reason": ""}).status_code == 422
    told = {"purpose": "marketing", "channels": ["", "sms"], "reason": "pediu por telefone"}
    assert client.post(f"{url}/withdraw", data=told).status_code == 303
    page = client.get(url).text
    assert "Revogado" in page
    assert "O descadastro vem primeiro" in page
    assert "pediu por telefone" in page
    with services.db.reading() as session:
        states = dict(session.execute(select(Message.type, Message.state)).all())  # type: ignore[arg-type]
        assert (states[0], states[5]) == ("suppressed", "pending")
    (link,) = re.findall(r'href="(/contacts/opt-outs/[^"]+)"', page)
    shown = client.get(link)
    assert shown.text.count("pediu por telefone") == 1  # of three rows, one line
    assert "· SMS ·" in shown.text
    told = {"purpose": "survey", "channels": ["", "voice"], "reason": "pediu por telefone"}
    assert client.post(f"{url}/withdraw", data=told).status_code == 303
    with services.db.reading() as session:
        assert not optout_queries.is_opted_out(session, ANA, "voice")
    client.post(f"{link}/lift", data={"channel": "sms", "sms-reason": "pediu de volta"})
    with services.db.reading() as session:
        assert not optout_queries.of_person(session, ANA)
    client.post(f"{url}/withdraw", data={"purpose": "marketing", "reason": "tudo"})
    with services.db.reading() as session:
        assert optout_queries.is_opted_out(session, ANA)
        assert dict(session.execute(select(Message.type, Message.state)).all())[5] == "suppressed"  # type: ignore[arg-type]


def test_whoever_is_added_by_hand_may_come_with_a_reason(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services)
    told = {"number": "11987654321", "name": "Ana", "basis": "consent"}
    unsaid = client.post(f"/contacts/{list_id}/add", data=told)
    assert unsaid.status_code == 422
    assert "Diga onde" in unsaid.text
    assert client.post(f"/contacts/{list_id}/add", data={**told, "source": "balcão"}).status_code == 303
    client.post(f"/contacts/{list_id}/add", data={"number": "21998765432", "name": "Bruno"})
    with services.db.reading() as session:
        assert held(session, ANA) == "consent balcão"
        assert consent.ledger(session, BRUNO) == []

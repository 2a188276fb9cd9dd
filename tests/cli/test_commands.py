"""Every command as the contract states it: what it does, what it prints, how it refuses."""

import csv
import json
import logging
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner
from sqlalchemy import update

from tests.cli.conftest import Recado, send_all
from webapp.cli import main
from webapp.core.web import Services
from webapp.messages.models import RunCount
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

COUNTS = (
    "id", "name", "state", "total", "held", "queued", "sending", "unknown", "accepted", "refused", "cancelled", "expired",
    "suppressed", "delivered", "undelivered", "in_transit", "credits",
)  # fmt: skip
COLUMNS = ["reference", "number", "name", "state", "status", "reason", "carrier", "sent_at", "status_at", "credits"]
ANA, BIA = "5511987654321", "55" + number_for("reply", 1)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands set up logging for their process; the tests' own stays."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list with two good rows, one of them twice, and one that is none."""
    file = tmp_path / "clientes.csv"
    file.write_text(
        f"Nome;Celular;Cidade\nAna;(11) 98765-4321;Santos\nBia;{BIA};Lins\nAna;11987654321;Santos\nX;12;Y\n"
    )
    return file


@pytest.fixture
def imported(recado: Recado, people: Path) -> str:
    """The name of a list with both of them."""
    recado("contacts", "import", people, "--list", "Clientes", "--json").json  # noqa: B018 - asserts
    return "Clientes"


def test_help_lists_every_command_of_the_contract() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    for command in ("demo", "serve", "web", "worker", "sandbox", "db", "user", "contacts", "optouts", "campaign", "sync",
                    "messages", "assets", "doctor"):  # fmt: skip
        assert f"\n  {command} " in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo"], ["serve"], ["web"], ["worker"], ["sandbox"], ["db", "upgrade"], ["db", "recount"], ["user", "create"], ["user", "reset"],
        ["contacts", "import"], ["optouts", "import"], ["campaign", "send"], ["campaign", "show"], ["campaign", "pause"],
        ["campaign", "resume"], ["campaign", "cancel"], ["campaign", "export"], ["sync", "statuses"], ["sync", "replies"], ["sync", "balance"],
        ["messages", "find"], ["assets", "fetch"], ["doctor"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_has_help(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, [*arguments, "--help"])
    assert result.exit_code == 0 and "--parent" not in result.stdout


# ---------- people ----------


def test_user_create_prints_a_link_for_the_first_password(recado: Recado) -> None:
    done = recado("user", "create", "ana@example.com", "--role", "admin")
    assert done.status == 0 and done.out.startswith("http://recado.example:8000/welcome/")


def test_user_create_takes_a_password_from_stdin(recado: Recado) -> None:
    arguments = ("user", "create", "ana@example.com", "--role", "support", "--password-stdin")
    assert recado(*arguments, given="correct horse battery\n").status == 0
    assert "ana@example.com" in recado(*arguments, given="correct horse battery\n").refusal


def test_user_create_refuses_a_password_that_is_too_short(recado: Recado) -> None:
    assert recado("user", "create", "ana@example.com", "--role", "admin", "--password-stdin", given="abc\n").refusal


def test_user_reset_prints_another_link_and_names_who_is_unknown(recado: Recado) -> None:
    recado("user", "create", "ana@example.com", "--role", "admin")
    assert "/welcome/" in recado("user", "reset", "ANA@example.com").out
    assert recado("user", "reset", "eva@example.com").refusal == "Nobody has the address eva@example.com."


def test_an_unknown_role_is_bad_usage(recado: Recado) -> None:
    done = recado("user", "create", "ana@example.com", "--role", "king")
    assert done.status == 2 and done.out == ""


# ---------- lists ----------


def test_an_import_tells_what_became_of_every_row(recado: Recado, people: Path) -> None:
    found = recado(
        "contacts", "import", people, "--list", "Clientes", "--basis", "consent", "--source", "site",
        "--consent-date", "2026-01-31", "--json",
    ).json  # fmt: skip
    errors = Path(found.pop("errors_file"))
    assert found == {"list": "Clientes", "rows": 4, "imported": 2, "duplicates": 1, "rejected": 1, "suppressed": 0}
    assert errors.read_text().count("\n") == 1 + 2  # the header, the wrong row and the repeated one


def test_an_import_of_good_rows_only_has_no_errors_file(recado: Recado, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("Nome,Telefone\nAna,11987654321\n")
    assert recado("contacts", "import", file, "--list", "L", "--json").json["errors_file"] is None


def test_a_legal_basis_may_be_written_in_portuguese(recado: Recado, people: Path) -> None:
    arguments = ("contacts", "import", people, "--list", "L", "--source", "site", "--json", "--basis")
    assert recado(*arguments, "Consentimento").json["imported"] == 2
    assert recado(*arguments, "vontade").status == 2


def test_a_file_that_is_no_table_is_refused(recado: Recado, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"")
    assert recado("contacts", "import", file, "--list", "L").refusal


def test_a_suppression_list_tells_what_became_of_every_row(recado: Recado, people: Path) -> None:
    arguments = ("optouts", "import", people, "--reason", "Não Me Ligue", "--channel", "sms", "--json")
    found = recado(*arguments).json
    assert Path(found.pop("errors_file")).exists()
    assert found == {"channel": "sms", "rows": 4, "added": 2, "known": 0, "duplicates": 1, "rejected": 1}
    assert recado(*arguments).json["known"] == 2
    assert recado("optouts", "import", people, "--reason", " ").refusal


# ---------- campaigns ----------


def test_a_campaign_is_sent_shown_and_exported(
    recado: Recado, imported: str, installed: Services, tmp_path: Path
) -> None:
    sent = recado("campaign", "send", "--list", imported, "--type", "0", "--content", "Oi {{nome}}", "--json").json
    assert sent == {"id": sent["id"], "recipients": 2, "credits": 2}
    send_all(installed)
    synced = recado("sync", "statuses", "--json").json
    assert set(synced) == {"asked", "new", "changed"} and synced["changed"] >= 2
    shown = recado("campaign", "show", sent["id"], "--json").json
    assert tuple(shown) == COUNTS
    assert shown["state"] == "finished" and shown["delivered"] == 2
    assert shown["total"] == sum(shown[name] for name in COUNTS[4:13])
    assert shown["accepted"] == shown["delivered"] + shown["undelivered"] + shown["in_transit"]
    file = tmp_path / "out.csv"
    assert recado("campaign", "export", sent["id"], "--format", "csv", "-o", file).status == 0
    rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines(), delimiter=";"))
    assert rows[0] == COLUMNS and len(rows) == 3
    assert recado("campaign", "export", sent["id"], "--format", "xlsx", "-o", tmp_path / "out.xlsx").status == 0
    assert (tmp_path / "out.xlsx").read_bytes().startswith(b"PK")
    full = recado("campaign", "export", sent["id"], "--format", "csv", "-o", "/dev/full")
    assert full.refusal == "No space left on device"


def test_a_scheduled_campaign_waits_pauses_resumes_and_is_cancelled(recado: Recado, imported: str) -> None:
    year = datetime.now().year + 1
    sent = recado(
        "campaign", "send", "--list", imported, "--type", "0", "--content", "Oi", "--name", "Festa",
        "--at", f"{datetime.now():%Y}-12-31 10:00" if datetime.now().month < 12 else f"{year}-06-30 10:00",
        "--timezone", "America/Manaus", "--json",
    ).json  # fmt: skip
    shown = recado("campaign", "show", sent["id"], "--json").json
    assert (shown["name"], shown["state"], shown["held"]) == ("Festa", "scheduled", 2)
    assert recado("campaign", "pause", sent["id"], "--json").json["state"] == "paused"
    assert recado("campaign", "resume", sent["id"], "--json").json["state"] == "scheduled"
    cancelled = recado("campaign", "cancel", sent["id"], "--json").json
    assert cancelled == {"id": sent["id"], "state": "cancelled", "left": 0, "stopped": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"--list": "Ninguém"}, {"--content": "Oi {{apelido}}"}, {"--content": " "}, {"--at": "2020-01-01 10:00"},
        {"--at": "tomorrow"}, {"--timezone": "America/Atlantis", "--at": "2099-01-01 10:00"}, {"--type": "6"},
    ],
    ids=str,
)  # fmt: skip
def test_a_campaign_that_cannot_be_sent_is_refused_and_leaves_nothing(
    recado: Recado, imported: str, change: dict[str, str]
) -> None:
    given = {"--list": imported, "--type": "0", "--content": "Oi"} | change
    done = recado("campaign", "send", *[each for pair in given.items() for each in pair])
    assert done.refusal
    assert "does not exist" in recado("campaign", "show", "1").refusal


def test_a_type_outside_the_table_is_bad_usage(recado: Recado, imported: str) -> None:
    assert recado("campaign", "send", "--list", imported, "--type", "9", "--content", "Oi").status == 2


def test_too_little_credit_is_refused_with_the_numbers(recado: Recado, imported: str, box: Sandbox) -> None:
    box.account(balance_1=1)
    assert recado("sync", "balance", "--json").json["balance_1"] == 1
    refusal = recado("campaign", "send", "--list", imported, "--type", "0", "--content", "Oi").refusal
    assert "2 credits" in refusal


# ---------- asking ----------


def test_the_balance_is_four_purses_and_two_dates(recado: Recado, box: Sandbox) -> None:
    box.account(balance_1=10, balance_2=20, balance_3=30, balance_4=40)
    found = recado("sync", "balance", "--json").json
    assert [found[f"balance_{number}"] for number in range(1, 5)] == [10, 20, 30, 40]
    assert datetime.fromisoformat(found["activation"]).tzinfo and datetime.fromisoformat(found["expiration"]).tzinfo


def test_replies_come_in_once_and_show_in_the_persons_history(
    recado: Recado, imported: str, installed: Services, box: Sandbox
) -> None:
    recado("campaign", "send", "--list", imported, "--type", "0", "--content", "Oi", "--name", "Festa")
    send_all(installed)
    box.reply(BIA, "Quero saber mais")
    assert recado("sync", "replies", "--json").json["new"] >= 1
    assert recado("sync", "replies", "--json").json["new"] == 0
    found = recado("messages", "find", BIA, "--json").json
    assert (found["number"], found["opted_out"]) == (BIA, False)
    assert [tuple(row) for row in found["sent"]] == [("at", "campaign", "content", "state", "status")]
    assert found["sent"][0]["campaign"] == "Festa"
    assert "Quero saber mais" in [row["content"] for row in found["replies"]]
    assert "Quero saber mais" in recado("messages", "find", BIA).out


def test_wrong_credentials_and_a_gateway_that_is_away_are_told_apart(recado: Recado, box: Sandbox) -> None:
    wrong = recado("sync", "balance", RECADO_GATEWAY_PASSWORD="other").refusal
    away = recado("sync", "balance", RECADO_GATEWAY_URL="http://127.0.0.1:9/webservice-rest/").refusal
    assert "010" in wrong and "could not reach" in away


def test_without_an_account_the_gateway_is_not_asked(recado: Recado) -> None:
    for what in ("statuses", "replies", "balance"):
        assert recado("sync", what, RECADO_GATEWAY_USER="").refusal


def test_a_number_that_is_none_is_refused(recado: Recado) -> None:
    assert recado("messages", "find", "abc", "--json").refusal


def test_assets_are_not_fetched_where_they_are_complete(recado: Recado, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.core.assets.every_file", list)
    done = recado("assets", "fetch")
    assert done.status == 0 and "assets" in done.out


# ---------- the frame ----------


def test_refusals_speak_the_language_of_the_installation(recado: Recado) -> None:
    assert recado("user", "reset", "eva@example.com", RECADO_LOCALE="pt_BR").refusal.startswith("Ninguém")


def test_nonsense_in_a_setting_is_one_sentence_that_names_it(recado: Recado) -> None:
    assert "RECADO_RATE" in recado("sync", "balance", RECADO_RATE="fast").refusal


def test_a_database_that_is_away_is_one_sentence(recado: Recado) -> None:
    url = "postgresql+psycopg://x@127.0.0.1:9/x"
    assert recado("user", "reset", "x@example.com", RECADO_DATABASE_URL=url).refusal.startswith("The database")


def test_a_recount_sets_counters_right_and_says_which(recado: Recado, imported: str, installed: Services) -> None:
    recado("campaign", "send", "--list", imported, "--type", "0", "--content", "Oi", "--json").json  # noqa: B018
    with installed.db.writing() as session:
        session.execute(update(RunCount).values(n=RunCount.n + 5))
    told = recado("db", "recount", "--json").json
    assert (told["runs"], told["messages"], told["moving"]) == (1, 2, 0)
    assert [(drift["of"], drift["messages"], drift["credits"]) for drift in told["drifts"]] == [("run 1", 5, 0)]
    assert recado("db", "recount", "--json").json["drifts"] == []
    assert "drifts    0" in recado("db", "recount").out


def test_an_old_schema_is_refused_with_the_command_that_mends_it(recado: Recado, installed: Services) -> None:
    with installed.db.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM alembic_version")
    for command in (["user", "reset", "x@example.com"], ["sync", "balance"], ["campaign", "show", "1"], ["worker"]):
        assert "recado db upgrade" in recado(*command).refusal
    with installed.db.writing() as session:
        session.connection().exec_driver_sql("INSERT INTO alembic_version VALUES ('9999')")
    assert "newer" in recado("sync", "balance").refusal


def test_db_upgrade_makes_a_new_installation_with_private_keys(recado: Recado, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for _ in range(2):
        assert recado("db", "upgrade", RECADO_INSTANCE=str(folder)).status == 0
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert recado("user", "create", "a@example.com", "--role", "admin", RECADO_INSTANCE=str(folder)).status == 0


def test_a_folder_of_another_installation_is_refused_with_what_mends_it(recado: Recado, tmp_path: Path) -> None:
    here = tmp_path / "new"
    database = f"sqlite:///{here / 'recado.db'}"
    assert recado("db", "upgrade", RECADO_INSTANCE=str(here)).status == 0
    there = tmp_path / "elsewhere"
    elsewhere = {"RECADO_INSTANCE": str(there), "RECADO_DATABASE_URL": database}
    assert "does not belong" in recado("worker", **elsewhere).refusal
    (there / "installation").write_text((here / "installation").read_text())
    assert recado("db", "upgrade", **elsewhere).status == 0


def test_another_secret_key_is_refused_and_a_rotated_one_is_not(recado: Recado, tmp_path: Path) -> None:
    here = {"RECADO_INSTANCE": str(tmp_path / "new")}
    first, second, third = (f"a secret key number {number}" for number in "123")
    assert recado("db", "upgrade", **here, RECADO_SECRET_KEY=first).status == 0
    for command in ("worker", "web", "serve"):
        assert "RECADO_SECRET_KEY_FALLBACKS" in recado(command, **here, RECADO_SECRET_KEY=second).refusal
    assert "was used with" in recado("doctor", **here, RECADO_SECRET_KEY=second).out
    rotated = here | {"RECADO_SECRET_KEY": second, "RECADO_SECRET_KEY_FALLBACKS": first}
    assert recado("db", "upgrade", **rotated).status == 0
    assert "was used with" in recado("worker", **here, RECADO_SECRET_KEY=first).refusal
    check = tmp_path / "new" / "secret_check"
    assert second not in check.read_text() and stat.S_IMODE(check.stat().st_mode) == 0o600
    check.unlink()
    assert recado("db", "upgrade", **here, RECADO_SECRET_KEY=third).status == 0


def test_json_output_is_one_object_even_where_much_is_logged(
    recado: Recado, imported: str, installed: Services, box: Sandbox
) -> None:
    recado("campaign", "send", "--list", imported, "--type", "0", "--content", "Oi")
    send_all(installed)
    box.fault("html", "mt_date", times=1)
    assert json.loads(recado("sync", "statuses", "--json").out)["asked"] > 25

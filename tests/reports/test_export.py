"""Files: everybody of a campaign once, as Brazilian spreadsheets read them, and nothing that a spreadsheet would run."""

import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from sqlalchemy import delete, select, update

from tests.conftest import SignIn
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from webapp.accounts.models import Audit
from webapp.contacts.models import Contact
from webapp.core import clock
from webapp.core.csvfile import safe
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.messages.models import Message
from webapp.messages.outbox import NewMessage
from webapp.reports import commands
from webapp.reports.exports import apart, files, formats, lines, sources

COLUMNS = ["reference", "number", "name", "state", "status", "reason", "carrier", "sent_at", "status_at", "credits"]


def table(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "Excel needs the mark to read accents"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_a_campaigns_file_has_everybody_once_with_the_agreed_columns(services: Services, signed_in: SignIn) -> None:
    people = [NewMessage(ANA), NewMessage(BRUNO), NewMessage(CARLA, left_out="optout")]
    campaign = world.launched(services.db, people)
    ana, bruno, _ = world.keys(services.db, campaign)
    world.heard(services.db, ana, "-4", carrier="Oi", at=datetime(2026, 11, 22, 13, 5))
    world.accepted_at(services.db, {ana: datetime(2026, 11, 22, 12, 1)}, credits=2)
    world.refused(services.db, bruno, "050")
    world.named(services.db, {ANA: "Ana; Souza", BRUNO: "Bruno"})
    answer = signed_in("marketing").get(f"/reports/campaigns/{campaign.id}/export")
    assert answer.mimetype == "text/csv"
    rows = table(answer.data)
    assert list(rows[0]) == COLUMNS
    assert [row["number"] for row in rows] == [str(ANA), str(BRUNO), str(CARLA)]
    assert rows[0]["name"] == "Ana; Souza"
    assert (rows[0]["state"], rows[0]["status"], rows[0]["credits"]) == ("accepted", "-4", "2")
    assert (rows[0]["sent_at"], rows[0]["status_at"]) == ("22/11/2026 09:01", "22/11/2026 10:05")
    assert (rows[1]["state"], rows[1]["status"]) == ("refused", "")
    assert rows[1]["reason"].startswith("050 O número")
    assert rows[2]["state"] == "suppressed"
    assert rows[2]["reason"] == "A pessoa pediu para não receber mensagens."
    with services.db.reading() as session:
        assert (
            session.scalar(select(Audit.subject).where(Audit.action == "campaign.export")) == f"campaign {campaign.id}"
        )


def test_a_file_of_many_chunks_misses_nobody(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "CHUNK", 7)
    campaign = world.launched(services.db, 50)
    target = tmp_path / "out.csv"
    assert commands.export(services, campaign.id, "csv", target) == 50
    numbers = [row["number"] for row in table(target.read_bytes())]
    assert numbers == [str(world.FIRST + n) for n in range(50)]


def test_excel_gets_text_cells_and_a_further_sheet_where_one_is_full(tmp_path: Path) -> None:
    lines = [[(f"k{n}", "5511987654321", "=1+1", "accepted", "-4", "", "Vivo", "", "", "1")] for n in range(5)]
    target = tmp_path / "out.xlsx"
    with target.open("w+b") as file:
        formats.write_xlsx(lines, file, tmp_path, sheet_rows=3)
    book = CalamineWorkbook.from_path(str(target))
    sheets = [book.get_sheet_by_index(n).to_python() for n in range(len(book.sheet_names))]
    assert [len(sheet) for sheet in sheets] == [3, 3, 2]
    assert [sheet[0] for sheet in sheets] == [COLUMNS] * 3
    assert [row[0] for sheet in sheets for row in sheet[1:]] == [f"k{n}" for n in range(5)]
    assert all(isinstance(cell, str) for sheet in sheets for row in sheet for cell in row)
    assert sheets[0][1][1:3] == ["5511987654321", "=1+1"]


def test_the_excel_file_is_sent_whole(services: Services, signed_in: SignIn, tmp_path: Path) -> None:
    campaign = world.launched(services.db, 3)
    answer = signed_in("admin").get(f"/reports/campaigns/{campaign.id}/export.xlsx")
    (tmp_path / "got.xlsx").write_bytes(answer.data)
    sheet = CalamineWorkbook.from_path(str(tmp_path / "got.xlsx")).get_sheet_by_index(0).to_python()
    assert len(sheet) == 4


@given(st.text(max_size=30))
def test_no_text_starts_like_a_formula(text: str) -> None:
    kept = safe(text)
    assert not kept.startswith(("=", "+", "-", "@", "\t", "\r", "\x00"))
    assert kept.removeprefix("'") == text or kept == text


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=10, max_size=10))
def test_whatever_a_name_holds_the_table_keeps_its_shape(cells: list[str]) -> None:
    content = b"".join(formats.csv_pieces([[tuple(cells)]]))
    read = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert read[1] == cells


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+55", "-2+3", "@SUM(A1)"])
def test_a_name_that_would_run_is_written_as_text(services: Services, signed_in: SignIn, name: str) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA)])
    world.named(services.db, {ANA: name})
    browser = signed_in("marketing")
    for url in (f"/reports/campaigns/{campaign.id}/export", "/messages/export?format=csv"):
        assert table(browser.get(url).data)[0]["name"] == "'" + name


def test_the_browsers_file_has_the_rows_of_its_filters(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 4)
    first, second, *_ = world.keys(services.db, campaign)
    world.heard(services.db, first, "1")
    world.heard(services.db, second, "9")
    world.outside(services.db, CARLA)
    browser = signed_in("marketing")
    assert len(table(browser.get("/messages/export").data)) == 5
    rows = table(browser.get("/messages/export?status=failed&number=0001").data)
    assert [(row["state"], row["status"], row["number"]) for row in rows] == [("accepted", "9", str(world.FIRST + 1))]
    with services.db.reading() as session:
        views = session.scalars(select(Audit.detail).where(Audit.action == "messages.export")).all()
    assert views[-1]["view"] == {"status": "failed"}, "no digits of a number in the trail"


def test_who_may_not_export_gets_no_file(services: Services, signed_in: SignIn) -> None:
    campaign = world.launched(services.db, 1)
    browser = signed_in("support")
    for url in (f"/reports/campaigns/{campaign.id}/export", "/messages/export"):
        assert browser.get(url).status_code == 403
    assert "export" not in browser.get("/messages").text


def test_the_command_refuses_what_it_can_not_do(services: Services, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="csv or xlsx"):
        commands.export(services, 1, "pdf", tmp_path / "x")
    with pytest.raises(UserError, match="no launched campaign"):
        commands.export(services, 99, "csv", tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


def test_any_language_quote_and_line_break_in_a_name_comes_out_as_it_went_in(
    services: Services, tmp_path: Path
) -> None:
    names = {ANA: 'Ana "A"; Souza\r\nSegunda linha', BRUNO: "نور 👩‍👩‍👧 \u202eonurb", CARLA: "=1+1;'x"}
    campaign = world.launched(services.db, [NewMessage(number) for number in names])
    world.named(services.db, names)
    world.heard(services.db, world.keys(services.db, campaign)[0], "1", carrier='=cmd|" /C calc"!A0')
    for format in files_of(services, campaign.id, tmp_path):
        rows = read(format)
        assert [row["name"] for row in rows] == [names[ANA], names[BRUNO], "'" + names[CARLA]]
        assert rows[0]["carrier"] == '\'=cmd|" /C calc"!A0'


def files_of(services: Services, campaign_id: int, folder: Path) -> list[Path]:
    for format in ("csv", "xlsx"):
        commands.export(services, campaign_id, format, folder / f"out.{format}")
    return [folder / "out.csv", folder / "out.xlsx"]


def read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".csv":
        return table(path.read_bytes())
    header, *rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_newest_list_with_a_name_names_a_person(services: Services, tmp_path: Path) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA), NewMessage(BRUNO)])
    for list_name, names in (("um", {ANA: "Ana"}), ("dois", {ANA: "Ana Souza"}), ("três", {ANA: ""})):
        world.named(services.db, names, list_name)
    commands.export(services, campaign.id, "csv", tmp_path / "x.csv")
    assert [row["name"] for row in read(tmp_path / "x.csv")] == ["Ana Souza", ""]


def test_who_was_erased_is_a_row_without_number_and_name(services: Services, tmp_path: Path) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA)])
    with services.db.writing() as session:
        session.execute(update(Message).values(number=-Message.id))
    commands.export(services, campaign.id, "csv", tmp_path / "x.csv")
    row = read(tmp_path / "x.csv")[0]
    assert (row["number"], row["name"], row["state"]) == ("", "", "queued")


def test_a_deleted_list_takes_the_names_and_nothing_else(services: Services, tmp_path: Path) -> None:
    campaign = world.launched(services.db, [NewMessage(ANA)])
    world.named(services.db, {ANA: "Ana"})
    with services.db.writing() as session:
        session.execute(delete(Contact))
    commands.export(services, campaign.id, "csv", tmp_path / "x.csv")
    assert [(row["number"], row["name"]) for row in read(tmp_path / "x.csv")] == [(str(ANA), "")]


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["America/Sao_Paulo", "America/Noronha", "America/Rio_Branco", "Asia/Kathmandu", "UTC"]),
)
def test_a_moment_is_told_as_clocks_in_the_readers_zone_showed_it(moment: datetime, zone: str) -> None:
    told = lines._moment(moment.isoformat(" ")[:16], ZoneInfo(zone))
    assert told == clock.aware(moment).astimezone(ZoneInfo(zone)).strftime("%d/%m/%Y %H:%M")


def test_the_command_tells_how_far_it_is(services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "CHUNK", 7)
    campaign = world.launched(services.db, 20)
    heard: list[tuple[int, int]] = []
    commands.export(services, campaign.id, "csv", tmp_path / "x", lambda rows, total: heard.append((rows, total)))
    assert heard == [(0, 20), (7, 20), (14, 20), (20, 20)]


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_full_disk_leaves_the_file_that_was_there(services: Services, tmp_path: Path, format: str) -> None:
    campaign = world.launched(services.db, 300)
    target = tmp_path / "out" / f"out.{format}"
    target.parent.mkdir()
    target.write_text("what was there")
    with world.small_disk(5000), pytest.raises(OSError):
        commands.export(services, campaign.id, format, target)
    assert target.read_text() == "what was there"
    assert list(target.parent.iterdir()) == [target]


def test_a_pipe_gets_the_file_too(services: Services, tmp_path: Path) -> None:
    campaign = world.launched(services.db, 2)
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit((tmp_path / "pipe").read_bytes)
        commands.export(services, campaign.id, "csv", tmp_path / "pipe")
        assert len(table(got.result(5))) == 2


def test_a_workbook_for_who_waits_is_made_in_a_process_of_its_own(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(apart, "SMALL", 2)
    campaign = world.launched(services.db, 3)
    answer = signed_in("admin").get(f"/reports/campaigns/{campaign.id}/export.xlsx")
    (tmp_path / "got.xlsx").write_bytes(answer.data)
    assert len(read(tmp_path / "got.xlsx")) == 3


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = files.write([], "csv", tmp_path, files.nothing)
    assert made.stat().st_mode & 0o777 == 0o600

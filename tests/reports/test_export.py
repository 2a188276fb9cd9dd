"""Files: everybody of a campaign once, as Brazilian spreadsheets read them, and nothing that a spreadsheet would run."""

import csv
import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from tests.conftest import SignIn
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from webapp.accounts.models import Audit
from webapp.core.csvfile import safe
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.messages.outbox import NewMessage
from webapp.reports import commands, export

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
    monkeypatch.setattr(export, "CHUNK", 7)
    campaign = world.launched(services.db, 50)
    target = tmp_path / "out.csv"
    assert commands.export(services, campaign.id, "csv", target) == 50
    numbers = [row["number"] for row in table(target.read_bytes())]
    assert numbers == [str(world.FIRST + n) for n in range(50)]


def test_excel_gets_text_cells_and_a_further_sheet_where_one_is_full(tmp_path: Path) -> None:
    lines = [[(f"k{n}", "5511987654321", "=1+1", "accepted", "-4", "", "Vivo", "", "", "1")] for n in range(5)]
    target = tmp_path / "out.xlsx"
    export.write_xlsx(lines, target, sheet_rows=3)
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
    content = b"".join(export.as_csv([[tuple(cells)]]))
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
    assert not (tmp_path / "x").exists()

"""One file through the command's way, which is the worker's: what is counted, kept and refused."""

import csv
import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from tests import make
from webapp.contacts import service, work
from webapp.contacts.commands import run_import_command
from webapp.contacts.models import Contact, ContactList, Import, ImportFault, ListField
from webapp.core import phone
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.optouts import service as optouts

USUAL = "Nome;Celular;Cidade\nAna;11987654321;Santos\nBruno;(21) 99876-5432;Niterói\nCarla;+55 31 98765-1234;\n"


def bring(services: Services, content: bytes | str, name: str = "Clientes", **more: Any) -> dict[str, Any]:
    """Import a file of that content; the result of the command."""
    path = services.settings.instance.parent / "list.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return run_import_command(services.db, services.settings, path, name, **more)


def people(services: Services, name: str = "Clientes") -> list[Contact]:
    with services.db.reading() as session:
        wanted = select(Contact).join(ContactList).where(ContactList.name == name).order_by(Contact.id)
        return list(session.scalars(wanted))


def counts(result: dict[str, Any]) -> tuple[int, int, int, int, int]:
    found = tuple(result[key] for key in ("rows", "imported", "duplicates", "rejected", "suppressed"))
    assert found[0] == sum(found[1:])
    return found


def test_a_usual_list_comes_in_with_its_fields(services: Services) -> None:
    result = bring(services, USUAL, basis="consent", source="shop", consent_date=date(2026, 1, 2))
    assert counts(result) == (3, 3, 0, 0, 0)
    assert (result["list"], result["errors_file"], len(result)) == ("Clientes", None, 7)
    ana, bruno, carla = people(services)
    assert (ana.number, ana.name, ana.fields) == (make.ANA, "Ana", {"cidade": "Santos"})
    assert (bruno.number, bruno.fields) == (make.BRUNO, {"cidade": "Niterói"})
    assert (carla.number, carla.fields) == (make.CARLA, {})
    with services.db.reading() as session:
        (brought,) = session.scalars(select(Import))
        assert (brought.basis, brought.source, brought.consent_date) == ("consent", "shop", date(2026, 1, 2))
        assert ana.import_id == brought.id
        fields = session.scalars(select(ListField).order_by(ListField.position)).all()
        assert [(field.key, field.kind) for field in fields] == [
            ("nome", "name"), ("celular", "phone"), ("cidade", "text"),
        ]  # fmt: skip
        values = service.values_of(ana, fields)
        assert values == {"nome": "Ana", "name": "Ana", "celular": "+55 11 98765-4321", "cidade": "Santos"}
        assert session.scalar(select(ContactList.size)) == 3
    assert not list((services.settings.instance / "uploads").iterdir())


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_delimiter_encoding_and_line_end_is_read(
    services: Services, delimiter: str, encoding: str, end: str
) -> None:
    text = USUAL.replace(";", delimiter).replace("\n", end)
    assert counts(bring(services, text.encode(encoding))) == (3, 3, 0, 0, 0)
    assert people(services)[1].fields == {"cidade": "Niterói"}


def test_every_row_is_in_exactly_one_count(services: Services) -> None:
    with services.db.writing() as session:
        optouts.add(session, make.BRUNO, origin="reply", reason="SAIR")
    text = (
        "telefone,nome\n11987654321,Ana\n\n,,\n+55 11 98765-4321,Ana de novo\n21998765432,Bruno\n"
        "1134567890,Fixo\n1187651111,Antigo\n5,nada\n5.51E+12,Excel\n"
    )
    result = bring(services, text)
    assert counts(result) == (7, 3, 1, 2, 1)
    with services.db.reading() as session:
        (brought,) = session.scalars(select(Import))
        assert (brought.landlines, brought.created) == (1, 3)
        assert brought.repaired["ninth_digit"] == 1
        wrong = session.scalars(select(ImportFault).order_by(ImportFault.line)).all()
        assert [(fault.line, fault.value, fault.reason) for fault in wrong] == [
            (5, "+55 11 98765-4321", "duplicate"),
            (9, "5", "short"),
            (10, "5.51E+12", "scientific"),
        ]
    assert [person.kind for person in people(services)] == ["mobile", "mobile", "landline", "mobile"]


def test_wrong_rows_are_written_with_line_reason_and_cure(services: Services) -> None:
    result = bring(services, "Nome;Celular\n=HYPERLINK(1);123\nAna;11987654321\n")
    raw = Path(result["errors_file"]).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    header, row = csv.reader(io.StringIO(raw.decode("utf-8-sig")), delimiter=";")
    assert header[:4] == ["Linha", "Coluna", "Valor", "Motivo"]
    assert row[:3] == ["2", "Celular", "123"]
    assert row[3]
    assert row[4]
    assert row[5:] == ["'=HYPERLINK(1)", "123"]


def test_importing_again_updates_fields_and_revives_no_opt_out(services: Services) -> None:
    bring(services, USUAL)
    with services.db.writing() as session:
        optouts.add(session, make.ANA, origin="reply", reason="SAIR")
    again = "Celular;Nome;Cidade;Plano\n11987654321;Ana Souza;Recife;A\n21998765432;;;B\n48991112222;Davi;;\n"
    assert counts(bring(services, again)) == (3, 2, 0, 0, 1)
    ana, bruno, _, davi = people(services)
    assert (ana.name, ana.fields) == ("Ana Souza", {"cidade": "Recife", "plano": "A"})
    assert (bruno.name, bruno.fields) == ("Bruno", {"cidade": "Niterói", "plano": "B"})
    assert davi.name == "Davi"
    with services.db.reading() as session:
        assert session.scalar(select(ContactList.size)) == 4
        latest = session.scalars(select(Import).order_by(Import.id.desc())).first()
        assert latest is not None
        assert latest.created == 1


def test_a_list_without_header_is_read_by_its_content(services: Services) -> None:
    assert counts(bring(services, "11987654321;Ana Souza\n21998765432;Bruno Lima\n")) == (2, 2, 0, 0, 0)
    assert [person.name for person in people(services)] == ["Ana Souza", "Bruno Lima"]


def test_a_single_column_of_numbers_is_a_list(services: Services) -> None:
    assert counts(bring(services, "11987654321\n21998765432\n")) == (2, 2, 0, 0, 0)


def test_area_code_and_number_in_two_columns_are_joined(services: Services) -> None:
    bring(services, "Nome;DDD;Telefone\nAna;11;98765-4321\nBruno;021;99876-5432\n")
    assert [person.number for person in people(services)] == [make.ANA, make.BRUNO]


def test_the_column_of_phones_wins_over_one_that_is_only_called_so(services: Services) -> None:
    text = "Número;Cliente;Contato\n10;Ana;11987654321\n22;Bruno;21998765432\n"
    assert counts(bring(services, text)) == (2, 2, 0, 0, 0)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_stray_quotation_mark_swallows_nobody(services: Services, line_end: str) -> None:
    rows = [f"Pessoa {n};1198765{n:04}" for n in range(3000)]
    rows[10] = '"Ana "Bia" Souza;11987650010'
    rows[2000] = '"Polegadas 5;11987652000'
    assert counts(bring(services, "Nome;Celular\n" + line_end.join(rows))) == (3000, 3000, 0, 0, 0)
    assert people(services)[2000].name == "Polegadas 5"


def test_a_value_with_a_line_break_stays_one_row(services: Services) -> None:
    text = 'Nome;Celular;Endereço\n"Ana";11987654321;"Rua A, 1\nFundos"\nBruno;21998765432;x\n'
    assert counts(bring(services, text)) == (2, 2, 0, 0, 0)
    assert people(services)[0].fields == {"endereco": "Rua A, 1\nFundos"}


def test_two_encodings_glued_into_one_file_are_both_read(services: Services) -> None:
    raw = "Nome;Celular\nJoão;11987654321\nÉrica;48987654321\nÂngela;48987654322\nÍris;48987654323\n".encode() * 2
    raw += "José;21998765432\n".encode("cp1252")
    bring(services, raw)
    assert {"João", "José"} <= {person.name for person in people(services)}


def test_an_excel_hint_of_its_separator_is_followed_and_no_row(services: Services) -> None:
    assert counts(bring(services, "sep=,\nNome,Celular\nAna,11987654321\n")) == (1, 1, 0, 0, 0)


def test_a_line_without_end_is_one_wrong_row(services: Services) -> None:
    text = "Nome;Celular\nAna;11987654321\n" + "x" * 3_000_000 + "\nBruno;21998765432\n"
    result = bring(services, text)
    assert counts(result) == (3, 2, 0, 1, 0)
    assert "1,000,000" not in result["errors_file"]
    with services.db.reading() as session:
        assert session.scalars(select(ImportFault.reason)).all() == ["line_too_long"]


def test_nul_bytes_are_left_out(services: Services) -> None:
    assert counts(bring(services, b"Nome;Celular\nA\0na;11\x00987654321\n")) == (1, 1, 0, 0, 0)
    assert people(services)[0].name == "Ana"


def test_a_row_with_more_values_than_columns_is_wrong_and_blank_ends_are_not(services: Services) -> None:
    result = bring(services, "Nome;Celular\nAna;11987654321;;\nCarla;31987651234\nBruno;21998765432;;x\n")
    assert counts(result) == (3, 2, 0, 1, 0)


def _xlsx(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    book.add_worksheet("Capa")
    sheet = book.add_worksheet("Clientes")
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    sheet.write_row(0, 0, ["Nome", "Celular", "Vencimento", "Valor"])
    sheet.write_row(1, 0, ["Ana", 11987654321])
    sheet.write_datetime(1, 2, datetime(2026, 3, 1), day)
    sheet.write_number(1, 3, 12.5)
    sheet.write_row(3, 0, ["Linha quatro\nquebrada", "11 9"])
    book.close()


def test_a_spreadsheet_is_read_with_whole_numbers_and_dates(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    _xlsx(path)
    result = run_import_command(services.db, services.settings, path, "Planilha")
    assert counts(result) == (2, 1, 0, 1, 0)
    (ana,) = people(services, "Planilha")
    assert (ana.number, ana.fields) == (make.ANA, {"vencimento": "01/03/2026", "valor": "12,5"})
    with services.db.reading() as session:
        assert session.scalars(select(ImportFault.line)).all() == [4]


def test_formulas_count_by_their_results_and_merged_cells_by_their_first(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Nome", "Celular", "Loja"])
        sheet.write_row(1, 0, ["Ana", 11987654321])
        sheet.write_formula(2, 0, '="Bru"&"no"', None, "Bruno")
        sheet.write_formula(2, 1, "=21900000000+98765432", None, 21998765432)
        sheet.write_row(3, 0, ["Carla"])
        sheet.write_formula(3, 1, "=A99", None, "#N/A")
        sheet.write_row(4, 0, ["Davi"])
        sheet.write_formula(4, 1, "=1/0")  # whoever wrote the file never worked it out
        sheet.merge_range(1, 2, 3, 2, "Centro")
    assert counts(run_import_command(services.db, services.settings, path, "Planilha")) == (4, 2, 0, 2, 0)
    ana, bruno = people(services, "Planilha")
    assert (ana.number, ana.fields) == (make.ANA, {"loja": "Centro"})
    assert (bruno.number, bruno.name, bruno.fields) == (make.BRUNO, "Bruno", {})
    with services.db.reading() as session:
        assert session.execute(select(ImportFault.line, ImportFault.reason)).all() == [(4, "empty"), (5, "empty")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n\r\n  ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"Nome;Celular\n", "no rows below"),
        (b"%PDF-1.7\n1 0 obj", "looks like PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "looks like PNG"),
        (b"\xff\xd8\xff\xe0 JFIF", "looks like JPEG"),
        (b"PK\x03\x04 not really a workbook", "damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "damaged"),
        (bytes(range(256)) * 50, "no table"),
        (b"<!DOCTYPE html><p>11987654321", "web page"),
        ((";".join(f"c{n}" for n in range(20_000)) + "\n1;2\n").encode(), "20000 columns"),
        ((";".join(f"c{n}" for n in range(1_000_000)) + "\n1;2\n").encode(), "longer than a million"),
        (b"a,b\nfoo,bar\nbaz,qux\n", "No column with phone numbers"),
    ],
)
def test_what_is_no_list_is_refused_with_a_sentence_and_leaves_nothing(
    services: Services, content: bytes, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        bring(services, content)
    uploads = services.settings.instance / "uploads"
    assert not uploads.exists() or not list(uploads.iterdir())
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(ContactList)) == 0


def test_the_same_file_twice_doubles_nobody(services: Services) -> None:
    bring(services, USUAL)
    assert counts(bring(services, USUAL)) == (3, 3, 0, 0, 0)
    assert len(people(services)) == 3


def test_who_is_added_by_hand_where_somebody_was_removed_stops_no_import(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is as big as the import left it, and yet not only its own: found out by the database alone."""
    monkeypatch.setattr(work, "CHUNK", 3)
    numbers = [make.ANA + place for place in range(6)]
    done: list[bool] = []

    def between_two_chunks(_session: Session) -> None:
        found = [person for person in people(services) if not done]
        if len(found) == 3:
            done.append(True)
            with services.db.writing() as session:
                service.remove_person(session, found[0].list_id, found[0].id)
                service.add_person(session, found[0].list_id, phone.Parsed(numbers[4], "mobile"), "À mão", {})

    event.listen(Session, "after_commit", between_two_chunks)
    try:
        rows = "".join(f"P{place};{number}\n" for place, number in enumerate(numbers))
        assert counts(bring(services, "Nome;Celular\n" + rows)) == (6, 6, 0, 0, 0)
    finally:
        event.remove(Session, "after_commit", between_two_chunks)
    assert done
    assert {person.number: person.name for person in people(services)} == {
        number: f"P{place}" for place, number in enumerate(numbers) if place
    }
    with services.db.reading() as session:
        assert session.scalars(select(Import.created)).one() == 5
        assert service.list_named(session, "Clientes").size == 5


def test_a_list_needs_a_name(services: Services) -> None:
    with pytest.raises(UserError, match="name"):
        bring(services, USUAL, name="  ")


def test_consent_needs_a_known_basis_and_a_past_date(services: Services) -> None:
    with pytest.raises(UserError, match="still to come"):
        bring(services, USUAL, basis="contract", consent_date=date(2999, 1, 1))
    with pytest.raises(UserError, match="why you may"):
        bring(services, USUAL, basis="because")


lines = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"11987654321;Ana", b"21998765432;Bruno", b"1134567890;x", b'"', b"\xe7;\xe3", b";;;", b""]),
        st.integers(10**9, 10**11).map(lambda n: str(n).encode()),
    ),
    max_size=30,
)


@given(lines, st.sampled_from([b"\n", b"\r\n", b"\r", b"\0\n"]))
@property_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_bytes_make_the_reader_lose_count(services: Services, rows: list[bytes], end: bytes) -> None:
    with services.db.writing() as session:
        optouts.add(session, make.BRUNO, origin="reply", reason="SAIR")
    try:
        counts(bring(services, b"celular;nome" + end + end.join(rows)))
    except UserError as refused:
        assert refused.msgid

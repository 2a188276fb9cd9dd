"""What people really upload: each is read, or refused with a sentence that says what to do, by page and by command."""

import io
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from flask.testing import FlaskClient

from tests.conftest import SignIn
from tests.contacts import steps
from webapp.contacts import sheets, sniffing, uploads, work
from webapp.contacts.columns import Mapping
from webapp.contacts.commands import run_import_command
from webapp.contacts.models import ListField
from webapp.contacts.reading import Shape, Table, batch
from webapp.core.errors import UserError
from webapp.core.web import Services

PEOPLE = "Nome;Celular\nAna;11987654321\nBruno;21998765432\n"
CARDS = (
    "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Souza;Jo=C3=A3o;;;\r\n"
    "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Jo=C3=A3o Sou=\r\nza\r\nTEL;HOME:1133334444\r\nTEL;CELL:+55 11 98765-4321\r\n"
    "END:VCARD\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bruno\\, o\r\n  Bom\r\nitem1.TEL;TYPE=CELL:21998765432\r\nEND:VCARD\r\n"
)
WEB_TABLE = "\ufeff <html><style>td{}</style><table><tr><th>Nome<th>Celular</tr><tr><td>Ana &amp;<br>Cia</td><td>11987654321</td></tr></table>"
XML_2003 = (
    '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook><Worksheet><Table><Row><Cell><Data ss:Type="String">Nome'
    '</Data></Cell><Cell ss:Index="3"><Data ss:Type="String">Celular</Data></Cell></Row><Row><Cell><Data>Ana</Data></Cell>'
    '<Cell ss:Index="3"><Data ss:Type="Number">11987654321</Data></Cell></Row></Table></Worksheet></Workbook>'
)


def zipped(**files: bytes | str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return raw.getvalue()


def workbook(*cells: tuple[int, int, object], hidden_first: bool = False) -> bytes:
    raw = io.BytesIO()
    with xlsxwriter.Workbook(raw) as book:
        if hidden_first:
            book.add_worksheet("Capa").write(0, 0, "Relatório de clientes")
            secret = book.add_worksheet("Oculta")
            secret.write(0, 0, "11911111111")
            secret.hide()
        sheet = book.add_worksheet("Lista")
        for row, column, value in cells:
            sheet.write(row, column, value)
    return raw.getvalue()


USUAL_CELLS = ((0, 0, "Nome"), (0, 1, "Celular"), (1, 0, "Ana"), (1, 1, 11987654321))
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
ODS = zipped(
    mimetype="application/vnd.oasis.opendocument.spreadsheet",
    **{
        "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    },
    content_dot_xml='<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
    '<office:body><office:spreadsheet><table:table table:name="a"><table:table-row><table:table-cell office:value-type="string">'
    '<text:p>Nome</text:p></table:table-cell><table:table-cell office:value-type="string"><text:p>Celular</text:p></table:table-cell>'
    '</table:table-row><table:table-row><table:table-cell office:value-type="string"><text:p>Ana</text:p></table:table-cell>'
    '<table:table-cell office:value-type="float" office:value="11987654321"><text:p>1,19877E+10</text:p></table:table-cell>'
    "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>",
)

REFUSED = [
    ("only the hint of Excel", "sep=;\n", "vazio"),
    ("only separators", ";;;\n;;;\n", "vazio"),
    ("only a mark of UTF-16", "\ufeff\r\n".encode("utf-16-le"), "vazio"),
    ("only zeros", bytes(3000), "vazio"),
    ("json", '[{"nome":"Ana","celular":"11987654321"}]', "JSON"),
    ("xml", '<?xml version="1.0"?><c><tel>11987654321</tel></c>', "XML"),
    ("sql", "INSERT INTO c VALUES ('Ana','11987654321');\n", "banco de dados"),
    ("a conversation", "12/03/2026 10:05 - +55 21 99876-5432 entrou\n", "conversa do WhatsApp"),
    ("a web page without a table", "<html><p>11987654321", "sem tabela"),
    ("docx", zipped(word__document_dot_xml="<x/>"), "parece Word"),
    ("pptx", zipped(ppt__presentation_dot_xml="<x/>"), "parece PowerPoint"),
    ("Numbers", zipped(Index__Document_dot_iwa="x"), "Numbers"),
    ("zip", zipped(clientes_dot_csv=PEOPLE), "Descompacte"),
    ("an empty zip", zipped(), "Descompacte"),
    ("doc", OLE + "WordDocument".encode("utf-16-le"), "parece Word"),
    ("locked", OLE + "EncryptedPackage".encode("utf-16-le"), "tem senha"),
    ("damaged", OLE, "danificada"),
    ("an empty workbook", workbook(), "vazio"),
    ("corners", workbook((0, 0, "Celular"), (1, 0, 11987654321), (1048575, 16383, "x")), "maior do que podemos"),
    ("a bomb", zipped(xl__a=bytes(60_000_000)), "maior do que podemos"),
    ("only a header", workbook((0, 0, "Nome"), (0, 1, "Celular")), "nenhuma linha abaixo"),
    ("no phones", "Nome;Cidade\nAna;Santos\n", "Nenhuma coluna com telefones"),
]  # fmt: skip
READ = [
    ("address book", CARDS, ["João Souza", "Bruno, o Bom"], [5511987654321, 5521998765432]),
    ("web table", WEB_TABLE, ["Ana & Cia"], [5511987654321]),
    ("web table in UTF-16", WEB_TABLE.encode("utf-16"), ["Ana & Cia"], [5511987654321]),
    ("XML of Excel 2003", XML_2003, ["Ana"], [5511987654321]),
    ("xlsx", workbook(*USUAL_CELLS), ["Ana"], [5511987654321]),
    ("cover and hidden sheet", workbook(*USUAL_CELLS, hidden_first=True), ["Ana"], [5511987654321]),
    ("ods", ODS, ["Ana"], [5511987654321]),
    ("title above", "Relatório de clientes;;\n;;\n" + PEOPLE, ["Ana", "Bruno"], [5511987654321, 5521998765432]),
    ("title without separator", "Relatório, 01/10\n\n" + PEOPLE, ["Ana", "Bruno"], [5511987654321, 5521998765432]),
    ("lines in quotation marks", '"Nome,Celular"\n"Ana,11987654321"\n', ["Ana"], [5511987654321]),
    ("Mac Roman", "Nome;Celular\nJoão;11987654321\n".encode("mac-roman"), ["João"], [5511987654321]),
    ("MS-DOS", "Nome;Celular\nJoão;11987654321\n".encode("cp850"), ["João"], [5511987654321]),
    ("a mark amid the file", "Nome;Celular\n\ufeffAna;11987654321\n", ["Ana"], [5511987654321]),
    ("mobile beside landline", "Nome;Telefone;Celular\nAna;1133334444;11987654321\n", ["Ana"], [5511987654321]),
    ("area code in brackets", "Nome;DDD;Celular\nAna;(11);98765-4321\n", ["Ana"], [5511987654321]),
    ("names twice", "Nome;Celular;NOME\nAna;11987654321;x\n", ["Ana"], [5511987654321]),
    ("Google Sheets", 'Nome,Celular\r\n"Souza, Ana",11987654321', ["Souza, Ana"], [5511987654321]),
    ("blank rows between", "Nome;Celular\n\n;\nAna;11987654321\n;\n", ["Ana"], [5511987654321]),
]  # fmt: skip


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def _raw(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize(("content", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_no_list_says_what_to_do(
    client: FlaskClient, services: Services, tmp_path: Path, content: str | bytes, says: str
) -> None:
    answer = steps.upload(client, content, "../../lista 😀.csv")
    page = client.get(answer.location).text if answer.status_code == 303 else answer.text
    if "O que há nas colunas?" in page:
        page = client.post(f"{answer.location}/columns").text
    assert says in page
    path = tmp_path / "a.xlsx"
    path.write_bytes(_raw(content))
    with pytest.raises(UserError):
        run_import_command(services.db, services.settings, path, "Clientes")
    kept = list((services.settings.instance / uploads.FOLDER).iterdir())
    assert len(kept) <= ("Nenhuma" in says)


@pytest.mark.parametrize(("content", "names", "numbers"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_what_is_a_list_at_heart_is_read(
    client: FlaskClient, services: Services, tmp_path: Path, content: str | bytes, names: list[str], numbers: list[int]
) -> None:
    steps.bring_in(client, _raw(content))
    path = tmp_path / "a.csv"
    path.write_bytes(_raw(content))
    run_import_command(services.db, services.settings, path, "Outra")
    for name in ("Clientes", "Outra"):
        found = steps.people(services, name)
        assert ([one.name for one in found], [one.number for one in found]) == (names, numbers)
    assert steps.the_import(services).rejected == 0


def test_the_sheet_that_was_read_and_the_lines_left_out_are_said(client: FlaskClient) -> None:
    where = steps.upload(client, workbook(*USUAL_CELLS, hidden_first=True), "a.xlsx").location
    assert "a.xlsx · Lista" in client.get(where).text
    where = steps.upload(client, "Relatório;\n\n" + PEOPLE).location
    assert "estão na linha 3" in client.get(where).text
    client.post(f"{where}/shape", data={"encoding": "utf-8", "delimiter": ";", "has_header": "0"})
    assert "ficou de fora" not in client.get(where).text


def test_numbers_pasted_side_by_side_are_so_many_people(client: FlaskClient, services: Services) -> None:
    where = client.post("/contacts/import", data={"pasted": "11987654321; 21998765432; 31987651234;"}).location
    client.post(f"{where}/columns")
    assert steps.the_import(services).checked["imported"] == 3


def test_a_person_changes_the_type_of_a_field_and_it_is_remembered(client: FlaskClient, services: Services) -> None:
    text = "Nome;Celular;Pedido\nAna;11987654321;01/09/2026\nBruno;21998765432;2026-11-02\n"
    steps.bring_in(client, text)
    assert _kind(services) == "date"
    where = steps.upload(client, text).location
    client.post(f"{where}/columns", data={"kind-2": "text"})
    client.post(f"{where}/confirm", data=steps.CONSENT)
    assert _kind(services) == "text"
    where = steps.upload(client, text).location
    assert '<option value="text" selected>' in client.get(where).text
    client.post(f"{where}/columns", data={"kind-2": "odd", "kind-x": "date"})
    assert steps.the_import(services).mapping["columns"][2]["kind"] == "text"


def _kind(services: Services) -> str:
    with services.db.reading() as session:
        return session.query(ListField).filter_by(key="pedido").one().kind


def test_what_was_above_the_limit_is_refused_with_a_page(client: FlaskClient, services: Services) -> None:
    client.application.config["MAX_CONTENT_LENGTH"] = 1000
    answer = steps.upload(client, "x" * 2000)
    assert answer.status_code == 413
    assert "arquivo" in answer.text


def test_a_workbook_meets_a_full_disk_and_the_worker_goes_on(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "_unpack", lambda *_: (0, '{"refused": "disk"}'))
    where = steps.upload(client, workbook(*USUAL_CELLS), "a.xlsx").location
    assert "O disco do servidor está cheio" in client.get(where).text


def test_a_worker_overtaken_while_it_read_a_workbook_harms_nothing(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, workbook(*USUAL_CELLS), "a.xlsx").location
    with services.db.reading() as session:
        slow = uploads.the_import(session, steps.the_import(services).id)
    slow.state, slow.path = "reading", slow.path.replace(".csv", ".sheet")
    work._fail(services.db, services.settings.instance, slow, "gone", {})
    client.post(f"{where}/columns")
    assert steps.the_import(services).checked["imported"] == 1


WIDE = "Ana;11987654321" + ";" * 900_000 + "\n"


@pytest.mark.parametrize("line", [WIDE, "A" * 900_000 + ";11987654321\n"], ids=["blank cells", "a long cell"])
def test_lines_of_a_million_characters_do_not_add_up_in_memory(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nome;Celular\n" + line * 12)
    shape = sniffing.sniff_csv(path)
    assert (shape.width, shape.has_header) == (2, True)
    table = Table(path, shape)
    assert max(len("".join(cells)) + len(cells) for _, cells in table) < 10_000


def test_a_quotation_mark_that_is_opened_again_and_again_makes_no_endless_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nome;Celular\n" + 'x";"x\n' * 5000)
    rows = list(Table(path, Shape("utf-8", ";", True, 2)))
    assert len(rows) >= 5000
    table = Table(path, Shape("utf-8", ";", True, 2))
    assert len(batch(iter(table), table, 150)) == 150


def test_a_title_is_told_from_a_header_and_from_people(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for text, skip in (
        ("Tel;(11) 98765-4321\nNome;Celular;x\nAna;11987654321;1\n", 0),  # a phone above: nothing is left out
        ("Nome;Celular;Cidade\nAna;11987654321;1\n", 0),
        ("Nome;Celular\nAna;ligar no celular;\nBia;11987654321;\n", 0),
        ("Vendas;;\nLoja Centro;;\n\nNome;DDD;Fone\nAna;11;98765-4321\n", 3),
    ):
        path.write_text(text)
        values = work.prepare(path, None)
        assert Mapping.from_json(values["mapping"]).skip == skip, text

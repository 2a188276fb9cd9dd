"""An import through its pages: upload, columns, check, consent, progress, result, undo."""

import re

import pytest
from flask.testing import FlaskClient

from tests.conftest import SignIn
from tests.contacts import steps
from webapp.accounts.models import Audit
from webapp.contacts import uploads
from webapp.core.web import Services
from webapp.optouts import service as optouts


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def test_a_file_goes_through_all_pages_into_a_list(client: FlaskClient, services: Services) -> None:
    answer = steps.upload(client, steps.USUAL.encode("cp1252"))
    assert answer.status_code == 303
    where = answer.location
    columns = client.get(where).text
    assert "Windows-1252" in columns
    assert "Niterói" in columns
    assert re.search(r'<option value="number" selected>', columns)
    assert client.post(f"{where}/columns").status_code == 303
    check = client.get(where).text
    assert "Importar 2 pessoas" in check
    assert "Faltam dígitos" in check
    assert client.post(f"{where}/confirm", data=steps.CONSENT).status_code == 303
    result = client.get(where).text
    assert "2 pessoas estão na lista" in result
    assert "Baixar CSV" in result
    assert [person.name for person in steps.people(services)] == ["Ana", "Bruno"]
    done = steps.the_import(services)
    assert (done.state, done.basis, done.source, str(done.consent_date)) == ("done", "consent", "loja", "2026-01-02")
    with services.db.reading() as session:
        actions = [row.action for row in session.query(Audit).order_by(Audit.id)]
    assert actions[-2:] == ["import.upload", "import.start"]


def test_pasted_cells_are_a_table_too(client: FlaskClient, services: Services) -> None:
    answer = client.post("/contacts/import", data={"pasted": "Nome\tCelular\r\nAna\t11987654321\r\n"})
    page = client.get(answer.location).text
    assert "Linhas coladas" in page
    assert '<option value="\t" selected>Tab</option>' in page


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "a.csv", "está vazio"),
        (b"%PDF-1.4", "a.csv", "parece PDF"),
        (b"\x89PNG\r\n\x1a\n123", "a.xlsx", "parece PNG"),
        (b"Nome;Celular\n", "a.csv", "nenhuma linha abaixo"),
    ],
)
def test_what_is_no_table_is_refused_on_the_page_with_what_to_do(
    client: FlaskClient, content: bytes, name: str, says: str
) -> None:
    answer = steps.upload(client, content, name)
    assert answer.status_code == 422
    assert says in answer.text


def test_nothing_chosen_is_said_so(client: FlaskClient) -> None:
    answer = client.post("/contacts/import", data={})
    assert answer.status_code == 422
    assert "Escolha um arquivo ou cole" in answer.text


def test_a_damaged_workbook_says_so_on_its_page(client: FlaskClient) -> None:
    where = steps.upload(client, b"PK\x03\x04 nothing", "a.xlsx").location
    page = client.get(where).text
    assert "A planilha está danificada" in page
    assert "Tentar outro arquivo" in page


def test_columns_can_be_changed_and_one_must_be_the_number(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, "A;B;C\n11987654321;21998765432;Ana\n").location
    none = client.post(f"{where}/columns", data=steps.roles(c0="field", c1="field", c2="name"))
    assert none.status_code == 422
    assert "Nenhuma coluna com telefones" in none.text
    two = client.post(f"{where}/columns", data=steps.roles(c0="number", c1="number"))
    assert two.status_code == 422
    assert "Só uma coluna" in two.text
    names = client.post(f"{where}/columns", data=steps.roles(c0="name", c1="number", c2="name"))
    assert names.status_code == 422
    assert client.post(f"{where}/columns", data=steps.roles(c0="skip", c1="number", c2="name")).status_code == 303
    client.post(f"{where}/confirm", data=steps.CONSENT)
    (ana,) = steps.people(services)
    assert (ana.number, ana.name, ana.fields) == (5521998765432, "Ana", {})


def test_the_way_the_file_is_read_can_be_changed(client: FlaskClient) -> None:
    where = steps.upload(client, "João;11987654321\nJosé;21998765432\n".encode("cp1252")).location
    wrong = client.post(f"{where}/shape", data={"encoding": "utf-16", "delimiter": ";", "has_header": "0"})
    assert wrong.status_code in (303, 422)
    right = client.post(f"{where}/shape", data={"encoding": "cp1252", "delimiter": ";", "has_header": "1"})
    assert right.status_code == 303
    page = client.get(where).text
    assert '<th scope="col">João</th>' in page
    odd = client.post(f"{where}/shape", data={"encoding": "rot13", "delimiter": ";", "has_header": "1"})
    assert odd.status_code == 422
    assert "Escolha outra" in odd.text


def test_a_name_is_missing_or_the_consent_says_too_little(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, steps.USUAL).location
    client.post(f"{where}/columns")
    unnamed = client.post(f"{where}/confirm", data={**steps.CONSENT, "list_name": ""})
    assert unnamed.status_code == 422
    unsaid = client.post(f"{where}/confirm", data={**steps.CONSENT, "source": " "})
    assert unsaid.status_code == 422
    assert "Diga onde o consentimento" in unsaid.text
    future = client.post(f"{where}/confirm", data={**steps.CONSENT, "consent_date": "2999-01-01"})
    assert "ainda não chegou" in future.text
    assert steps.the_import(services).state == "ready"


def test_two_clicks_on_confirm_import_once(client: FlaskClient, services: Services) -> None:
    where = steps.bring_in(client)
    again = client.post(f"{where}/confirm", data=steps.CONSENT)
    assert again.status_code == 422
    assert len(steps.people(services)) == 2


def test_one_can_go_back_to_the_columns_or_give_up(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, steps.USUAL).location
    client.post(f"{where}/columns")
    client.post(f"{where}/back")
    assert "O que há nas colunas?" in client.get(where).text
    client.post(f"{where}/discard")
    assert "Desistiram desta importação" in client.get(where).text
    assert not list((services.settings.instance / uploads.FOLDER).iterdir())


def test_an_import_can_be_undone_and_leaves_who_was_there_before(client: FlaskClient, services: Services) -> None:
    steps.bring_in(client, "Nome;Celular;Cidade\nAna;11987654321;Santos\n")
    where = steps.bring_in(client, "Nome;Celular;Cidade;Plano\nAna Nova;11987654321;;B\nBruno;21998765432;x;A\n")
    assert [person.name for person in steps.people(services)] == ["Ana Nova", "Bruno"]
    assert client.post(f"{where}/undo").status_code == 303
    (ana,) = steps.people(services)
    assert (ana.name, ana.name_key, ana.fields) == ("Ana", "ana", {"cidade": "Santos"})
    assert steps.size_of(services) == 1
    assert "Esta importação foi desfeita" in client.get(where).text
    assert client.post(f"{where}/undo").status_code == 422


def test_undoing_the_first_of_two_imports_keeps_who_is_in_the_second(client: FlaskClient, services: Services) -> None:
    first = steps.bring_in(client, "Nome;Celular\nAna;11987654321\nBruno;21998765432\n")
    second = steps.bring_in(client, "Nome;Celular\nAna;11987654321\n")
    client.post(f"{first}/undo")
    (ana,) = steps.people(services)
    assert (ana.name, steps.size_of(services)) == ("Ana", 1)
    client.post(f"{second}/undo")
    assert steps.people(services) == []
    assert steps.size_of(services) == 0


def test_who_opted_out_joins_but_is_counted_apart(client: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        optouts.add(session, 5511987654321, origin="reply", reason="SAIR")
    where = steps.upload(client, steps.USUAL).location
    client.post(f"{where}/columns")
    assert steps.the_import(services).checked["suppressed"] == 1
    client.post(f"{where}/confirm", data=steps.CONSENT)
    done = steps.the_import(services)
    assert (done.imported, done.suppressed, steps.size_of(services)) == (1, 1, 2)


def test_wrong_rows_come_as_csv_that_excel_reads_and_does_not_run(client: FlaskClient) -> None:
    where = steps.bring_in(client, "Nome;Celular\nAna;11987654321\n=1+1;+12\n")
    raw = client.get(f"{where}/errors.csv").data
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "3;Celular;'+12;este número do exterior não existe" in raw.decode("utf-8-sig")
    assert "'=1+1" in raw.decode()


def test_progress_is_a_live_box_while_a_worker_is_at_it(client: FlaskClient, services: Services) -> None:
    where = steps.upload(client, steps.USUAL).location
    found = steps.the_import(services)
    with services.db.writing() as session:
        row = uploads.the_import(session, found.id)
        row.state, row.rows, row.total_bytes, row.done_bytes = "importing", 500, 1000, 250
    box = client.get(f"{where}/progress")
    assert 'hx-trigger="every 1s"' in box.text
    assert "25% · 500 linhas" in box.text
    assert "HX-Redirect" not in box.headers
    assert "Importando" in client.get(where).text
    with services.db.writing() as session:
        uploads.the_import(session, found.id).state = "done"
    last = client.get(f"{where}/progress")
    assert "hx-trigger" not in last.text
    assert last.headers["HX-Redirect"] == where


def test_an_import_into_a_chosen_list_suggests_its_name(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services, "Alunos")
    where = steps.upload(client, steps.USUAL, list=list_id).location
    client.post(f"{where}/columns")
    assert 'value="Alunos"' in client.get(where).text


def test_an_unknown_import_is_not_found(client: FlaskClient) -> None:
    assert client.get("/contacts/import/77").status_code == 404
    assert client.post("/contacts/import/77/columns").status_code == 404


def test_support_sees_no_lists(signed_in: SignIn) -> None:
    support = signed_in("support")
    assert support.get("/contacts").status_code == 403
    assert support.get("/contacts/import").status_code == 403

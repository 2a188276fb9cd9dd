"""Wrong rows mended through the pages: a form a row, one reason at a time, and the downloaded file that comes back."""

import csv
import io
import re

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests import make
from tests.conftest import SignIn
from tests.contacts import steps
from tests.contacts.test_mend import FILE, counts, fault_at
from webapp.accounts.models import Audit
from webapp.contacts import again
from webapp.contacts.columns import Mapping
from webapp.core.csvfile import restored, reversible
from webapp.core.i18n import LOCALES, translate
from webapp.core.text import fold
from webapp.core.web import Services
from webapp.optouts import service as optouts

# ---------- the page ----------


@pytest.fixture
def client(signed_in: SignIn, services: Services) -> FlaskClient:
    return signed_in("marketing")


def links(page: str) -> list[str]:
    return re.findall(r'href="(/contacts/import/\d+/rows/\d+[^"]*)"', page)


def test_a_row_is_mended_in_the_page_without_any_script(client: FlaskClient, services: Services) -> None:
    where = steps.bring_in(client, FILE)
    page = client.get(where).text
    assert len(links(page)) == 3  # the repeated one needs nothing
    form = client.get(links(page)[0]).text
    assert 'value="Bruno"' in form
    assert re.search(r'name="cell-1"[^>]*aria-invalid="true"[^>]*autofocus[^>]*value="123"', form)
    still = client.post(links(page)[0], data={"cell-0": "Bruno <b>", "cell-1": "0800 123456", "cell-2": "Itu"})
    assert still.status_code == 422
    assert "Linha 3, ainda errada: isto é um número de serviço" in still.text
    assert 'value="Bruno &lt;b&gt;"' in still.text
    assert 'value="0800 123456"' in still.text
    saved = client.post(links(page)[0], data={"cell-0": "Bruno", "cell-1": "21998765432", "cell-2": "Itu"})
    assert saved.status_code == 303
    after = client.get(saved.location).text
    assert "A linha 3 entrou na lista." in after
    assert "2 pessoas estão na lista" in after
    assert len(links(after)) == 2
    assert len(links(client.get(where).text)) == 2
    late = client.post(links(page)[0], data={"cell-1": "21998765432"})
    assert late.status_code == 422
    assert "outra pessoa já corrigiu esta linha" in late.text
    with services.db.reading() as session:
        (noted,) = session.scalars(select(Audit).where(Audit.action == "import.mend"))
        assert noted.subject == f"import {steps.the_import(services).id}"
        assert noted.detail == {"line": 3, "outcome": "imported"}


def test_what_became_of_a_mended_row_is_said(client: FlaskClient, services: Services) -> None:
    where = steps.bring_in(client, FILE)
    optout = 5521998765432
    with services.db.writing() as session:
        optouts.add(session, optout, origin="reply", reason="SAIR")
    first, second, _ = links(client.get(where).text)
    assert "pediu para sair" in client.post(first, data={"cell-1": str(optout)}, follow_redirects=True).text
    assert "já veio em outra linha" in client.post(second, data={"cell-1": str(optout)}, follow_redirects=True).text
    odd = client.get(f"{where}?mended={fault_at(services, 1, 3).id}&outcome=<script>")
    assert "<script>&" not in odd.text
    assert client.get(f"{where}?mended=99999").status_code == 200


def test_one_reason_at_a_time_is_shown_with_its_count(client: FlaskClient) -> None:
    rows = "".join(f"A{n};12{n}\n" for n in range(120)) + "".join(f"B{n};abc\n" for n in range(2))
    where = steps.bring_in(client, "Nome;Celular\nAna;11987654321\nAna;11987654321\n" + rows)
    page = client.get(where).text
    assert re.search(r'reason=short#wrong"[^>]*>Faltam dígitos <span class="tnum">120</span>', page)
    assert re.search(r">Todas <span class=\"tnum\">123</span>|>Todos <span class=\"tnum\">123</span>", page)
    few = client.get(f"{where}?reason=letters").text
    assert len(links(few)) == 2
    assert all(link.endswith("?reason=letters") for link in links(few))
    seen: list[str] = []
    url: str | None = f"{where}?reason=short"
    while url:
        shown = client.get(url).text
        seen += links(shown)
        more = re.search(r'href="([^"]*after=\d+[^"]*)" hx-get', shown)
        url = more[1].replace("&amp;", "&") if more else None
    assert len(seen) == len(set(seen)) == 120
    assert len(links(client.get(f"{where}?reason=nonsense").text)) == 49
    assert "Não sobrou nenhuma" in client.get(f"{where}?reason=empty").text


def test_the_filter_stays_while_one_mends(client: FlaskClient) -> None:
    where = steps.bring_in(client, FILE)
    (link,) = links(client.get(f"{where}?reason=letters").text)
    assert 'name="reason" value="letters"' in client.get(link).text
    saved = client.post(link.partition("?")[0], data={"cell-1": "31987651234", "reason": "letters"})
    assert "reason=letters" in saved.location
    assert 'aria-current="true"' in client.get(saved.location).text


def test_rows_of_an_undone_import_cannot_be_mended(client: FlaskClient) -> None:
    where = steps.bring_in(client, FILE)
    link = links(client.get(where).text)[0]
    client.post(f"{where}/undo")
    assert links(client.get(where).text) == []
    assert "importação concluída" in client.get(link).text
    refused = client.post(link, data={"cell-1": "21998765432"})
    assert refused.status_code == 422
    assert "importação concluída" in refused.text
    assert client.get(f"{where}/rows/99999").status_code == 404
    assert client.post(f"{where}/rows/99999").status_code == 404


def test_values_with_line_breaks_and_cut_rows_lose_nothing_in_the_form(client: FlaskClient, services: Services) -> None:
    content = f'Nome;Celular;Obs\nAna;11987654321;x\nBruno;123;"um\ndois"\nCarla;123;{"x" * 400}\n'
    where = steps.bring_in(client, content)
    page = client.get(where).text
    (link,) = links(page)
    assert "não foi guardada inteira" in page
    assert re.search(r"<textarea[^>]*>\num\ndois</textarea>", client.get(link).text)
    client.post(link, data={"cell-1": "21998765432", "cell-2": "um\r\ndois"})
    assert steps.people(services)[-1].fields == {"obs": "um\ndois"}


def test_the_check_page_says_that_wrong_rows_can_be_mended_afterwards(client: FlaskClient) -> None:
    where = steps.upload(client, FILE).location
    client.post(f"{where}/columns")
    assert "estas você corrige na página depois de importar" in client.get(where).text


# ---------- the file that comes back ----------


def test_our_columns_are_known_in_every_language() -> None:
    for locale in LOCALES:
        assert again.is_again([translate(word, locale) for word in again.HEADER] + ["Nome"])
        words = [fold(translate(word, locale)) for word in again.HEADER]
        assert all(word in known for word, known in zip(words, again._WORDS, strict=True))
    assert not again.is_again([translate(word, "en") for word in again.HEADER])
    assert not again.is_again(["Linha", "Coluna", "Valor", "Nome", "Celular", "Cidade"])


@given(st.text(alphabet="'=+-@\t\r a1", max_size=8) | st.text(max_size=12))
def test_a_guarded_cell_comes_back_as_it_was_and_is_never_a_formula(value: str) -> None:
    assert restored(reversible(value)) == value
    assert not reversible(value).startswith(("=", "+", "-", "@", "\t", "\r", "\0"))


def errors_of(client: FlaskClient, where: str) -> list[list[str]]:
    raw = client.get(f"{where}/errors.csv").data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(raw), delimiter=";"))


def written(rows: list[list[str]]) -> bytes:
    """As a spreadsheet program saves it again: the cells as they are."""
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8-sig")


@pytest.mark.parametrize("locale", ["pt_BR", "en"])
def test_a_corrected_file_of_wrong_rows_joins_the_same_list(signed_in: SignIn, services: Services, locale: str) -> None:
    client = signed_in("marketing", locale=locale)
    content = (
        "Valor;Nome;Tel. 1;Tel. 2;Fórmula\n1,50;Ana;x;11987654321;a\n2,50;Bruno;x;123;=1+1\n-3;Carla;x;+55 12;'=2\n"
        "4;Ana;x;11987654321;repetida\n5;Davi;x;abc;b\n"
    )
    where = steps.upload(client, content).location
    client.post(f"{where}/columns", data=steps.roles(c0="field", c1="name", c2="skip", c3="number", c4="field"))
    client.post(f"{where}/confirm", data=steps.CONSENT)
    rows = errors_of(client, where)
    assert len(rows) == 1 + 3  # what repeats a number is not wrong
    assert rows[1][5:] == ["2,50", "Bruno", "x", "123", "'=1+1"]
    assert rows[2][5:] == ["'-3", "Carla", "x", "'+55 12", "''=2"]
    rows[1][8], rows[2][8] = "21998765432", "'+55 31 98765-1234"
    second = steps.upload(client, written(rows), "import-1-errors.csv").location
    mapping = Mapping.from_json(steps.the_import(services).mapping)
    assert [column.role for column in mapping.columns] == ["skip"] * 5 + ["field", "name", "skip", "number", "field"]
    assert [column.key for column in mapping.fields] == ["valor", "formula"]
    client.post(f"{second}/columns")
    assert 'value="Clientes"' in client.get(second).text
    client.post(f"{second}/confirm", data=steps.CONSENT)
    assert counts(services, steps.the_import(services).id) == (3, 2, 0, 1, 0)
    ana, bruno, carla = steps.people(services)
    assert (bruno.number, bruno.name, bruno.fields) == (make.BRUNO, "Bruno", {"valor": "2,50", "formula": "=1+1"})
    assert (carla.number, carla.fields) == (make.CARLA, {"valor": "-3", "formula": "'=2"})
    assert (ana.name, ana.fields) == ("Ana", {"valor": "1,50", "formula": "a"})
    third = errors_of(client, second)  # what is still wrong looks as it did the first time
    assert third[0] == rows[0]
    assert third[1][5:] == rows[3][5:]
    steps.bring_in(client, written(rows))  # the same file once more
    assert len(steps.people(services)) == steps.size_of(services) == 3


def test_a_file_without_header_comes_back_into_the_same_fields(client: FlaskClient, services: Services) -> None:
    where = steps.bring_in(client, "11987654321;Ana Souza;Santos\n21998765432;Bruno Lima;Itu\n123;Carla Dias;Rio\n")
    rows = errors_of(client, where)
    rows[1][5] = "31987651234"
    steps.bring_in(client, written(rows))
    assert [p.fields for p in steps.people(services)] == [{"coluna_3": c} for c in ("Santos", "Itu", "Rio")]
    assert steps.people(services)[-1].name == "Carla Dias"


def test_only_what_is_still_wrong_is_downloaded_and_cut_rows_bring_in_no_half_person(
    client: FlaskClient, services: Services
) -> None:
    where = steps.bring_in(client, f"Nome;Celular;Obs\nAna;11987654321;x\nBruno;123;y\nCarla;12;{'x' * 400}\n")
    client.post(links(client.get(where).text)[0], data={"cell-1": "21998765432"})
    header, row = errors_of(client, where)
    assert len(header) == 8
    assert row[:3] == ["4", "Celular", "12"]
    assert "não foi guardada inteira" in row[4]
    assert len(row) == 5
    steps.bring_in(client, "Nome;Celular\nEva;11987650001\nEva;11987650001\n")
    where = f"/contacts/import/{steps.the_import(services).id}"
    assert "errors.csv" not in client.get(where).text
    repeated = client.get(f"{where}/errors.csv?reason=duplicate").data.decode("utf-8-sig")
    assert repeated.count("\n") == 2

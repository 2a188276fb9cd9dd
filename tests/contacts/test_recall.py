"""What the columns meant last time is where the next file with the same header starts from; on both databases."""

import io
import re
from pathlib import Path

import pytest
import xlsxwriter
from flask.testing import FlaskClient

from tests.conftest import SignIn
from tests.contacts import steps
from webapp.contacts.commands import run_import_command
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services

FILE = "Nome;Telefone;Celular;Cidade\nAna;11987654321;21998765432;Santos\n"
OTHER_PEOPLE = "Nome;Telefone;Celular;Cidade\nBruno;11912345678;21912345678;Itu\n"
GUESSED = {"Nome": "name", "Telefone": "number", "Celular": "field", "Cidade": "field"}
CHOSEN = {"Nome": "name", "Telefone": "skip", "Celular": "number", "Cidade": "skip"}
AS_LAST_TIME = "As colunas foram escolhidas como na última importação deste tipo de arquivo."


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only"
    )


@pytest.fixture
def client(signed_in: SignIn, services: Services) -> FlaskClient:
    return signed_in("marketing")


def shown(page: str) -> dict[str, str]:
    """What each column means on the page: label → role."""
    labels = re.findall(r'<th scope="col">(.*?)</th>', page)
    return dict(zip(labels, chosen_roles(page), strict=True))


def chosen_roles(page: str) -> list[str]:
    selects = re.findall(r'name="role-\d+">(.*?)</select>', page, re.DOTALL)
    return [re.findall(r'<option value="(\w+)" selected>', select)[0] for select in selects]


def confirm_with(client: FlaskClient, content: str | bytes = FILE, **roles: str) -> str:
    """Import a file with these roles; its address."""
    where = steps.upload(client, content).location
    assert client.post(f"{where}/columns", data=steps.roles(**roles)).status_code == 303
    assert client.post(f"{where}/confirm", data=steps.CONSENT).status_code == 303
    return where


def choose(client: FlaskClient, content: str | bytes = FILE) -> str:
    """The choice of most tests, which is not the guess."""
    return confirm_with(client, content, c0="name", c1="skip", c2="number", c3="skip")


def next_page(client: FlaskClient, content: str | bytes = OTHER_PEOPLE) -> str:
    return client.get(steps.upload(client, content).location).text


def test_a_header_that_was_never_imported_starts_from_the_guess(client: FlaskClient) -> None:
    page = next_page(client)
    assert shown(page) == GUESSED
    assert "Este é o nosso palpite." in page
    assert AS_LAST_TIME not in page


def test_the_second_import_of_a_header_starts_from_the_choice_of_the_first(
    client: FlaskClient, services: Services
) -> None:
    choose(client)
    where = steps.upload(client, OTHER_PEOPLE).location
    page = client.get(where).text
    assert shown(page) == CHOSEN
    assert AS_LAST_TIME in page
    assert "nosso palpite" not in page
    client.post(f"{where}/columns")
    client.post(f"{where}/confirm", data=steps.CONSENT)
    assert [(person.number, person.fields) for person in steps.people(services)] == [
        (5521998765432, {}),
        (5521912345678, {}),
    ]


def test_what_one_person_chose_serves_everybody(client: FlaskClient, signed_in: SignIn) -> None:
    choose(client)
    assert shown(next_page(signed_in("admin"))) == CHOSEN


def test_an_english_reader_is_told_so_in_english(client: FlaskClient, signed_in: SignIn) -> None:
    choose(client)
    page = next_page(signed_in("marketing", locale="en"))
    assert "The columns were chosen as in the last import of this kind of file." in page
    assert ">Use the automatic suggestion</a>" in page


def test_the_same_columns_in_another_order_mean_the_same(client: FlaskClient) -> None:
    choose(client)
    page = next_page(client, "Cidade;Celular;Nome;Telefone\nItu;21912345678;Bruno;11912345678\n")
    assert shown(page) == CHOSEN
    assert AS_LAST_TIME in page


def test_capitals_accents_and_separators_make_no_other_header(client: FlaskClient) -> None:
    confirm_with(client, "Nome;Último pedido;Celular\nAna;11987654321;21998765432\n", c1="number", c2="skip")
    page = next_page(client, "NOME,ULTIMO PEDIDO,celular\nBruno,11912345678,21912345678\n")
    assert shown(page) == {"NOME": "name", "ULTIMO PEDIDO": "number", "celular": "skip"}


@pytest.mark.parametrize("header", ["Nome;Telefone;Celular;Bairro", "Nome;Telefone;Celular;Cidade;Plano"])
def test_another_header_starts_from_the_guess(client: FlaskClient, header: str) -> None:
    choose(client)
    page = next_page(client, f"{header}\nBruno;11912345678;21912345678;Itu;A\n")
    assert shown(page)["Telefone"] == "number"
    assert AS_LAST_TIME not in page


def test_the_way_back_to_the_guess_is_a_link(client: FlaskClient, services: Services) -> None:
    choose(client)
    where = steps.upload(client, OTHER_PEOPLE).location
    link = re.search(r'<a href="([^"]*)">Usar a sugestão automática</a>', client.get(where).text)
    assert link
    assert link[1] == f"{where}?columns=guess"
    page = client.get(link[1]).text
    assert shown(page) == GUESSED
    assert "Este é o nosso palpite." in page
    assert f'action="{where}/columns?columns=guess"' in page
    two = client.post(f"{where}/columns?columns=guess", data=steps.roles(c1="number", c2="number"))
    assert two.status_code == 422
    assert shown(two.text) == GUESSED
    client.post(f"{where}/columns?columns=guess", data=steps.roles(c0="name", c1="number", c2="field", c3="field"))
    client.post(f"{where}/confirm", data=steps.CONSENT)
    assert steps.people(services)[-1].fields == {"celular": "21912345678", "cidade": "Itu"}


def test_the_latest_confirmation_wins(client: FlaskClient) -> None:
    choose(client)
    confirm_with(client, OTHER_PEOPLE, c0="field", c1="number", c2="skip", c3="name")
    expected = {"Nome": "field", "Telefone": "number", "Celular": "skip", "Cidade": "name"}
    assert shown(next_page(client)) == expected


def test_what_was_not_confirmed_is_not_remembered(client: FlaskClient) -> None:
    where = steps.upload(client, FILE).location
    client.post(f"{where}/columns", data=steps.roles(c1="skip", c2="number"))
    client.post(f"{where}/discard")
    assert shown(next_page(client)) == GUESSED


def test_a_column_that_holds_no_numbers_any_more_is_not_the_number(client: FlaskClient) -> None:
    choose(client)
    page = next_page(client, "Nome;Telefone;Celular;Cidade\nBruno;11912345678;sim;Itu\n")
    assert shown(page)["Telefone"] == "number"
    assert AS_LAST_TIME not in page


def test_where_the_guess_finds_no_numbers_either_the_choice_stays(client: FlaskClient) -> None:
    choose(client)
    assert shown(next_page(client, "Nome;Telefone;Celular;Cidade\nBruno;não;sim;Itu\n")) == CHOSEN


def test_numbers_that_need_their_area_code_are_numbers(client: FlaskClient) -> None:
    confirm_with(client, "Nome;DDD;Fixo;Celular\nAna;11;98765-4321;21998765432\n", c1="ddd", c2="number", c3="skip")
    page = next_page(client, "Nome;DDD;Fixo;Celular\nBruno;11;91234-5678;21912345678\n")
    assert shown(page) == {"Nome": "name", "DDD": "ddd", "Fixo": "number", "Celular": "skip"}


def test_two_columns_of_one_name_keep_their_order(client: FlaskClient) -> None:
    confirm_with(client, "Nome;Celular;Celular\nAna;11987654321;21998765432\n", c1="skip", c2="number")
    where = steps.upload(client, "Celular;Nome;Celular\n11912345678;Bruno;21912345678\n").location
    assert chosen_roles(client.get(where).text) == ["skip", "name", "number"]


def test_names_that_fold_to_nothing_are_told_apart(client: FlaskClient) -> None:
    confirm_with(client, "名前;電話;住所\nAna;11987654321;Santos\n", c0="name", c1="number", c2="skip")
    assert shown(next_page(client, "住所;電話;名前\nItu;11912345678;Bruno\n")) == {
        "住所": "skip", "電話": "number", "名前": "name",
    }  # fmt: skip


def test_a_file_without_header_remembers_nothing(client: FlaskClient, services: Services) -> None:
    rows = "Ana;11987654321;21998765432\n"
    confirm_with(client, rows, c0="name", c1="skip", c2="number")
    assert steps.the_import(services).header_key is None
    page = next_page(client, rows)
    assert shown(page)["Coluna 2"] == "number"
    assert AS_LAST_TIME not in page


def test_a_file_read_again_in_another_way_finds_its_own_choice(client: FlaskClient) -> None:
    choose(client)
    where = steps.upload(client, OTHER_PEOPLE).location
    shape = {"encoding": "utf-8", "delimiter": ";"}
    client.post(f"{where}/shape", data={**shape, "has_header": "0"})
    assert AS_LAST_TIME not in client.get(where).text
    client.post(f"{where}/shape", data={**shape, "has_header": "1"})
    assert shown(client.get(where).text) == CHOSEN


def test_going_back_from_the_check_keeps_what_was_changed(client: FlaskClient) -> None:
    choose(client)
    where = steps.upload(client, OTHER_PEOPLE).location
    client.post(f"{where}/columns")
    client.post(f"{where}/back")
    assert AS_LAST_TIME in client.get(where).text
    client.post(f"{where}/columns", data=steps.roles(c3="field"))
    client.post(f"{where}/back")
    page = client.get(where).text
    assert shown(page) == {**CHOSEN, "Cidade": "field"}
    assert AS_LAST_TIME not in page


def test_a_workbook_with_the_header_of_a_text_starts_from_its_choice(client: FlaskClient) -> None:
    choose(client)
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as made:
        sheet = made.add_worksheet()
        for line, row in enumerate(OTHER_PEOPLE.splitlines()):
            sheet.write_row(line, 0, row.split(";"))
    page = next_page(client, book.getvalue())
    assert shown(page) == CHOSEN
    assert AS_LAST_TIME in page


def test_the_command_guesses_and_does_not_change_what_a_person_chose(
    client: FlaskClient, services: Services, tmp_path: Path
) -> None:
    choose(client)
    path = tmp_path / "list.csv"
    path.write_text(OTHER_PEOPLE)
    run_import_command(services.db, services.settings, path, "Noite")
    (bruno,) = steps.people(services, "Noite")
    assert bruno.number == 5511912345678
    assert shown(next_page(client)) == CHOSEN

"""Lists and the people in them."""

import csv
import io

import pytest
from flask.testing import FlaskClient

from tests import make
from tests.conftest import SignIn
from tests.contacts import steps
from webapp.accounts.models import Audit
from webapp.contacts import service
from webapp.contacts.models import ContactList
from webapp.core.web import Services
from webapp.optouts import service as optouts


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def test_an_empty_account_offers_twenty_sample_contacts(client: FlaskClient, services: Services) -> None:
    assert "Usar 20 contatos de exemplo" in client.get("/contacts").text
    answer = client.post("/contacts/sample")
    page = client.get(answer.location).text
    assert "Ana Souza" in page
    assert steps.size_of(services, "Contatos de exemplo") == 20
    client.post("/contacts/sample")
    assert steps.size_of(services, "Contatos de exemplo") == 20


def test_lists_show_their_size_and_origin(client: FlaskClient) -> None:
    where = steps.bring_in(client)
    page = client.get("/contacts").text
    assert "clientes.csv" in page
    assert "Consentimento" in page
    assert where in page


def test_a_long_list_comes_page_by_page_and_each_person_once(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services, people=120)
    seen: list[str] = []
    url = f"/contacts/{list_id}"
    while url:
        page = client.get(url).text
        seen += [part.split("<")[0] for part in page.split('">Pessoa ')[1:]]
        rest = page.split('id="people-more">')[1]
        url = rest.split('href="')[1].split('"')[0].replace("&amp;", "&") if "href" in rest.split("</div>")[0] else ""
    assert len(seen) == len(set(seen)) == 120


def test_numbers_are_masked_until_somebody_asks_which_is_noted(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services, people=1)
    person = steps.people(services)[0]
    url = f"/contacts/{list_id}/people/{person.id}"
    for page in (client.get(f"/contacts/{list_id}"), client.get(url)):
        assert "+55 11 •••••-0001" in page.text
        assert "90000" not in page.text
    assert "+55 11 90000-0001" in client.post(f"{url}/reveal").text
    with services.db.reading() as session:
        (noted,) = session.query(Audit).filter_by(action="contact.reveal")
        assert noted.subject == f"contact {person.id}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=pessoa+0007", ["Pessoa 0007 Silva"]),
        ("q=SILVA+0003", ["Pessoa 0003 Silva"]),
        ("q=ilva", []),
        ("q=pess+silv&kind=landline", []),
        ("q=0005", ["Pessoa 0005 Silva"]),
        ("q=(11)+90000-0009", ["Pessoa 0009 Silva"]),
        ("q=nobody", []),
        ("kind=out", ["Pessoa 0002 Silva"]),
        ("q=%25", ["Pessoa 0001 Silva"]),
        ("q=99999999999999999999999999", []),
    ],
)
def test_people_are_found_by_name_beginnings_and_last_digits(
    client: FlaskClient, services: Services, query: str, expected: list[str]
) -> None:
    list_id = steps.a_list(services, people=12)
    with services.db.writing() as session:
        optouts.add(session, 5511900000002, origin="reply", reason="SAIR")
    page = client.get(f"/contacts/{list_id}?{query}").text
    for name in expected:
        assert name in page
    if not expected:
        assert ("Ninguém aqui é assim" if "kind" in query else "Ninguém com esse n") in page


def test_a_person_is_added_by_hand_changed_and_taken_out(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services)
    bad = client.post(f"/contacts/{list_id}/add", data={"number": "123", "name": "Ana"})
    assert bad.status_code == 422
    assert "Faltam dígitos. Um celular tem 11 dígitos" in bad.text
    data = {"number": "(11) 8765-4321", "name": "Ana", "field-cidade": "Santos", "field-hack": "x"}
    answer = client.post(f"/contacts/{list_id}/add", data=data)
    assert answer.status_code == 303
    (ana,) = steps.people(services)
    assert (ana.number, ana.name, ana.fields) == (make.ANA, "Ana", {"cidade": "Santos"})
    changed = client.post(f"{answer.location}/edit", data={"name": "Ana Souza", "field-cidade": ""})
    assert changed.status_code == 303
    (ana,) = steps.people(services)
    assert (ana.name, ana.name_key, ana.fields) == ("Ana Souza", "ana souza", {})
    too_long = client.post(f"{answer.location}/edit", data={"name": "A", "field-cidade": "x" * 1001})
    assert too_long.status_code == 422
    client.post(f"{answer.location}/remove")
    assert steps.size_of(services) == 0
    assert client.get(answer.location).status_code == 404


def test_an_export_holds_everybody_with_full_numbers_and_no_formulas(client: FlaskClient, services: Services) -> None:
    steps.bring_in(client, "Nome;Celular;Cidade\n=cmd();11987654321;Santos\nBruno;21998765432;\n")
    answer = client.get("/contacts/1/export.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="clientes.csv"'
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))
    assert rows == [
        ["Nome", "Número", "Cidade"],
        ["'=cmd()", "55 11 98765-4321", "Santos"],
        ["Bruno", "55 21 99876-5432", ""],
    ]
    again = steps.bring_in(client, answer.data, list_name="Volta")
    assert "2 pessoas estão na lista" in client.get(again).text


def test_a_list_is_renamed_but_not_to_anothers_name(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services, "Um")
    steps.a_list(services, "Dois")
    refused = client.post(f"/contacts/{list_id}/rename", data={"list_name": " Dois "})
    assert refused.status_code == 422
    assert "Já existe uma lista chamada" in refused.text
    assert client.post(f"/contacts/{list_id}/rename", data={"list_name": "Três"}).status_code == 303
    assert steps.size_of(services, "Três") == 0


def test_a_deleted_list_is_gone_with_its_people_and_frees_its_name(client: FlaskClient, services: Services) -> None:
    list_id = steps.a_list(services, people=3)
    assert client.post(f"/contacts/{list_id}/delete").status_code == 303
    assert client.get(f"/contacts/{list_id}").status_code == 404
    assert steps.people(services) == []
    assert steps.a_list(services, people=1) != list_id
    with services.db.reading() as session:
        assert session.query(ContactList).filter_by(id=list_id).one().size == 0


def test_a_list_that_a_campaign_needs_is_not_deleted(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = steps.a_list(services, people=1)
    monkeypatch.setattr(
        service, "in_use_checks", [lambda _session, wanted: "Black Friday" if wanted == list_id else None]
    )
    answer = client.post(f"/contacts/{list_id}/delete", follow_redirects=True)
    assert "“Black Friday” ainda precisa desta lista" in answer.text
    assert len(steps.people(services)) == 1


def test_pages_speak_english_to_who_wants_it(signed_in: SignIn, services: Services) -> None:
    client = signed_in("marketing", locale="en")
    list_id = steps.a_list(services, people=1)
    assert "1 person" in client.get(f"/contacts/{list_id}").text

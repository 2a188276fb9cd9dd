"""The page of those who must not be written to."""

import pytest
from flask.testing import FlaskClient

from tests import make
from tests.conftest import SignIn
from tests.contacts import steps
from webapp.accounts.models import Audit
from webapp.core.web import Services
from webapp.optouts import queries, service


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def out(services: Services, number: int) -> bool:
    with services.db.reading() as session:
        return queries.is_opted_out(session, number)


def link_of(page: str) -> str:
    return page.split('href="/contacts/opt-outs/')[1].split('"')[0]


def test_anybody_may_add_an_opt_out_and_it_is_noted_without_the_number(signed_in: SignIn, services: Services) -> None:
    support = signed_in("support")
    answer = support.post(
        "/contacts/opt-outs", data={"number": "11 8765-4321", "reason": "ligou"}, follow_redirects=True
    )
    assert "+55 11 •••••-4321 não recebe mais mensagens" in answer.text
    assert str(make.ANA)[2:] not in answer.text
    assert out(services, make.ANA)
    with services.db.reading() as session:
        (noted,) = session.query(Audit).filter_by(action="optout.add")
        assert str(make.ANA) not in f"{noted.subject}{noted.detail}"


def test_a_number_that_is_none_is_refused_with_what_to_do(client: FlaskClient) -> None:
    answer = client.post("/contacts/opt-outs", data={"number": "98765-4321"})
    assert answer.status_code == 422
    assert "Falta o DDD. Escreva o DDD antes do número" in answer.text


def test_lifting_asks_a_reason_and_needs_the_permission(
    client: FlaskClient, signed_in: SignIn, services: Services
) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
    handled = link_of(client.get("/contacts/opt-outs").text)
    assert str(make.ANA) not in handled
    url = f"/contacts/opt-outs/{handled}"
    assert "SAIR" in client.get(url).text
    assert client.post(f"{url}/lift", data={"reason": ""}).status_code == 422
    assert signed_in("support").post(f"{url}/lift", data={"reason": "pediu de volta"}).status_code == 403
    assert out(services, make.ANA)
    assert client.post(f"{url}/lift", data={"reason": "pediu de volta"}).status_code == 303
    assert not out(services, make.ANA)
    assert "pediu de volta" in client.get(url).text


def test_a_made_up_handle_is_not_found(client: FlaskClient) -> None:
    assert client.get("/contacts/opt-outs/abc").status_code == 404


def test_a_suppression_list_is_brought_in(client: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.BRUNO, origin="reply", reason="SAIR")
    text = "telefone\n11987654321\n21998765432\nxx\n"
    data = {"list-pasted": text, "list-reason": "Não Me Ligue"}
    answer = client.post("/contacts/opt-outs/import", data=data, follow_redirects=True)
    assert "1 pessoa foi descadastrada" in answer.text
    done = steps.the_import(services)
    assert (done.state, done.rows, done.imported, done.suppressed, done.rejected) == ("done", 3, 1, 1, 1)
    assert out(services, make.ANA)
    assert not list((services.settings.instance / "uploads").iterdir())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"list-reason": "x"}, "Escolha um arquivo ou cole"),
        ({"list-pasted": "11987654321"}, "Preencha este campo"),
        ({"list-pasted": "nome\nana\nbia", "list-reason": "x"}, "Nenhuma coluna com telefones"),
    ],
)
def test_a_suppression_list_without_numbers_or_origin_is_refused(
    client: FlaskClient, data: dict[str, str], says: str
) -> None:
    answer = client.post("/contacts/opt-outs/import", data=data)
    assert answer.status_code == 422
    assert says in answer.text


def test_the_list_can_be_searched_by_last_digits_and_origin(client: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
        service.add(session, make.BRUNO, origin="hand", reason="ligou")
    page = client.get("/contacts/opt-outs?q=4321").text
    assert "•-4321" in page
    assert "•-5432" not in page
    assert "•-5432" in client.get("/contacts/opt-outs?origin=hand").text
    assert "Ninguém assim" in client.get("/contacts/opt-outs?q=0000&origin=import").text

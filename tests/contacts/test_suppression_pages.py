"""Opt-outs in the browser: files from the upload to their undoing, channels, filters, the export."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import xlsxwriter
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import make
from tests.conftest import SignIn
from tests.contacts import steps
from webapp.accounts.models import Audit
from webapp.contacts import suppression
from webapp.contacts.views import suppression as suppression_views
from webapp.core.web import Services
from webapp.messages import outbox
from webapp.optouts import queries, service

THREE = "fone\n11987654321\n21998765432\n31987651234\n"


@pytest.fixture
def client(signed_in: SignIn) -> FlaskClient:
    return signed_in("marketing")


def send(client: FlaskClient, content: str | bytes, name: str = "nao-me-ligue.csv", **more: str) -> TestResponse:
    """Send a file of opt-outs."""
    raw = content.encode() if isinstance(content, str) else content
    data: dict[str, Any] = {"list-file": (BytesIO(raw), name), "list-reason": "Não Me Ligue"}
    return client.post("/contacts/opt-outs/import", data=data | {f"list-{key}": value for key, value in more.items()})


def confirm(client: FlaskClient, where: str) -> TestResponse:
    return client.post(f"/contacts/opt-outs/import/{where.rsplit('/', 1)[1]}/confirm", follow_redirects=True)


def out(services: Services, number: int, channel: str = "all") -> bool:
    with services.db.reading() as session:
        return queries.is_opted_out(session, number, channel)


def actions(services: Services) -> list[str]:
    with services.db.reading() as session:
        return [row.action for row in session.query(Audit).order_by(Audit.id)]


def test_a_clear_file_goes_straight_to_its_check_and_after_a_yes_into_the_opt_outs(
    client: FlaskClient, services: Services
) -> None:
    with services.db.writing() as session:
        service.add(session, make.BRUNO, origin="reply", reason="SAIR", channel="sms")
    where = send(client, THREE + "xx\n", channel="sms").location
    check = client.get(where).text
    assert "Descadastrar 2 pessoas" in check
    assert "de 3 números" in check
    assert "Faltam dígitos" in check or "Não há dígitos" in check or "xx" in check
    assert not out(services, make.ANA, "sms")
    result = confirm(client, where).text
    assert "2 pessoas foram descadastradas" in result
    assert "Marketing Silva" in result
    assert out(services, make.ANA, "sms")
    assert not out(services, make.ANA, "whatsapp")
    assert actions(services)[-2:] == ["import.upload", "optout.import"]
    page = client.get("/contacts/opt-outs").text
    assert "+2" in page
    assert where in page


def test_a_workbook_is_read_and_checked_without_another_click(client: FlaskClient, services: Services) -> None:
    book = xlsxwriter.Workbook(file := BytesIO())
    book.add_worksheet().write_column(0, 0, ["Telefone", "11987654321", "21998765432"])
    book.close()
    where = send(client, file.getvalue(), "nao-me-ligue.xlsx").location
    assert "Descadastrar 2 pessoas" in client.get(where).text


def test_where_two_columns_hold_numbers_a_person_says_which(client: FlaskClient, services: Services) -> None:
    where = send(client, "Telefone 1;Telefone 2;Nome\n11987654321;21998765432;Ana\n").location
    page = client.get(where).text
    assert "Diga qual é o telefone" in page
    assert 'value="field"' not in page
    client.post(f"{where}/columns", data=steps.roles(c0="skip", c1="number", c2="skip"))
    confirm(client, where)
    assert out(services, make.BRUNO)
    assert not out(services, make.ANA)


def test_the_choice_of_columns_is_not_remembered_for_lists_of_people(client: FlaskClient, services: Services) -> None:
    header = "Nome;Celular;Cidade\nAna;11987654321;Santos\n"
    confirm(client, send(client, header).location)
    page = client.get(steps.upload(client, header).location).text
    assert "última importação" not in page
    assert '<option value="field" selected>' in page


def test_the_same_file_again_says_that_there_is_nothing_to_add(client: FlaskClient, services: Services) -> None:
    confirm(client, send(client, THREE).location)
    again = send(client, THREE).location
    assert "Todos deste arquivo já estão descadastrados" in client.get(again).text
    assert "/confirm" not in client.get(again).text
    gone = client.post(f"{again}/discard", follow_redirects=True).text
    assert "ninguém foi descadastrado" in gone


def test_a_file_without_numbers_says_what_to_do(client: FlaskClient) -> None:
    where = send(client, "nome;cidade\nana;santos\n").location
    answer = client.post(f"{where}/columns", data=steps.roles(c0="skip", c1="skip"))
    assert answer.status_code == 422
    assert "Nenhuma coluna com telefones" in answer.text
    assert send(client, b"%PDF-1.4").status_code == 422


def test_a_long_paste_is_looked_at_before(client: FlaskClient, services: Services) -> None:
    rows = "\n".join(f"1198765{n:04}" for n in range(suppression.SMALL + 2))
    data = {"list-pasted": rows, "list-reason": "Não Me Ligue"}
    page = client.post("/contacts/opt-outs/import", data=data, follow_redirects=True).text
    assert "Descadastrar 502 pessoas" in page


def test_an_undoing_asks_a_reason_and_tells_whom_it_freed(
    client: FlaskClient, signed_in: SignIn, services: Services
) -> None:
    where = send(client, THREE).location
    confirm(client, where)
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
    undo = f"/contacts/opt-outs/import/{where.rsplit('/', 1)[1]}/undo"
    assert signed_in("support").post(undo, data={"reason": "errada"}).status_code == 403
    assert client.post(undo, data={"reason": "   "}).status_code == 422
    shown = client.post(undo, data={"reason": "lista errada"}, follow_redirects=True).text
    assert "2 pessoas voltam a poder receber" in shown
    assert "1 não entra na conta" in shown
    assert "lista errada" in shown
    assert (out(services, make.ANA), out(services, make.BRUNO)) == (True, False)
    assert actions(services)[-1] == "import.undo"
    assert "Só uma importação terminada" in client.post(undo, data={"reason": "de novo"}, follow_redirects=True).text


def test_a_list_of_people_cannot_take_the_way_of_opt_outs(client: FlaskClient, services: Services) -> None:
    where = steps.bring_in(client)
    answer = client.post(f"/contacts/opt-outs/import/{where.rsplit('/', 1)[1]}/undo", data={"reason": "errada"})
    assert answer.status_code >= 400
    assert steps.size_of(services) == 2
    assert where not in client.get("/contacts/opt-outs").text


def test_by_hand_for_one_channel_stops_only_what_waits_on_it(client: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        for kind in (0, 1, 5):
            outbox.send_one(session, kind="reply", name="x", number=make.ANA, type=kind, text="Oi", created_by=None)
    data = {"number": "11 98765-4321", "channel": "sms", "reason": "ligou"}
    assert "não será mais contatado por SMS" in client.post("/contacts/opt-outs", data=data, follow_redirects=True).text
    assert out(services, make.ANA, "sms")
    assert not out(services, make.ANA, "voice")
    with services.db.writing() as session:
        assert outbox.suppress(session, make.ANA) == 1  # the one by WhatsApp
    assert client.post("/contacts/opt-outs", data={**data, "channel": "fax"}).status_code == 422


def test_lifting_one_channel_leaves_the_other_and_says_so(client: FlaskClient, services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="hand", reason="tudo")
        service.add(session, make.ANA, origin="hand", reason="só sms", channel="sms")
    page = client.get("/contacts/opt-outs").text
    url = "/contacts/opt-outs/" + page.split('href="/contacts/opt-outs/')[1].split('"')[0]
    assert "retirar um não muda os outros" in client.get(url).text
    faulty = client.post(f"{url}/lift", data={"channel": "sms", "sms-reason": "  "})
    assert faulty.status_code == 422
    assert faulty.text.count("error-summary") == 1
    shown = client.post(f"{url}/lift", data={"reason": "pediu", "channel": "all"}, follow_redirects=True).text
    assert "continua sem querer contato por: SMS" in shown
    assert (out(services, make.ANA), out(services, make.ANA, "sms")) == (False, True)
    client.post(f"{url}/lift", data={"sms-reason": "pediu", "channel": "sms"})
    assert not out(services, make.ANA, "sms")


@pytest.fixture
def three(services: Services) -> None:
    with services.db.writing() as session:
        service.add(session, make.ANA, origin="reply", reason="SAIR")
        service.add(session, make.BRUNO, origin="hand", reason="=ligou", channel="sms")
        service.add(session, make.CARLA, origin="import", reason="Não Me Ligue", channel="voice")


def test_the_page_can_be_filtered_by_channel(client: FlaskClient, three: None) -> None:
    page = client.get("/contacts/opt-outs?channel=sms").text
    rows = re.search(r'<tbody id="out-rows".*?</tbody>', page, re.DOTALL)
    assert rows is not None
    assert re.findall(r"•-(\d{4})</a>", rows[0]) == ["5432"]


def test_the_export_holds_what_the_filter_shows_numbers_in_full_and_is_noted(
    client: FlaskClient, signed_in: SignIn, services: Services, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_views, "_ROWS", 2)
    answer = client.get("/contacts/opt-outs.csv")
    assert answer.mimetype == "text/csv"
    lines = answer.text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "Número;Canal;Desde;Origem;Motivo;Quem"
    assert len(lines) == 4
    assert any(line.startswith("55 21 99876-5432;SMS;") and line.endswith("'=ligou;") for line in lines)
    assert len(client.get("/contacts/opt-outs.csv?origin=import").text.splitlines()) == 2
    assert signed_in("support").get("/contacts/opt-outs.csv").status_code == 403
    assert actions(services).count("optout.export") == 2


def test_a_file_that_is_being_read_shows_its_progress(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask: Callable[..., None] = lambda *_: None  # noqa: E731
    monkeypatch.setattr(services.jobs, "start", ask)
    where = send(client, THREE).location
    assert "Descadastros" in client.get(where).text
    assert client.get(f"{where}/progress").status_code == 200

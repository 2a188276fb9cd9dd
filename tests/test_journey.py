"""The tour: import → compose → send → statuses → reply → answer → report, over real HTTP, without JavaScript.

Everything runs in processes of its own, as a customer runs it; the test only opens pages and sends forms. Set
`RECADO_TEST_GATEWAY_URL` (with `RECADO_TEST_GATEWAY_USER`, `…_PASSWORD`) to take the tour against another
implementation of the gateway's protocol, one that answers, delivers and lets the person of `REPLIER` reply.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.installation import PASSWORD, Installation, running, wait_for
from tests.other_gateway import other_gateway
from tests.visitor import Page, Visitor

REPLIER = "(11) 91234-2001"  # the sandbox's people whose number ends in 2001 answer
LIST = f"""Nome;Telefone;Cidade
Ana Souza;{REPLIER};Santos
Bruno Lima;+55 11 99876-5432;Campinas
Célia Dias;11 9765-4321;Santos
Bruno de novo;5511998765432;Campinas
Sem telefone;abc;Santos
"""
ELSEWHERE = {
    name: value
    for name in ("gateway_url", "gateway_user", "gateway_password")
    if (value := os.environ.get(f"RECADO_TEST_{name.upper()}"))
}


KINDS = ["sqlite", pytest.param("another gateway, postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation, once on each database; the second time with a gateway that is not our sandbox."""
    folder, settings = tmp_path_factory.mktemp("journey"), dict(ELSEWHERE)
    if request.param == "sqlite":
        with running(folder, **settings) as made:
            yield made
        return
    settings["database_url"] = request.getfixturevalue("postgres_empty_url")
    if ELSEWHERE:
        with running(folder, **settings) as made:
            yield made
        return
    with other_gateway() as (url, ledger):
        login = {"gateway_url": url, "gateway_user": "zoe", "gateway_password": "pão&leite"}
        with running(folder, **settings, **login) as made:
            yield made
    campaign = [str(row["number"]) for row in ledger.sent if row["type"] != "answered"]
    assert sorted(campaign) == ["11912342001", "11997654321", "11998765432"]


def test_the_whole_main_job_from_a_file_to_the_report(place: Installation) -> None:
    marketing = Visitor(place.site)
    assert marketing.sign_in("marketing@example.com", PASSWORD).url.endswith("/dashboard")
    import_the_list(marketing)
    campaign = compose_and_send(marketing)
    everybody_gets_it_once(place, marketing, campaign)
    support = Visitor(place.site)
    assert "/inbox" in support.sign_in("support@example.com", PASSWORD).url
    read_and_answer(place, support)
    read_the_report(marketing, campaign)
    admin = Visitor(place.site)
    admin.sign_in("admin@example.com", PASSWORD)
    credits = admin.get("/credits")
    assert "SMS" in credits.text


def import_the_list(marketing: Visitor) -> None:
    page = marketing.get("/contacts/import")
    form = page.form("pasted")
    page = marketing.send(page, form, files={"file": ("clientes.csv", LIST.encode("cp1252"), "text/csv")})
    page = arrive(marketing, page, "columns")
    assert "Windows-1252" in page.text or "1252" in page.html
    page = arrive(marketing, marketing.send(page, page.form(action="/columns")), "confirm")
    form = page.form("list_name")
    page = marketing.send(page, form, list_name="Clientes de Santos", basis="consent", source="Balcão da loja")
    page = wait_for(lambda: done_importing(marketing, page.url), 30, "the import")
    assert re.search(r"\b3\b", page.text)
    errors = marketing.get(re.sub(r"(\?.*)?$", "/errors.csv", page.url, count=1))
    rows = list(csv.reader(io.StringIO(errors.html.lstrip("\ufeff")), delimiter=";"))
    assert any("abc" in cell for row in rows for cell in row)


def arrive(visitor: Visitor, page: Page, step: str) -> Page:
    """The import's page once it shows the form of a step."""
    return wait_for(lambda: has_step(visitor.get(page.url), step), 30, f"the step {step}")  # type: ignore[no-any-return]


def has_step(page: Page, step: str) -> Page | None:
    return page if any(step in form.action for form in page.forms) else None


def done_importing(visitor: Visitor, url: str) -> Page | None:
    page = visitor.get(url)
    return page if "errors.csv" in page.html else None


def compose_and_send(marketing: Visitor) -> str:
    page = marketing.get("/campaigns/new")
    form = page.form("lists", "name")
    choice = re.search(r'name="lists"[^>]*value="(\d+)"', page.html) or re.search(
        r'value="(\d+)"[^>]*name="lists"', page.html
    )
    assert choice, page.html[:3000]
    page = marketing.send(page, form, name="Volta às aulas", lists=[choice[1]])
    assert page.url.endswith("/message"), page.text[:800]
    text = "Oi {{nome|cliente}}, a loja de {{cidade}} abre às 9h. Responda SAIR para não receber."
    wrong = marketing.send(page, page.form("text"), text="Oi {{sobrenome}}")
    assert wrong.status == 422
    assert "sobrenome" in wrong.text
    page = marketing.send(page, page.form("text"), type=2, text=text)
    assert page.url.endswith("/schedule"), page.text[:800]
    past = marketing.send(page, page.form("date"), mode="at", date="2020-01-01", time="09:00")
    assert past.status == 422
    page = marketing.send(page, page.form("date"), mode="now", date="", time="")
    assert page.url.endswith("/review"), page.text[:800]
    page = wait_for(lambda: can_send(marketing, page.url), 30, "the exact count")
    campaign = page.url.rsplit("/", 1)[0]
    form = page.form(action="/launch")
    page = marketing.send(page, form)
    assert page.status == 200, page.text[:800]
    again = marketing.send(page, form)  # a second click
    assert again.status in {200, 422}
    return campaign


def can_send(visitor: Visitor, url: str) -> Page | None:
    page = visitor.get(url)
    return page if any("/launch" in form.action for form in page.forms) else None


def everybody_gets_it_once(place: Installation, marketing: Visitor, campaign: str) -> None:
    number = campaign.rsplit("/", 1)[1]

    received = re.compile(r"Entregues\s+3\b")
    wait_for(lambda: received.search(marketing.get(campaign).text), 60, "the delivery")
    found: dict[str, int] = json.loads(place.run("campaign", "show", number, "--json"))
    assert found["delivered"] == 3
    assert (found["total"], found["accepted"], found["unknown"]) == (3, 3, 0)
    page = marketing.get(campaign)
    assert "Volta às aulas" in page.text
    if place.has_sandbox:
        sent = [row for row in place.box("ledger")["messages"] if row["campaign_id"]]
        assert len(sent) == len({row["number"] for row in sent}) == 3
        assert any("Oi Ana Souza, a loja de Santos abre às 9h." in row["content"] for row in sent)


def read_and_answer(place: Installation, support: Visitor) -> None:
    page = wait_for(lambda: inbox_with(support, "Ana Souza"), 60, "the reply")
    link = re.search(r'href="(/inbox/[^"?#]+)[^"]*"[^>]*>(?:(?!</a>).)*Ana Souza', page.html, re.S)
    assert link, page.html[:3000]
    page = support.get(link[1])
    assert "Oi Ana Souza, a loja de Santos abre às 9h." in page.text
    take = [form for form in page.forms if "take" in form.action]
    if take:
        page = support.send(page, take[0])
    page = support.send(page, page.form("seen", "text"), text="Que bom! Até amanhã.")
    assert page.status == 200, page.text[:600]
    assert "Que bom! Até amanhã." in page.text
    if place.has_sandbox:
        wait_for(
            lambda: any(row["content"] == "Que bom! Até amanhã." for row in place.box("ledger")["messages"]),
            30,
            "the answer",
        )


def inbox_with(support: Visitor, name: str) -> Page | None:
    page = support.get("/inbox")
    return page if name in page.text else None


def read_the_report(marketing: Visitor, campaign: str) -> None:
    number = campaign.rsplit("/", 1)[1]
    report = marketing.get(f"/reports/campaigns/{number}")
    assert "Volta às aulas" in report.text
    browser = marketing.get("/messages")
    assert "Volta às aulas" in browser.text
    export = re.search(r'href="([^"]*/export[^"]*)"', report.html)
    assert export, report.html[:2000]
    rows = list(
        csv.reader(io.StringIO(marketing.get(export[1].replace("&amp;", "&")).html.lstrip("\ufeff")), delimiter=";")
    )
    assert rows[0][:4] == ["reference", "number", "name", "state"]
    assert len(rows) == 4

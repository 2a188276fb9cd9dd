"""The main job in a browser, against processes of its own: import, compose, send, watch it move, read and answer."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.installation import PASSWORD, Installation, running

SLOW = 30_000  # milliseconds that something live may take on a busy machine
LIST = "Nome;Celular;Cidade\nAna Souza;(11) 91234-2001;Santos\nBruno Lima;11 99876-5432;Campinas\nCélia Dias;21 98765-4321;Rio\n"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def site(installation: Installation) -> str:
    return installation.site


def sign_in(page: Page, role: str) -> None:
    page.goto("/login")
    page.context.add_cookies([{"name": "locale", "value": "en", "url": page.url}])
    page.goto("/login")
    page.locator("[name=email]").fill(f"{role}@example.com")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    expect(page).not_to_have_url(re.compile("/login"))


def test_from_a_file_to_an_answered_reply(page: Page, tmp_path: Path) -> None:
    sign_in(page, "marketing")
    import_the_list(page, tmp_path)
    compose_and_send(page)
    expect(page.locator("#campaign-live")).to_contain_text("3 of 3 done", timeout=SLOW)  # without reloading
    expect(page.locator(".bar-row, .bar-rows").first).to_be_visible()
    expect(page.locator("#equation-card")).to_contain_text("handed over")
    page.goto("/messages")
    expect(page.locator("main")).to_contain_text("Promoção de maio")
    page.context.clear_cookies()
    sign_in(page, "support")
    read_and_answer(page)


def import_the_list(page: Page, folder: Path) -> None:
    file = folder / "clientes.csv"
    file.write_text(LIST, encoding="utf-8-sig")
    page.goto("/contacts/import")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Check the file").click(timeout=SLOW)
    page.locator("[name=list_name]").fill("Clientes")
    page.locator("form[action$=confirm] [type=submit]").click()
    expect(page.locator("main")).to_contain_text("Clientes", timeout=SLOW)
    expect(page.locator("a[href$='errors.csv'], a[href*='/contacts/']").first).to_be_visible(timeout=SLOW)


def compose_and_send(page: Page) -> None:
    page.goto("/campaigns/new")
    page.locator("[name=name]").fill("Promoção de maio")
    page.locator("[name=lists]").first.check()
    page.get_by_role("button", name=re.compile("Continue|Go on")).last.click()
    interactive = page.locator("[name=type][value='2']")
    page.locator("label.choice", has=interactive).click()  # as a person does; it waits until the page stands still
    expect(interactive).to_be_checked()
    page.locator("#text").fill("Oi {{nome}}, venha nos ver em {{cidade}}!")
    expect(page.locator(".phone")).to_contain_text("Oi Ana Souza, venha nos ver em Santos!")
    page.get_by_role("button", name=re.compile("Continue|Go on")).last.click()
    page.get_by_role("button", name=re.compile("Continue|Go on|Review")).last.click()
    page.get_by_role("button", name="Send to 3 people").click(timeout=SLOW)
    expect(page.locator("#campaign-live")).to_be_visible()


def read_and_answer(page: Page) -> None:
    page.goto("/inbox")
    page.get_by_text("Ana Souza").first.click(timeout=SLOW)
    expect(page.locator("#inbox")).to_contain_text("Oi Ana Souza, venha nos ver em Santos!")
    take = page.locator("form[action*='/take'] button").first
    if take.is_visible():
        take.click()
    page.locator(".reply-text").fill("Até já, Ana!")
    page.locator(".reply-form [type=submit]").click()
    expect(page.locator("#inbox")).to_contain_text("Até já, Ana!", timeout=SLOW)

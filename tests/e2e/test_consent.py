"""A consent with its proof in a real browser: the check page asks for more, the person's page shows it, all axe-clean."""

from collections.abc import Callable
from itertools import cycle

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Enter


def test_a_consent_with_its_proof_from_the_check_page_to_its_withdrawal(
    page: Page, enter: Enter, barriers: Callable[[Page], list[str]], sideways: Callable[[Page], int]
) -> None:
    screens = cycle(((320, "dark"), (1440, "light")))

    def clean() -> None:
        width, theme = next(screens)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
        assert barriers(page) == [] and not sideways(page), page.url
        page.set_viewport_size({"width": 1440, "height": 900})

    enter(page, "marketing")
    page.goto("/contacts/import")
    page.fill("[name=pasted]", "Nome;Celular\nAna;11987654321\n")
    page.locator("form:has([name=pasted]) button[type=submit]").click()
    page.locator("form[action$=columns] button[type=submit]").last.click()
    more = page.locator("#consent-more")
    expect(more).not_to_have_attribute("open", "")
    page.select_option("[name=basis]", "consent")
    expect(more).to_have_attribute("open", "")
    clean()
    page.fill("[name=source]", "Formulário do site")
    page.set_input_files("[name=proof]", {"name": "termo.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"})
    page.locator("form[action$=confirm] button[type=submit]").click()
    page.locator("a", has_text="Abrir a lista").click()
    page.locator("#people-rows a").first.click()
    person = page.url
    with page.expect_download() as download:
        page.locator("#consents a", has_text="Comprovante").click()
    assert download.value.suggested_filename == "termo.pdf"
    page.goto(person + "/consent")
    clean()
    page.goto(person + "/withdraw")
    clean()
    page.uncheck("[name=channels][value=whatsapp]")
    page.fill("[name=reason]", "por telefone")
    page.locator("form[data-guard] button[type=submit]").click()
    expect(page.locator("#consents")).to_contain_text("Revogado")
    page.locator("#consent summary").click()
    clean()
    page.locator("a", has_text="Ver o descadastro").click()
    expect(page.locator("#history li")).to_have_count(2)
    clean()

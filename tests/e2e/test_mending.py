"""Wrong rows mended where they stand: no page is loaded anew, figures move, focus stays where the person is."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.conftest import SignIn
from tests.contacts import steps
from tests.e2e.conftest import Enter

FILE = (
    "Nome;Celular;Cidade\nAna;11987654321;Santos\nBruno;123;Itu\nCarla;abc;Rio\nAna;11987654321;Bauru\nDavi;12;Sumaré\n"
)


def test_rows_are_mended_in_place(
    page: Page,
    enter: Enter,
    signed_in: SignIn,
    barriers: Callable[[Page], list[str]],
    sideways: Callable[[Page], int],
) -> None:
    where = steps.bring_in(signed_in("marketing"), FILE)
    enter(page, "marketing")
    page.goto(where)
    page.get_by_role("link", name="Corrigir a linha 3").click()
    number = page.get_by_label("Celular")
    expect(number).to_be_focused()
    number.fill("1234")
    page.get_by_role("button", name="Salvar e incluir").click()
    expect(page.locator(".mend-head")).to_contain_text("ainda errada")
    expect(page.get_by_label("Celular")).to_have_value("1234")
    expect(page.get_by_label("Celular")).to_be_focused()
    for width, theme in ((1440, "light"), (390, "light"), (320, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
        assert barriers(page) == []
        assert sideways(page) == 0
        form = page.locator(".mend").bounding_box()
        assert form is not None
        assert form["width"] <= width
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("Celular").fill("21 99876-5432")
    page.get_by_label("Celular").press("Enter")
    expect(page.get_by_text("A linha 3 entrou na lista.")).to_be_focused()
    expect(page.locator("#figures")).to_contain_text("2 pessoas estão na lista")
    expect(page.locator("#reasons")).to_contain_text("Faltam dígitos 1")
    assert page.url.endswith(where)  # nothing was loaded anew
    page.locator("#reasons").get_by_role("link", name="Faltam dígitos").click()
    expect(page.get_by_role("link", name="Corrigir a linha 4")).to_have_count(0)
    expect(page.get_by_role("link", name="Corrigir a linha 6")).to_be_visible()
    page.get_by_role("link", name="Corrigir a linha 6").click()
    page.get_by_role("link", name="Cancelar").click()
    expect(page.get_by_role("link", name="Corrigir a linha 6")).to_be_visible()
    assert page.url.endswith("reason=short")

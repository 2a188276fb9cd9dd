"""The campaign's page and its statement: no barrier, nothing sideways, on desk, phone and paper."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.campaigns.test_follow import put, sent
from tests.e2e.conftest import Enter
from tests.e2e.test_pages import SCREENS
from webapp.core.web import Services


@pytest.mark.parametrize("address", ["", "/statement"])
@pytest.mark.parametrize("done", [False, True], ids=["running", "finished"])
def test_the_equation_is_clean_on_every_screen(
    page: Page,
    enter: Enter,
    services: Services,
    barriers: Callable[[Page], list[str]],
    sideways: Callable[[Page], int],
    address: str,
    done: bool,
) -> None:
    key = sent(services, 12)
    if done:
        put(services, key, ("accepted", "", "1", "Vivo", 1_203_400), ("refused", "050", "", "", 40))
    enter(page, "marketing")
    page.goto(f"/campaigns/{key}{address}")
    expect(page.locator("main")).to_contain_text("desconhecidas", ignore_case=True)
    for width, theme in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
        assert not barriers(page), f"{width} {theme}"
        assert not sideways(page), f"{width} {theme}"


def test_the_statement_is_one_click_away_and_prints_as_ink_on_white(
    page: Page, enter: Enter, services: Services
) -> None:
    key = sent(services, 12)
    enter(page, "marketing", locale="en")
    page.goto(f"/campaigns/{key}")
    page.get_by_role("link", name="Statement").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Volta às aulas")
    expect(page.get_by_role("button", name="Print or save as PDF")).to_be_visible()
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print or save as PDF")).to_be_hidden()
    expect(page.locator("main")).to_have_css("background-color", "rgb(255, 255, 255)")
    dark = page.evaluate("getComputedStyle(document.querySelector('h1')).color.match(/\\d+/g).every(part => part < 90)")
    assert dark, "the title is not ink"

"""Every page that needs no argument, of every role: no complaint, no barrier, nothing sideways, on desk and phone."""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page

from tests.e2e.conftest import Enter
from webapp.accounts.permissions import allows

SCREENS = ((1440, "light"), (390, "light"), (320, "dark"))


def addresses(app: Flask, role: str) -> list[str]:
    """What this role may GET without filling in an argument, public addresses left out."""
    found = set()
    for rule in app.url_map.iter_rules():
        permission = getattr(app.view_functions[rule.endpoint], "guard", "public")
        if "GET" in (rule.methods or ()) and not rule.arguments and permission != "public" and allows(role, permission):
            found.add(rule.rule)
    return sorted(found)


@pytest.mark.parametrize("role", ["marketing", "support", "admin"])
def test_every_page_of_the_role_is_clean(
    page: Page,
    enter: Enter,
    web_app: Flask,
    barriers: Callable[[Page], list[str]],
    sideways: Callable[[Page], int],
    role: str,
) -> None:
    enter(page, role)
    faults: list[str] = []
    seen = 0
    for path in addresses(web_app, role):
        answer = page.request.get(path)
        if answer.status != 200:
            faults.append(f"{path}: status {answer.status}")
        if "<h1" not in answer.text() or not answer.headers["content-type"].startswith("text/html"):
            continue  # a download or a fragment; fragments are looked at inside their pages
        page.goto(path)
        seen += 1
        for width, theme in SCREENS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
            faults += [f"{path} at {width} {theme}: {barrier}" for barrier in barriers(page)]
            if sideways(page):
                faults.append(f"{path} at {width} {theme}: {sideways(page)} px sideways")
    assert seen > 3
    if faults:
        pytest.fail("\n".join(faults))

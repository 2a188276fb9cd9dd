"""Every page that needs no argument, of every role: no complaint, no barrier, nothing sideways, on desk and phone."""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Error, Page

from tests.e2e.conftest import Enter
from webapp.accounts.permissions import allows

SCREENS = ((1440, "light"), (390, "light"), (320, "dark"))
ROLES = ("marketing", "support", "admin")


def addresses(app: Flask, role: str) -> list[tuple[str, bool]]:
    """What this role may GET without filling in an argument, public addresses left out; and whether it is the first of
    the roles that may: then all screens are looked at, else the narrowest, where its own menu has least room."""
    found = set()
    for rule in app.url_map.iter_rules():
        permission = getattr(app.view_functions[rule.endpoint], "guard", "public")
        if "GET" in (rule.methods or ()) and not rule.arguments and permission != "public" and allows(role, permission):
            found.add((rule.rule, role == next(each for each in ROLES if allows(each, permission))))
    return sorted(found)


@pytest.mark.parametrize("role", ROLES)
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
    for path, is_first in addresses(web_app, role):
        try:
            opened = page.goto(path)
        except Error:  # a download, or nothing new to tell
            opened = None
        status = opened.status if opened else page.request.get(path).status
        if status != 200:
            faults.append(f"{path}: status {status}")
        if not opened or not page.locator("h1").count():
            continue  # a download or a fragment; fragments are looked at inside their pages
        seen += 1
        for width, theme in SCREENS if is_first else SCREENS[-1:]:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
            faults += [f"{path} at {width} {theme}: {barrier}" for barrier in barriers(page)]
            if sideways(page):
                faults.append(f"{path} at {width} {theme}: {sideways(page)} px sideways")
    assert seen > 3
    if faults:
        pytest.fail("\n".join(faults))

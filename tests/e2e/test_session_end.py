"""The page warns before its session ends, and nobody's absence is mistaken for presence."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.conftest import Enter
from webapp.accounts import sessions
from webapp.accounts.models import LoginSession
from webapp.core.web import Services

pytestmark = pytest.mark.browser


def _age(services: Services, by: timedelta) -> None:
    with services.db.writing() as session:
        row = session.query(LoginSession).one()
        row.seen_at -= by


def test_a_live_box_brings_the_warning_and_one_click_stays(page: Page, enter: Enter, site: str, services: Services):
    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request) if "/credits/chip" in request.url else None)
    page.clock.install()
    enter(page, "admin", locale="en")
    with page.expect_response("**/credits/chip"):
        page.goto(f"{site}/me")
    dialog = page.get_by_role("dialog", name="Your session ends soon")
    expect(dialog).to_be_hidden()
    _age(services, sessions.IDLE - timedelta(seconds=100))
    with page.expect_response("**/credits/chip"):
        page.clock.fast_forward(61_000)
    page.clock.run_for(1_000)
    expect(dialog).to_be_visible()
    assert polls and all(request.headers.get("x-recado-poll") == "1" for request in polls)
    with page.expect_response("**/me/keep") as kept:
        dialog.get_by_role("button", name="Stay signed in").click()
    assert int(kept.value.headers["x-session-ends"]) > 1700
    page.clock.run_for(1_000)
    expect(dialog).to_be_hidden()

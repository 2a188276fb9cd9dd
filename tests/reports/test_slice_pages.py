"""The pages on which a list, or another try, is made of a part of a campaign's people."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.conftest import SignIn
from tests.reports.test_slices import number, sent
from webapp.accounts.models import Audit
from webapp.campaigns.models import Campaign
from webapp.contacts import service as contacts
from webapp.core.web import Services
from webapp.reports import slicing
from webapp.reports.models import CampaignExtract

__all__ = ["sent"]  # a fixture


def form(browser: FlaskClient, path: str) -> dict[str, str]:
    """The fields of the page's form."""
    page = browser.get(path).text
    return dict(re.findall(r'name="(part|value|press|name)" value="([^"]*)"', page))


def test_a_list_from_a_row_of_the_report(services: Services, sent: Campaign, signed_in: SignIn) -> None:
    browser = signed_in("marketing", locale="en")
    page = browser.get(f"/reports/campaigns/{sent.id}").text
    address = f"/reports/campaigns/{sent.id}/list?part=status&amp;value=9"
    assert address in page
    fields = form(browser, address.replace("&amp;", "&"))
    answer = browser.post(f"/reports/campaigns/{sent.id}/list", data=fields)
    assert answer.status_code == 303
    made = browser.get(answer.location).text
    assert "People in the list: 2." in made
    assert re.search(r'href="/contacts/\d+"', made)
    again = browser.post(f"/reports/campaigns/{sent.id}/list", data=fields)
    assert again.location == answer.location, "pressed twice: one list"
    with services.db.reading() as session:
        (entry,) = session.scalars(select(Audit).where(Audit.action == "campaign.list"))
    assert entry.subject == f"campaign {sent.id}"
    assert entry.detail["part"] == "status"
    assert str(number(0)) not in str(entry.detail)
    assert "Promoção" in browser.get(f"/reports/campaigns/{sent.id}").text


@pytest.mark.parametrize(("part", "value", "step"), [("missed", "", "review"), ("status", "8", "message")])
def test_another_try_opens_its_draft(sent: Campaign, signed_in: SignIn, part: str, value: str, step: str) -> None:
    browser = signed_in("marketing", locale="en")
    fields = form(browser, f"/reports/campaigns/{sent.id}/retry?part={part}&value={value}")
    answer = browser.post(f"/reports/campaigns/{sent.id}/retry", data=fields)
    assert re.fullmatch(rf"/campaigns/\d+/{step}", answer.location)
    assert (
        "In the draft, because this campaign did not reach them"
        in browser.get(answer.location, follow_redirects=True).text
    )
    assert browser.post(f"/reports/campaigns/{sent.id}/retry", data=fields).location == answer.location


def test_a_large_campaign_works_behind_the_page(
    services: Services, sent: Campaign, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicing, "AT_ONCE", 3)
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(services.jobs, "start", lambda name, *args: asked.append((name, *args)))
    browser = signed_in("marketing", locale="en")
    fields = form(browser, f"/reports/campaigns/{sent.id}/retry?part=missed")
    page = browser.post(f"/reports/campaigns/{sent.id}/retry", data=fields).location
    assert "every 1s" in browser.get(page).text
    ((name, extract),) = asked
    assert name == "reports.extract"
    slicing.carry_out(services.db, services.settings, extract)
    fragment = browser.get(page + "/progress").text
    assert "every" not in fragment
    assert "Open the draft" in fragment


@pytest.mark.parametrize("query", ["", "part=nothing", "part=status&value=" + "9" * 61, "part=status&value=%00"])
def test_a_part_that_does_not_exist_is_not_found(sent: Campaign, signed_in: SignIn, query: str) -> None:
    browser = signed_in("marketing")
    for deed in ("list", "retry"):
        assert browser.get(f"/reports/campaigns/{sent.id}/{deed}?{query}").status_code == 404
        data = dict(pair.split("=") for pair in query.replace("%00", "\x00").split("&") if pair)
        assert browser.post(f"/reports/campaigns/{sent.id}/{deed}", data=data).status_code == 404


def test_an_empty_part_says_so_and_makes_nothing(services: Services, sent: Campaign, signed_in: SignIn) -> None:
    browser = signed_in("marketing", locale="en")
    page = browser.get(f"/reports/campaigns/{sent.id}/list?part=status&value=-8").text
    assert "Nobody is in this part" in page
    data = {"part": "status", "value": "-8", "name": "Vazia", "press": "e" * 32}
    assert browser.post(f"/reports/campaigns/{sent.id}/list", data=data).status_code == 422
    with services.db.reading() as session:
        assert contacts.find_list(session, "Vazia") is None
        assert session.scalars(select(CampaignExtract)).all() == []


def test_a_bad_name_comes_back_with_its_fault(sent: Campaign, signed_in: SignIn) -> None:
    browser = signed_in("marketing", locale="en")
    fields = form(browser, f"/reports/campaigns/{sent.id}/list?part=status&value=9")
    for name, why in (("", "Give the list a name"), ("Clientes", "already"), ("x" * 121, "at most 120")):
        answer = browser.post(f"/reports/campaigns/{sent.id}/list", data={**fields, "name": name})
        assert answer.status_code == 422
        assert why in answer.text


def test_support_reads_the_report_and_makes_nothing_of_it(sent: Campaign, signed_in: SignIn) -> None:
    browser = signed_in("support")
    page = browser.get(f"/reports/campaigns/{sent.id}").text
    assert "/retry" not in page
    assert "/list?" not in page
    for deed in ("list", "retry"):
        assert browser.get(f"/reports/campaigns/{sent.id}/{deed}?part=missed").status_code == 403
        assert browser.post(f"/reports/campaigns/{sent.id}/{deed}", data={"part": "missed"}).status_code == 403

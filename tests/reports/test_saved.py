"""Views that are kept: one's own, those of colleagues, and never whose messages they were of."""

import re
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import select

from tests.conftest import SignIn
from tests.make import ANA
from tests.reports import world
from webapp.core.web import Services
from webapp.messages.outbox import NewMessage
from webapp.reports.models import SavedView


def views(services: Services) -> list[SavedView]:
    with services.db.reading() as session:
        return list(session.scalars(select(SavedView).order_by(SavedView.id)))


def test_a_view_is_kept_renamed_shared_and_deleted(services: Services, signed_in: SignIn) -> None:
    marketing = signed_in("marketing")
    kept = marketing.post("/messages/views", data={"name": " Falhas  da TIM ", "status": "failed", "carrier": "TIM"})
    assert kept.headers["Location"] == "/messages?status=failed&carrier=TIM"
    (view,) = views(services)
    assert (view.name, view.asked, view.shared) == ("Falhas da TIM", {"status": "failed", "carrier": "TIM"}, False)
    assert 'href="/messages?status=failed&amp;carrier=TIM"' in marketing.get("/messages").text
    support = signed_in("support")
    assert "Falhas da TIM" not in support.get("/messages").text
    marketing.post(f"/messages/views/{view.id}", data={"name": "TIM", "shared": "1"})
    assert ">TIM<" in support.get("/messages").text
    for path in (f"/messages/views/{view.id}", f"/messages/views/{view.id}/delete"):
        assert support.post(path, data={"name": "x"}).status_code == 404, "it is somebody else's"
    marketing.post(f"/messages/views/{view.id}/delete")
    assert views(services) == []


def test_the_same_name_replaces_and_another_ones_is_refused(services: Services, signed_in: SignIn) -> None:
    browser = signed_in("marketing", locale="en")
    for status in ("failed", "blocked"):
        browser.post("/messages/views", data={"name": "A", "status": status})
    browser.post("/messages/views", data={"name": "B", "status": "1"})
    first, second = views(services)
    assert first.asked == {"status": "blocked"}
    refused = browser.post(f"/messages/views/{second.id}", data={"name": "A"}, follow_redirects=True)
    assert "You have a view of that name already." in refused.text


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"name": "", "status": "failed"}, "Give the view a name"),
        ({"name": "x" * 61, "status": "failed"}, "Give the view a name"),
        ({"name": "Nothing"}, "there is nothing to keep"),
        ({"name": "Ana", "number": "11987654321"}, "there is nothing to keep"),
    ],
)
def test_what_can_not_be_kept_says_why(services: Services, signed_in: SignIn, data: dict[str, str], why: str) -> None:
    page = signed_in("support", locale="en").post("/messages/views", data=data, follow_redirects=True)
    assert why in unescape(page.text)
    assert views(services) == []


def test_whose_messages_a_view_shows_is_not_kept(services: Services, signed_in: SignIn) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, [NewMessage(ANA)]))
    data = {"name": "Ana", "status": "failed", "person": str(key)}
    signed_in("support").post("/messages/views", data=data)
    (view,) = views(services)
    assert view.asked == {"status": "failed"}


def test_a_number_never_stands_in_an_address(app: Flask, services: Services, signed_in: SignIn) -> None:
    (key,) = world.keys(services.db, world.launched(services.db, [NewMessage(ANA)]))
    browser = signed_in("support")
    for way in (
        browser.post("/messages/filter", data={"number": "(11) 98765-4321", "period": "30"}),
        browser.get("/messages?number=11987654321&period=30"),
    ):
        assert way.headers["Location"] == f"/messages?period=30&person={key}"
    page = browser.get(f"/messages?period=30&person={key}")
    assert page.headers["HX-Push-Url"] == f"/messages?period=30&person={key}"
    assert "98765" not in re.sub(r"[\s-]", "", page.text)
    assert page.text.count("<tr data-row") == 1
    assert browser.post("/messages/filter", data={"number": "21 99999-0000"}).headers["Location"].endswith("person=0")
    assert browser.get("/messages?person=0").text.count("<tr data-row") == 0
    assert browser.post("/messages/filter", data={"number": "4321"}).headers["Location"] == "/messages?number=4321"
    slip = browser.post("/messages/filter", data={"number": "1198765x4321"}).headers["Location"]
    assert not re.search("[0-9]{4}", slip), "a slip of a finger is no reason to write a number down"
    asked = browser.post("/messages/ask", data={"number": "11987654321", "period": "1"})
    assert "987654321" not in asked.headers["Location"]


def test_a_live_box_is_sent_only_when_something_changed(
    services: Services, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.reports.live.FRESH", -1.0)
    monkeypatch.setattr("webapp.reports.live.COUNTED", -1.0)
    (key, *_) = world.keys(services.db, world.launched(services.db, 3))
    browser = signed_in("marketing")

    def box(page: str) -> str:
        found = re.search(r'hx-get="(/messages/rows[^"]*)"', page)
        assert found is not None
        return unescape(found[1])

    url = box(browser.get("/messages").text)
    assert browser.get(url).status_code == 204
    world.heard(services.db, key, "1")
    changed = browser.get(url)
    assert changed.status_code == 200
    assert browser.get(box(changed.text)).status_code == 204
    world.launched(services.db, 1)
    assert browser.get(box(changed.text)).status_code == 200


def test_tabs_of_one_view_share_one_look(services: Services, signed_in: SignIn) -> None:
    world.launched(services.db, 3)
    browser = signed_in("marketing")
    assert browser.get("/messages/rows").status_code == 200
    world.launched(services.db, 1)
    assert browser.get("/messages/rows").text.count("<tr data-row") == 3, "within a second nobody looks again"

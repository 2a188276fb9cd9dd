"""The audit trail: read, filtered, exported."""

import csv
import io
import re
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from tests.admin.conftest import actions
from webapp.accounts.models import Audit, Person
from webapp.admin import queries
from webapp.core import clock
from webapp.core.web import Services


def _entries(services: Services, *rows: tuple[str, str, datetime]) -> None:
    with services.db.writing() as session:
        for action, actor, at in rows:
            session.add(
                Audit(
                    at=at,
                    person_id=None,
                    actor=actor,
                    address="10.0.0.1",
                    action=action,
                    subject="campaign 7",
                    detail={},
                )
            )


def test_entries_are_said_in_words_the_latest_first(admin: FlaskClient, services: Services):
    now = clock.now()
    _entries(services, ("campaign.cancel", "command", now - timedelta(hours=1)), ("made.up", "worker", now))
    page = admin.get("/admin/audit").text
    assert "Cancelled a campaign" in page
    assert "<code>made.up</code>" in page
    assert page.index("made.up</code>") < page.index("Cancelled a campaign</td>")
    assert "campaign 7" in page


def test_people_are_named_and_can_be_filtered(admin: FlaskClient, services: Services):
    with services.db.writing() as session:
        session.get_one(Person, 1).name = "Ana Souza"
    admin.post("/admin/callbacks/reveal")
    _entries(services, ("campaign.cancel", "command", clock.now()))
    mine = admin.get("/admin/audit?who=1").text
    assert 'href="/admin/people/1">Ana Souza</a>' in mine
    assert "campaign 7" not in mine
    others = admin.get("/admin/audit?who=command").text
    assert "campaign 7" in others
    assert 'href="/admin/people/1">Ana Souza</a>' not in others


def test_days_of_a_period_are_the_readers_days(admin: FlaskClient, services: Services):
    """21:30 in São Paulo on the 5th is 00:30 UTC on the 6th; it belongs to the 5th."""
    _entries(
        services, ("late.evening", "x", datetime(2026, 3, 6, 0, 30)), ("next.day", "x", datetime(2026, 3, 6, 3, 30))
    )
    fifth = admin.get("/admin/audit?since=2026-03-05&until=2026-03-05").text
    assert "<code>late.evening" in fifth and "<code>next.day" not in fifth
    sixth = admin.get("/admin/audit?since=2026-03-06&until=2026-03-06").text
    assert "<code>next.day" in sixth and "<code>late.evening" not in sixth


def test_an_action_is_filtered_and_nothing_found_is_said(admin: FlaskClient, services: Services):
    _entries(services, ("a.b", "x", clock.now()), ("c.d", "x", clock.now()))
    assert "<code>c.d" not in admin.get("/admin/audit?action=a.b").text
    assert "Nothing fits these filters" in admin.get("/admin/audit?action=z").text


@pytest.mark.parametrize(
    "query", ["since=nonsense", "since=0001-01-01", "until=9999-12-31", "who=99999999999999", "after=x"]
)
def test_odd_filters_break_nothing(admin: FlaskClient, query: str):
    assert admin.get(f"/admin/audit?{query}").status_code == 200


def test_pages_go_on_where_the_last_one_ended(admin: FlaskClient, services: Services):
    now = clock.now()
    _entries(services, *((f"n.{number}", "command", now + timedelta(seconds=number)) for number in range(120)))
    path, seen = "/admin/audit?who=command", []
    while path:
        page = admin.get(path).text
        seen += re.findall(r"<code>n\.(\d+)", page)
        more = re.search(r'hx-get="(/admin/audit\?after=[^"]+)"', page)
        path = more[1].replace("&amp;", "&") if more else ""
        assert not path or "who=command" in path
    assert [int(number) for number in seen] == list(range(119, -1, -1))


def test_the_export_is_a_spreadsheet_and_an_entry_of_its_own(admin: FlaskClient, services: Services):
    _entries(services, ("a.b", '=HYPERLINK("http://evil")', clock.now()), ("c.d", "x", clock.now()))
    answer = admin.post("/admin/audit/export", data={"action": "a.b"})
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.data.startswith("\ufeff".encode())
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff")), delimiter=";"))
    assert rows[0][0] == "at_utc"
    assert len(rows) == 2
    assert rows[1][1] == '\'=HYPERLINK("http://evil")'
    assert rows[1][4] == "a.b"
    assert actions(services)[-1] == "audit.export"


def test_the_export_holds_everything_in_order(services: Services):
    start = datetime(2026, 1, 1)
    _entries(services, *((f"n.{number}", "x", start) for number in range(2300)))
    with services.db.reading() as session:
        found = [entry.action for entry in queries.whole_trail(session, queries.TrailFilter())]
    assert found == [f"n.{number}" for number in range(2300)]

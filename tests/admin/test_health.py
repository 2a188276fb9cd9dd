"""Health: what is told, what raises an alarm, and batches that wait for a decision."""

import shutil
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from tests import make
from tests.admin.conftest import actions
from webapp.admin import alerts, health
from webapp.core import clock
from webapp.core.jobs import Tick
from webapp.core.web import Services
from webapp.gateway import account
from webapp.inbox.models import RawInbound
from webapp.messages import outbox, rounds
from webapp.messages.models import Batch, Cursor, Message, RunCount, WorkerSeen


def _keys(services: Services, now: datetime | None = None) -> set[str]:
    with services.db.reading() as session:
        found = health.check(session, services.settings, now)
        return {alert.key for alert in alerts.alerts(session, found, services.settings, services.box)}


@pytest.fixture
def well(services: Services) -> Services:
    """An installation with nothing to complain about."""
    now = clock.now()
    with services.db.writing() as session:
        session.add(WorkerSeen(id="host:1:abc", started_at=now, seen_at=now))
        session.add(Tick(name="credits.ask", due_at=now + timedelta(seconds=30), ran_at=now))
        session.add(Cursor(name="mt_date", until=now, ran_at=now, rows=10, differences=0))
        kept = account.row(session)
        kept.url, kept.user = "http://127.0.0.1:9/webservice-rest/", "acme"
        kept.password_sealed = services.box.encrypt(b"secret").decode()
    return services


def _batch(services: Services, state: str, *, problem: str | None = None, unknown_for: timedelta | None = None) -> int:
    now = clock.now()
    with services.db.writing() as session:
        run = outbox.open_run(session, kind="campaign", name="Black Friday", type=0, text="Oi", total=2, not_before=now)
        rows = [outbox.NewMessage(make.ANA, None, None, None), outbox.NewMessage(make.BRUNO, None, None, None)]
        outbox.write_chunk(session, run, rows, 100)
        outbox.finish_launch(session, run)
        batch = session.query(Batch).filter_by(run_id=run.id).one()
        batch.state, batch.problem, batch.attempts = state, problem, 1
        batch.unknown_since = now - unknown_for if unknown_for else None
        return batch.id


def test_an_installation_that_is_well_raises_nothing(well: Services, admin: FlaskClient):
    assert _keys(well) == set()
    assert "Everything is well" in admin.get("/admin/health").text
    assert "Everything is well" in admin.get("/admin").text


def test_a_silent_worker_is_no_worker(well: Services):
    assert _keys(well, clock.now() + timedelta(seconds=61)) == {"worker"}


def test_late_periodic_work_is_told_while_a_worker_runs(well: Services):
    with well.db.writing() as session:
        session.get_one(Tick, "credits.ask").due_at = clock.now() - timedelta(minutes=6)
    assert _keys(well) == {"ticks"}


def test_a_stopped_gateway_is_told(well: Services, admin: FlaskClient):
    with well.db.writing() as session:
        account.stop(session, "090")
    assert "stopped" in _keys(well)
    assert "The gateway blocked the account." in admin.get("/admin").text


def test_counters_that_were_set_right_are_told_for_a_week_with_what_they_said_before(
    well: Services, admin: FlaskClient
):
    _batch(well, "queued")
    with well.db.writing() as session:
        session.execute(update(RunCount).values(n=1234))
    assert rounds.whole(well.db).drifts
    assert _keys(well) == {"drift"}
    page = admin.get("/admin/health").text
    assert "Some figures were wrong and were counted anew" in page
    assert "Black Friday" in page
    assert "<code>pending</code> 1,234 → 2" in page
    later = clock.now() + timedelta(days=8)
    assert "drift" not in _keys(well, later)


def test_unread_and_odd_replies_are_told(well: Services):
    now = clock.now()
    with well.db.writing() as session:
        session.add(RawInbound(source="mo", body=b"x", received_at=now - timedelta(minutes=6)))
        session.add(RawInbound(source="mo", body=b"x", received_at=now, read_at=now, problem="nobody"))
    assert _keys(well) == {"unread", "odd"}


def test_a_full_disk_is_told(well: Services, monkeypatch: pytest.MonkeyPatch):
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _path: usage(100 * 10**9, 99 * 10**9, 10**9))
    assert _keys(well) == {"disk"}


def test_plain_http_to_elsewhere_and_an_address_nobody_reaches_are_told(well: Services):
    with well.db.writing() as session:
        account.row(session).url = "http://gateway.example/webservice-rest/"
    assert _keys(well) == {"plain", "public"}


def test_without_an_account_only_that_is_told_of_the_gateway(services: Services):
    assert _keys(services) == {"worker", "account"}


def test_every_alert_says_where_it_is_mended(admin: FlaskClient, services: Services):
    with services.db.reading() as session:
        found = health.check(session, services.settings)
        for alert in alerts.alerts(session, found, services.settings, services.box):
            assert alert.endpoint in admin.application.view_functions


def test_the_live_part_asks_again_every_fifteen_seconds(well: Services, admin: FlaskClient):
    page, fragment = admin.get("/admin/health").text, admin.get("/admin/health/now").text
    for text in (page, fragment):
        assert 'hx-get="/admin/health/now"' in text
        assert 'hx-trigger="every 15s"' in text
    assert "<html" not in fragment
    assert "host" in fragment and "credits.ask" in fragment and "mt_date" in fragment
    assert "SQLite" in fragment and "Python" in fragment


def test_rows_of_a_canary_wait_for_no_person(well: Services, admin: FlaskClient):
    held = _batch(well, "held", problem=outbox.CANARY)
    assert _keys(well) == set()
    assert admin.get(f"/admin/batches/{held}").status_code == 404


class TestDecisions:
    def test_a_held_batch_is_sent_again(self, well: Services, admin: FlaskClient):
        held = _batch(well, "held", problem="140")
        assert _keys(well) == {"held"}
        page = admin.get(f"/admin/batches/{held}").text
        assert "The gateway does not accept the time zone." in page
        assert "Black Friday" in page
        said = admin.post(f"/admin/batches/{held}", data={"deed": "again"}, follow_redirects=True).text
        assert "2 messages leave again." in said
        with well.db.reading() as session:
            assert session.get_one(Batch, held).state == "queued"
        assert actions(well) == ["batch.again"]

    def test_a_batch_unknown_for_a_day_is_given_up(self, well: Services, admin: FlaskClient):
        lost = _batch(well, "unknown", problem="person", unknown_for=timedelta(hours=25))
        assert _keys(well) == {"held", "unknown"}
        admin.post(f"/admin/batches/{lost}", data={"deed": "leave"})
        with well.db.reading() as session:
            assert {(row.state, row.reason) for row in session.query(Message)} == {("expired", "declined")}
        assert admin.get(f"/admin/batches/{lost}").status_code == 404
        assert actions(well) == ["batch.leave"]

    def test_nothing_is_decided_while_recado_can_find_out(self, well: Services, admin: FlaskClient):
        asking = _batch(well, "unknown", unknown_for=timedelta(hours=2))
        assert _keys(well) == {"unknown"}
        assert 'name="deed"' not in admin.get(f"/admin/batches/{asking}").text
        said = admin.post(f"/admin/batches/{asking}", data={"deed": "again"}, follow_redirects=True).text
        assert "still asking the gateway" in said
        with well.db.reading() as session:
            assert session.get_one(Batch, asking).state == "unknown"
        assert actions(well) == []

    def test_two_clicks_decide_once(self, well: Services, admin: FlaskClient):
        held = _batch(well, "held", problem="140")
        admin.post(f"/admin/batches/{held}", data={"deed": "leave"})
        assert admin.post(f"/admin/batches/{held}", data={"deed": "again"}).status_code in {303, 404}
        with well.db.reading() as session:
            assert {row.state for row in session.query(Message)} == {"expired"}

    def test_an_odd_word_is_no_decision(self, well: Services, admin: FlaskClient):
        held = _batch(well, "held", problem="140")
        assert admin.post(f"/admin/batches/{held}", data={"deed": "explode"}).status_code == 400


def test_questions_about_each_type_are_told_as_one_row(well: Services, admin: FlaskClient):
    now = clock.now()
    with well.db.writing() as session:
        for kind, rows in (("0", 40), ("5", 2)):
            session.add(Cursor(name=f"mt_date.young.{kind}", ran_at=now, rows=rows, differences=0))
        session.add(Cursor(name="callbacks", ran_at=now, rows=0, differences=0))
    page = admin.get("/admin/health").text
    assert page.count("mt_date.young") == 1
    assert ">42<" in page
    assert "<code>callbacks</code>" not in page

"""Raw replies that nobody understood: shown covered, seen in full on the record, read again, set aside."""

import pytest
from flask.testing import FlaskClient

from tests.admin.conftest import actions
from webapp.core import clock
from webapp.core.web import Services
from webapp.inbox.models import Inbound, RawInbound


def _raw(services: Services, body: bytes, problem: str = "odd_rows 1", source: str = "callback") -> int:
    now = clock.now()
    with services.db.writing() as session:
        raw = RawInbound(source=source, body=body, received_at=now, read_at=now, problem=problem)
        session.add(raw)
        session.flush()
        return raw.id


def test_nothing_odd_is_a_good_page(admin: FlaskClient):
    assert "All replies were understood" in admin.get("/admin/replies").text


def test_what_was_not_understood_is_shown_with_its_numbers_covered(admin: FlaskClient, services: Services):
    _raw(services, b"telefone=5511987654321&texto=<script>alert(1)</script>")
    page = admin.get("/admin/replies").text
    assert "5511987654321" not in page
    assert "…4321" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    "problem", ["nobody", "unreadable LookupFailed", "odd_rows 3", "too_few 2", "error KeyError", "?"]
)
def test_every_problem_has_a_sentence(admin: FlaskClient, services: Services, problem: str):
    _raw(services, b"x", problem)
    page = admin.get("/admin/replies").text
    assert f"<td>{problem}" not in page
    assert 'class="cell-words">' in page


def test_seeing_one_in_full_is_on_the_record(admin: FlaskClient, services: Services):
    raw_id = _raw(services, b"telefone=5511987654321&texto=Oi \xff")
    page = admin.post(f"/admin/replies/{raw_id}/reveal").text
    assert "5511987654321" in page
    assert actions(services) == ["reply.reveal"]


def test_one_is_read_again_after_what_kept_it_is_mended(admin: FlaskClient, services: Services):
    raw_id = _raw(services, b"number=5511987654321&content=Oi&status=4&date=2026-11-20+10:00:00", "error KeyError")
    said = admin.post(f"/admin/replies/{raw_id}/read", follow_redirects=True).text
    assert "Understood now" in said
    with services.db.reading() as session:
        assert session.query(Inbound).one().text == "Oi"
    assert "All replies were understood" in admin.get("/admin/replies").text


def test_what_still_makes_no_sense_stays(admin: FlaskClient, services: Services):
    raw_id = _raw(services, b"content=Oi&status=4", "nobody")
    assert "still cannot be understood" in admin.post(f"/admin/replies/{raw_id}/read", follow_redirects=True).text
    assert f"/admin/replies/{raw_id}/settle" in admin.get("/admin/replies").text


def test_one_is_set_aside_and_found_there(admin: FlaskClient, services: Services):
    raw_id = _raw(services, b"content=Oi", "nobody")
    admin.post(f"/admin/replies/{raw_id}/settle")
    admin.post(f"/admin/replies/{raw_id}/settle")
    assert "content=Oi" not in admin.get("/admin/replies").text
    assert "content=Oi" in admin.get("/admin/replies?shown=settled").text
    assert actions(services) == ["reply.settle"]


def test_one_that_was_understood_is_none_of_this_page(admin: FlaskClient, services: Services):
    now = clock.now()
    with services.db.writing() as session:
        session.add(RawInbound(id=5, source="mo", body=b"x", received_at=now, read_at=now))
    for deed in ("reveal", "read", "settle"):
        assert admin.post(f"/admin/replies/5/{deed}").status_code == 404
    assert actions(services) == []

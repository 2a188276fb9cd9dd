"""The bytes of status callbacks live 40 days; what they said stays."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from webapp.core import clock
from webapp.core.web import Services
from webapp.messages import retention
from webapp.messages.models import Receipt


def test_bytes_go_after_forty_days_in_chunks_and_their_meaning_stays(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)
    now = clock.now()
    with services.db.writing() as session:
        for age in [50.0] * 5 + [45, 44, 43, 42, 41, 39, 1]:  # five in one moment are one step, however many they are
            session.add(Receipt(heard_at=now - timedelta(days=age), source="callback", raw="number=55", status="1"))
    assert retention.forget_old(services.db, now=now) == 10
    assert retention.forget_old(services.db, now=now) == 0
    assert retention.forget_old(services.db, now=now + timedelta(days=2)) == 1
    with services.db.reading() as session:
        rows = session.scalars(select(Receipt).order_by(Receipt.heard_at)).all()
        assert [row.raw for row in rows] == [None] * 11 + ["number=55"]
        assert {row.status for row in rows} == {"1"}

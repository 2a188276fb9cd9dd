"""What supervisors and monitors ask: able to serve, and how many work at it."""

from datetime import timedelta

import pytest
from flask import Flask

from webapp.core import clock
from webapp.core.keyfile import keep
from webapp.core.web import Services
from webapp.messages.models import WorkerSeen


def seen(services: Services, name: str, ago: timedelta) -> None:
    with services.db.writing() as session:
        session.add(WorkerSeen(id=name, started_at=clock.now(), seen_at=clock.now() - ago))


def test_ready_only_while_a_worker_is_about(app: Flask, services: Services) -> None:
    client = app.test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "not ready", "database": True, "schema": True, "worker": False}
    seen(services, "silent", timedelta(minutes=2))
    assert client.get("/readyz").status_code == 503
    seen(services, "alive", timedelta(seconds=5))
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=2)])
def test_a_pulse_of_before_the_clock_was_set_back_is_no_pulse(app: Flask, services: Services, back: timedelta) -> None:
    seen(services, "of the future", -back)
    assert app.test_client().get("/readyz").status_code == 503


def test_monitors_count_workers_from_this_machine_or_with_the_token(app: Flask, services: Services) -> None:
    client = app.test_client()
    for name, ago in (("one", 1), ("two", 2), ("gone", 3600)):
        seen(services, name, timedelta(seconds=ago))
    assert "recado_workers 2\n" in client.get("/metrics").text
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", environ_base=elsewhere).status_code == 404
    token = keep(services.settings.instance / "metrics_token")
    allowed = client.get("/metrics", environ_base=elsewhere, headers={"Authorization": f"Bearer {token}"})
    assert "recado_workers 2\n" in allowed.text

"""Asking the gateway: windows of mt_date, one message by mt_id, look-ups that go wrong."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.messages.conftest import Launch
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.messages import polling
from webapp.messages.models import Cursor, Message
from webapp.sandbox.server import Sandbox


def test_statuses_come_by_mt_date_when_no_callback_does(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    launch(30)
    drain()
    done = polling.sync_statuses(services, gateway)
    assert done.asked >= 24
    assert done.changed == 30
    with services.db.reading() as session:
        assert all(session.scalars(select(Message.status)).all())
        assert_counters_exact(session)
    assert polling.sync_statuses(services, gateway).changed == 0


def test_a_window_that_answers_html_is_halved(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    launch(10)
    drain()
    box.fault("html", "mt_date", times=2)
    done = polling.sync_statuses(services, gateway)
    assert done.asked >= 28
    assert done.changed == 10


def test_a_sweep_that_fails_says_so_and_loses_nothing(services: Services, box: Sandbox, gateway: Gateway) -> None:
    box.fault("code", "mt_date", code="100")
    polling.sweep(services, "recent", gateway)
    with services.db.reading() as session:
        cursor = session.get_one(Cursor, "mt_date.recent")
        assert cursor.problem == "Busy 100"
        assert cursor.until is None
    box.clear_faults()
    polling.sweep(services, "recent", gateway)
    with services.db.reading() as session:
        assert session.get_one(Cursor, "mt_date.recent").problem is None


def test_one_message_is_asked_about_by_its_reference(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    run = launch(1)
    drain()
    applied = polling.check_one(services, run.first_key, gateway)
    assert applied.found == 1
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).gateway_id


def test_without_an_account_a_sync_says_what_to_do(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    bare = replace(services, settings=replace(services.settings, gateway_url=None))
    with pytest.raises(UserError, match="No gateway account"):
        polling.sync_statuses(bare)


def test_old_hours_are_asked_only_where_something_is_open(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int], gateway: Gateway
) -> None:
    launch(2)
    drain()
    with services.db.writing() as session:
        for message in session.scalars(select(Message)):
            message.at = clock.now() - timedelta(days=5)
    with services.db.reading() as session:
        assert len(polling._open_hours(session, clock.now())) in {1, 2}
        assert polling._open_hours(session, clock.now() + timedelta(days=40)) == []

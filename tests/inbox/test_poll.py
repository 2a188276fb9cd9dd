"""Asking the gateway for replies, over real HTTP against the sandbox."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.inbox import replies
from tests.make import ANA, BRUNO
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.inbox import commands, intake, jobs, polling
from webapp.messages.models import Cursor
from webapp.sandbox.server import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A gateway that people answer only when told to."""
    with Sandbox(speed=1000, replies=False) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, box: Sandbox) -> Settings:
    """An installation on that gateway."""
    return replace(settings, gateway_url=box.url, gateway_user="demo", gateway_password="demo", gateway_timeout=5.0)


def cursor(services: Services, name: str) -> Cursor | None:
    with services.db.reading() as session:
        return session.get(Cursor, f"inbox.{name}")


def test_a_poll_brings_new_replies_once(services: Services, box: Sandbox) -> None:
    box.reply(str(ANA), "Quero!")
    box.reply(str(BRUNO), "Não, obrigado")
    for _ in range(2):
        jobs.poll(services)
    assert {(reply.number, reply.text) for reply in replies.all_inbound(services)} == {
        (ANA, "Quero!"), (BRUNO, "Não, obrigado")
    }  # fmt: skip
    swept = cursor(services, "mo")
    assert swept and swept.differences == 0 and swept.problem is None


def test_sync_counts_calls_and_rows(services: Services, box: Sandbox) -> None:
    box.reply(str(ANA), "Quero!")
    first, second = commands.sync_replies(services), commands.sync_replies(services)
    assert (first["new"], second["new"]) == (1, 0)
    assert first["asked"] > 48 and set(first) == {"asked", "new", "changed"}


def test_a_lost_answer_of_mo_new_is_found_by_the_sweep(services: Services, box: Sandbox) -> None:
    box.reply(str(ANA), "quase perdida")
    box.fault("cut", "mo_new", times=1)
    jobs.poll(services)
    assert [reply.source for reply in replies.all_inbound(services)] == ["mo"]
    assert any((raw.problem or "").startswith("unreadable") for raw in replies.raw_rows(services))
    asked = cursor(services, "mo_new")
    assert asked and asked.problem
    swept = cursor(services, "mo")
    assert swept and swept.differences == 1


def test_a_callback_and_both_polls_are_one_reply(services: Services, box: Sandbox) -> None:
    box.reply(str(ANA), "Sim")
    replies.callback(services, ANA, "Sim")
    commands.sync_replies(services)
    assert len(replies.all_inbound(services)) == 1


def test_a_window_that_does_not_answer_is_halved(services: Services, box: Sandbox) -> None:
    box.reply(str(ANA), "muita gente")
    box.fault("html", "mo", times=1)
    gateway = polling.connected(services)
    asked = polling.sweep(services, gateway, timedelta(hours=1))
    gateway.close()
    assert asked.read.new == 1 and asked.calls == 4  # two windows, one of them asked again as two halves


def test_wrong_credentials_are_said_and_nothing_breaks(services: Services, box: Sandbox) -> None:
    box.settings(password="another")
    jobs.poll(services)
    asked = cursor(services, "mo_new")
    assert asked and asked.problem and asked.problem.startswith("010")
    with pytest.raises(UserError, match="user or password"):
        commands.sync_replies(services)


def test_the_jobs_do_what_their_names_say(services: Services, box: Sandbox) -> None:
    tasks = {task.name: task for task in services.jobs.periodic}
    assert {"inbox.poll", "inbox.sweep", "inbox.replay", "inbox.forget"} <= set(tasks)
    assert tasks["inbox.poll"].seconds == services.settings.poll_seconds
    box.reply(str(ANA), "oi")
    intake.keep_raw(services, "callback", replies.query(BRUNO, "guardada"))
    for name in ("inbox.sweep", "inbox.replay", "inbox.forget"):
        tasks[name].run()
    assert [reply.number for reply in replies.all_inbound(services)] == [ANA]


class TestWithoutAnAccount:
    """Nothing is set up: jobs rest, the command says so."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, gateway_url=None)

    def test_polling_rests_and_the_command_says_why(self, services: Services) -> None:
        jobs.poll(services)
        jobs.sweep_far(services)
        with pytest.raises(UserError, match="not set up"):
            commands.sync_replies(services)

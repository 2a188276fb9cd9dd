"""An installation that speaks to a sandbox of its own, and launches to send through it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.gateway.wire import ItemAnswer
from webapp.messages import outbox, sending
from webapp.messages.claim import Claimed
from webapp.messages.models import Run
from webapp.messages.outbox import NewMessage
from webapp.sandbox.server import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A gateway that answers at once, without replies of its own."""
    with Sandbox(user="ana", password="segredo", speed=1000, replies=False) as sandbox:
        yield sandbox


@pytest.fixture
def settings(tmp_path: Path, box: Sandbox, database: str) -> Settings:
    return settings_module.load(
        {},
        database_url=database,
        instance=tmp_path / "instance",
        secret_key="a secret for tests only",
        gateway_url=box.url,
        gateway_user="ana",
        gateway_password="segredo",
        sending_window="always",
        settle_seconds="0",
        batch_size="100",
        gateway_timeout="2",
    )


@pytest.fixture
def gateway(settings: Settings) -> Gateway:
    return Gateway(
        settings.gateway_url or "",
        settings.gateway_user or "",
        settings.gateway_password or "",
        timeout=settings.gateway_timeout,
    )


Launch = Callable[..., Run]
FIRST = 5511981232000  # endings below 2000 are the sandbox's special cases


@pytest.fixture
def launch(services: Services) -> Launch:
    """`launch(250)` starts a run of 250 people; `numbers=`, `left_out=` and the run's own settings may be given."""

    def start(people: int = 3, *, numbers: Sequence[int] = (), rows: Sequence[NewMessage] = (), **run: Any) -> Run:
        chosen = list(rows) or [NewMessage(number) for number in numbers or range(FIRST, FIRST + people)]
        options: dict[str, Any] = {
            "kind": "campaign", "name": "Promoção", "type": 0, "text": "Oi!", "total": len(chosen),
            "not_before": clock.now() - timedelta(seconds=1),
        } | run  # fmt: skip
        with services.db.writing() as session:
            made = outbox.open_run(session, **options)
            outbox.write_chunk(session, made, chosen, services.settings.batch_size)
            outbox.finish_launch(session, made)
        return made

    return start


@pytest.fixture
def drain(services: Services, gateway: Gateway) -> Callable[[], int]:
    """Send every batch that is due; returns how many calls it took."""

    def run() -> int:
        calls = 0
        while sending.send_next(services.db, services.settings, gateway):
            calls += 1
        return calls

    return run


def hand_over(services: Services, gateway: Gateway, claimed: Claimed) -> tuple[sending.Load, Sequence[ItemAnswer]]:
    """A claimed batch, up to the answer: nothing of it is written down yet."""
    load = services.db.retrying(lambda session: sending.prepare(session, services.settings, claimed))
    letter = sending.written(gateway, claimed, load)
    return load, gateway.answers(letter, sending.call(gateway, letter))

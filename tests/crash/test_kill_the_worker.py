"""SIGKILL in the middle of sending: what the gateway's ledger holds is what we say, once a person."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from webapp import make_services, migrate
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.messages import outbox, queries
from webapp.messages.models import Batch, Run
from webapp.sandbox.server import Sandbox

PEOPLE = 20_000
FIRST = 5511970000000
TIMEOUT = 2.0  # seconds for one call; a lease ends 5 s later


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Sandbox, Services]]:
    with Sandbox(
        user="ana",
        password="segredo",
        speed=1000,
        replies=False,
        special_numbers=False,
        failures=0,
        store=tmp_path / "box.db",
    ) as box:
        options = (
            {"database_url": str(request.getfixturevalue("postgres_url"))} if request.param == "postgresql" else {}
        )
        settings = settings_module.load(
            {}, instance=tmp_path / "instance", gateway_url=box.url, gateway_user="ana", gateway_password="segredo",
            sending_window="always", settle_seconds="1", gateway_timeout=str(TIMEOUT), batch_size="2500", concurrency="2",
            **options,
        )  # fmt: skip
        services = make_services(settings)
        migrate.upgrade(services.db)
        yield box, services
        services.db.dispose()


def environment(settings: Settings) -> dict[str, str]:
    names = (
        "database_url", "gateway_url", "gateway_user", "gateway_password", "sending_window", "settle_seconds",
        "gateway_timeout", "batch_size", "concurrency",
    )  # fmt: skip
    given = {f"RECADO_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {**os.environ, **given, "RECADO_INSTANCE": str(settings.instance)}


def start_worker(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from webapp.cli import main; main()", "worker"],
        env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def launch(services: Services, people: int) -> int:
    with services.db.writing() as session:
        run = outbox.open_run(
            session, kind="campaign", name="Promoção", type=0, text="Oi!", total=people,
            not_before=clock.now() - timedelta(seconds=1),
        )  # fmt: skip
        for start in range(0, people, 5000):
            rows = [outbox.NewMessage(FIRST + start + place) for place in range(min(5000, people - start))]
            outbox.write_chunk(session, run, rows, services.settings.batch_size)
        outbox.finish_launch(session, run)
        return run.id


def standing(services: Services, run_id: int) -> queries.Counts:
    with services.db.reading() as session:
        return queries.counts(session, session.get_one(Run, run_id))


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def test_killing_the_worker_in_the_middle_sends_nobody_twice_and_misses_nobody(
    installation: tuple[Sandbox, Services], request: pytest.FixtureRequest
) -> None:
    box, services = installation
    kills = request.config.getoption("--kills") or 3
    chance = random.Random(7)
    run_id = launch(services, PEOPLE)
    box.fault("slow", "send-multiple", seconds=0.4)  # so that a kill finds calls under way
    for number in range(kills):
        worker = start_worker(services.settings)
        reached = box.summary()["accepted"]
        wait_until(
            lambda before=reached: box.summary()["accepted"] > before or standing(services, run_id).waiting == 0, 40
        )
        time.sleep(chance.uniform(0, 0.5))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        print(f"kill {number + 1}: {box.summary()['accepted']} accepted, {standing(services, run_id)}")
    box.clear_faults()
    worker = start_worker(services.settings)
    try:
        wait_until(lambda: standing(services, run_id).waiting == 0, 60)
    finally:
        worker.terminate()
        assert worker.wait(15) == 0
    ledger = [row["number"] for row in box.ledger()]
    found = standing(services, run_id)
    twice, missed = len(ledger) - len(set(ledger)), PEOPLE - len(set(ledger))
    print(f"kills {kills}, twice {twice}, missed {missed}")
    assert (twice, missed) == (0, 0)
    assert (found.accepted, found.adds_up) == (PEOPLE, True)
    with services.db.reading() as session:
        sizes = [batch.last_key - batch.first_key + 1 for batch in session.scalars(select(Batch))]
        assert max(sizes) <= 5000
        assert session.get_one(Run, run_id).state == "finished"

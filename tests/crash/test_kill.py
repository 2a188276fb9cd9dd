"""SIGKILL at every point of a message's way, with answers lost: what the gateway's ledger holds is what we say.

The short form is part of the suite. `pytest tests/crash/test_kill.py -n0 -s --kills 1000` is the long one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.arena import Arena
from webapp import make_services, migrate
from webapp.core import settings as settings_module
from webapp.sandbox.server import Sandbox

SHORT = 24  # kills


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    options = {"database_url": str(request.getfixturevalue("postgres_url"))} if request.param == "postgresql" else {}
    with Sandbox(
        user="ana", password="segredo", speed=1000, replies=False, special_numbers=False, failures=0,
        store=tmp_path / "box.db", balances={1: 10**9},
    ) as box:  # fmt: skip
        settings = settings_module.load(
            {}, instance=tmp_path / "instance", gateway_url=box.url, gateway_user="ana", gateway_password="segredo",
            sending_window="always", settle_seconds="1", gateway_timeout="1", batch_size="50", concurrency="3",
            poll_seconds="2", **options,
        )  # fmt: skip
        services = make_services(settings)
        migrate.upgrade(services.db)
        made = Arena(box, services)
        made.settle_in()
        yield made
        made.close()
        services.db.dispose()


def test_killed_at_every_point_nobody_is_written_to_twice_and_nobody_missed(
    arena: Arena, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills = request.config.getoption("--kills") or SHORT

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="", flush=True)

    arena.fire(kills, 2 if kills <= SHORT else 3, say if kills > SHORT else print)
    arena.come_to_rest(300)
    toll = arena.toll()
    for name, n in sorted(arena.kills.items()):
        print(f"{n:5} killed {name}")
    said = f"kills {kills}, answers lost {arena.answers_lost}, twice {toll.twice}, missed {toll.missed}"
    (say if kills > SHORT else print)(f"{said}; {toll}")
    assert (toll.twice, toll.missed, toll.unknown_to_us) == (0, 0, 0)
    assert toll.accepted + toll.suppressed == toll.people == arena.campaigns * 1000

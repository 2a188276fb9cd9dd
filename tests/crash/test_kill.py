"""SIGKILL at every point of a message's way, with answers lost: what the gateway's ledger holds is what we say.

The short form is part of the suite. `pytest tests/crash/test_kill.py -n0 -s --kills 1000` is the long one.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import lives, toll
from tests.crash.arena import PEOPLE, Arena
from tests.installation import is_free
from webapp import migrate
from webapp.core import settings as settings_module
from webapp.factory import make_services
from webapp.sandbox.server import Sandbox
from webapp.serve import first_start

SHORT = 16  # kills, spread over all the points
TOKEN = "killed-at-every-point-0123456789"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    options = (
        {"database_url": str(request.getfixturevalue("postgres_new_url"))} if request.param == "postgresql" else {}
    )
    site = f"http://127.0.0.1:{quiet_port()}"
    with Sandbox(
        user="ana", password="segredo", speed=30, replies=False, special_numbers=False, failures=0.1,
        store=tmp_path / "box.db", balances={1: 10**9}, status_url=f"{site}/callback/{TOKEN}/status", callback_tries=2,
        callback_retry_seconds=0.1, callback_shuffle=True, callback_repeat=0.1,
    ) as box:  # fmt: skip
        settings = settings_module.load(
            {}, instance=tmp_path / "instance", gateway_url=box.url, gateway_user="ana", gateway_password="segredo",
            callback_token=TOKEN, public_url=site, sending_window="always", settle_seconds="1", gateway_timeout="1",
            batch_size="5", concurrency="3", poll_seconds="2", **options,
        )  # fmt: skip
        services = make_services(settings)
        migrate.upgrade(services.db)
        first_start(services)
        made = Arena(box, services)
        made.settle_in()
        yield made
        made.marketing.go()
        made.close()
        services.db.dispose()


def quiet_port() -> int:
    """A port that no connection is given as its own end, as that of a dead web server might be: it could not come back."""
    return next(port for port in random.sample(range(20_000, 32_000), 100) if is_free(port))


def test_killed_at_every_point_nobody_is_written_to_twice_and_nobody_missed(
    arena: Arena, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills = request.config.getoption("--kills") or SHORT

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="", flush=True)

    tell = say if kills > SHORT else print
    began = time.monotonic()
    arena.fire(kills, 2 if kills <= SHORT else 3, tell)
    fired = time.monotonic()
    arena.come_to_rest(300)
    tell(f"{fired - began:.0f} s under fire, {time.monotonic() - fired:.0f} s to come to rest")
    cost = toll.take(arena.services.db, arena.box, PEOPLE)
    for (kind, where), n in sorted(arena.kills.items()):
        tell(f"{n:5} {kind} killed {where}")
    tell(f"{arena.summary(cost)}; the log is {arena.services.settings.instance / lives.LOG}")
    assert (cost.twice, cost.missed, cost.unknown_to_us, cost.statuses_wrong, cost.steps_back) == (0, 0, 0, 0, 0)
    assert cost.accepted + cost.suppressed == cost.people == arena.marketing.campaigns * PEOPLE

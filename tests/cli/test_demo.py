"""`recado demo`: full the moment it opens, true in its numbers, and gone without a trace when it ends."""

import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select

from tests.installation import RECADO, free_port, wait_for
from tests.visitor import Visitor
from webapp.campaigns.models import Campaign
from webapp.core.db import Database
from webapp.messages.models import CountDrift, Message, Run, RunCount
from webapp.messages.queries import counts
from webapp.processes import PortTaken, free_address

GREETING = re.compile(r"^  (admin|marketing|support) +(\S+@\S+) +(\S+)$", re.MULTILINE)
START_SECONDS = 120  # on a quiet machine it is a tenth of that


@dataclass
class Demo:
    """A demo that runs, and what it printed."""

    process: subprocess.Popen[str]
    site: str
    greeting: str
    folder: Path

    @property
    def people(self) -> dict[str, tuple[str, str]]:
        """Address and password by role."""
        return {role: (email, password) for role, email, password in GREETING.findall(self.greeting)}


def start(base: Path, *arguments: str) -> Demo:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECADO_")}
    # The caller's own account must not reach the demo; /assets has no host, so nothing is fetched.
    environ = kept | {
        "RECADO_INSTANCE": str(base), "RECADO_ASSETS_URL": "/assets", "RECADO_GATEWAY_USER": "somebody",
        "RECADO_GATEWAY_URL": "http://127.0.0.1:9/webservice-rest/", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [*RECADO, "demo", "--port", str(port), *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    while "Ctrl-C" not in (line := process.stdout.readline()):
        assert line, process.communicate()[1]
        lines.append(line)
    return Demo(process, f"http://127.0.0.1:{port}", "".join(lines), base / "demo")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(base: Path) -> Iterator[Demo]:
    made = start(base)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.communicate(timeout=60)


@pytest.fixture
def db(demo: Demo) -> Iterator[Database]:
    """The demo's database, to be looked into."""
    opened = Database(f"sqlite:///{demo.folder / 'recado.db'}")
    yield opened
    opened.dispose()


def is_free(port: int) -> bool:
    try:
        free_address("127.0.0.1", port)
    except PortTaken:
        return False
    return True


def test_it_names_its_address_and_three_people_one_for_each_role(demo: Demo) -> None:
    assert demo.site in demo.greeting
    assert set(demo.people) == {"admin", "marketing", "support"}


PAGES = {
    "admin": ("/dashboard", "/campaigns", "/contacts", "/inbox", "/messages", "/reports", "/credits", "/admin"),
    "marketing": ("/dashboard", "/campaigns", "/contacts", "/inbox", "/messages", "/reports", "/credits"),
    "support": ("/inbox", "/messages", "/reports", "/credits"),
}


@pytest.mark.parametrize("role", PAGES)
def test_every_role_signs_in_and_finds_full_pages(demo: Demo, role: str) -> None:
    visitor = Visitor(demo.site)
    visitor.sign_in(*demo.people[role])
    for path in PAGES[role]:
        page = visitor.get(path)
        assert "sandbox" in page.text and len(page.text) > 1000, path


def test_its_campaigns_are_in_every_state_and_every_count_adds_up(db: Database) -> None:
    with db.reading() as session:
        runs = session.scalars(select(Run).where(Run.kind == "campaign")).all()
        drafts = session.scalar(select(func.count()).where(Campaign.run_id.is_(None)))
        assert drafts and {"finished", "running", "paused", "cancelled"} <= {run.state for run in runs}
        for run in runs:
            found = counts(session, run)
            assert found.adds_up and found.total == run.total, run.name


def test_its_counters_agree_with_its_rows(db: Database) -> None:
    """The worker goes on meanwhile, so both are read in one snapshot."""
    rows = (
        select(Message.run_id, Message.state, func.coalesce(Message.status, ""), func.count())
        .where(Message.run_id.is_not(None))
        .group_by(Message.run_id, Message.state, Message.status)
    )
    counted = (
        select(RunCount.run_id, RunCount.state, RunCount.status, func.sum(RunCount.n))
        .group_by(RunCount.run_id, RunCount.state, RunCount.status)
        .having(func.sum(RunCount.n) != 0)
    )
    with db.reading() as session:
        assert sorted(session.execute(rows).all()) == sorted(session.execute(counted).all())
        assert session.scalar(select(func.count()).select_from(CountDrift)) == 0


def test_its_past_holds_what_charts_and_threads_need(demo: Demo) -> None:
    with sqlite3.connect(demo.folder / "recado.db") as connection:
        one = lambda sql: connection.execute(sql).fetchone()[0]  # noqa: E731
        assert one("SELECT count(DISTINCT day) FROM day_count WHERE n > 0") >= 10
        assert one("SELECT count(DISTINCT status) FROM message") >= 10
        assert one("SELECT count(DISTINCT type) FROM message") >= 5
        assert one("SELECT count(*) FROM message WHERE run_id IS NULL") >= 10
        assert one("SELECT count(*) FROM conversation WHERE state = 'open' AND unread > 0") >= 3
        assert one("SELECT count(*) FROM conversation WHERE state = 'closed'") >= 3
        assert one("SELECT count(*) FROM message m JOIN run r ON r.id = m.run_id WHERE r.kind = 'reply'") >= 5
        assert one("SELECT count(*) FROM optout") >= 3
        assert one("SELECT count(*) FROM balance_reading") >= 10
        assert one("SELECT count(*) FROM import_fault") >= 3
        assert one("SELECT max(at) FROM message") < one("SELECT datetime('now', '+1 minute')")


def test_a_campaign_is_under_way_and_moves(demo: Demo, db: Database) -> None:
    with db.reading() as session:
        run_id = session.scalars(select(Run.id).where(Run.state == "running", Run.served > 0)).first()
    assert run_id is not None

    def handed_over() -> int:
        with db.reading() as session:
            return counts(session, session.get_one(Run, run_id)).accepted

    before = handed_over()
    assert wait_for(lambda: handed_over() > before, 60, "the next batch")


def test_a_second_demo_in_the_same_folder_is_refused(demo: Demo, base: Path) -> None:
    environ = {**os.environ, "RECADO_INSTANCE": str(base)}
    done = subprocess.run([*RECADO, "demo", "--port", str(free_port())], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and "Another demo" in done.stderr


def test_it_ends_with_everything_it_started_and_keeps_its_people(demo: Demo, base: Path) -> None:
    family = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(family) >= 4
    demo.process.send_signal(signal.SIGINT)
    demo.process.communicate(timeout=60)
    assert demo.process.returncode == 0
    assert not [each for each in family if each.is_running()]
    free_address("127.0.0.1", int(demo.site.rsplit(":", 1)[1]))
    again = start(base)
    family = psutil.Process(again.process.pid).children(recursive=True)
    try:
        assert again.people == demo.people
    finally:
        again.process.kill()
        again.process.communicate()
    assert not psutil.wait_procs(family, 5)[1]
    wait_for(lambda: is_free(int(again.site.rsplit(":", 1)[1])), 5, "the port")

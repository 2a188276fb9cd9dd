"""How long the delivery browser and every live fragment take while 200 tabs look on: `python -m tests.bench.browse`.

The real web server answers on a copy of a store of `tests.bench.store`, brought to this code's schema. Tabs ask for live
fragments, each at its own rhythm, as long as a visitor goes through the delivery browser under every filter, by its
commonest value and its rarest, and some combinations.
"""

import argparse
import os
import random
import re
import subprocess
import threading
import time
from collections import defaultdict
from html import unescape
from pathlib import Path
from typing import NamedTuple

import requests
from sqlalchemy import select

from tests import make
from tests.bench.ground import DATABASES
from tests.bench.store import borrowed, opened
from tests.installation import RECADO, answers, free_port, wait_for
from webapp import migrate
from webapp.campaigns.models import Campaign
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.factory import create_app
from webapp.messages.models import Message, Run

LIVE_MS, PAGE_MS, SEARCH_MS = 30, 200, 300
ROWS = "/messages/rows"
Times = dict[str, list[float]]


class Live(NamedTuple):
    """A live fragment: its address, and the seconds between two questions of one tab."""

    url: str
    every: float


class Page(NamedTuple):
    """A page of the browser, and the milliseconds that nearly all of its answers may take."""

    query: dict[str, str]
    limit: int = PAGE_MS

    @property
    def label(self) -> str:
        """Its filters."""
        return " ".join(f"{name}={value}" for name, value in self.query.items()) or "7 days"


def lives(newest: int) -> list[Live]:
    """Every live fragment of the pages that stand open all day; `newest` is the campaign that is looked at."""
    return [
        Live(ROWS, 5), Live("/dashboard/figures?days=7", 15), Live("/dashboard/running", 5),
        Live("/dashboard/scheduled", 60), Live("/dashboard/charts?days=7", 60), Live("/dashboard/alerts", 30),
        Live("/dashboard/attention", 30), Live("/credits/chip", 60), Live("/inbox/badge", 10),
        Live("/inbox/queue", 2), Live(f"/campaigns/{newest}/live", 3), Live(f"/campaigns/{newest}/standing", 5),
        Live("/admin/health/now", 15),
    ]  # fmt: skip


def pages(db: Database) -> list[Page]:
    """The default period with every other filter, and combinations of rare values."""
    with db.reading() as session:
        sizes = select(Campaign.id).join(Run, Run.id == Campaign.run_id).order_by(Run.total.desc())
        big, small = (
            session.scalars(sizes.limit(1)).one(),
            session.scalars(sizes.order_by(None).order_by(Run.total)).first(),
        )
        (somebody,) = session.scalars(select(Message.id).order_by(Message.id.desc()).limit(1)).all()
    one = [{}, *({"type": value} for value in ("0", "5", "1", "8"))]
    one += [{"status": value} for value in (
        "delivered", "operator", "waiting", "failed", "blocked", "pending", "unknown", "refused", "suppressed",
        "cancelled", "expired", "1", "0", "2", "9", "-8", "-11", "3",
    )]  # fmt: skip
    one += [{"carrier": value} for value in ("Vivo - Celular", "Oi", "Algar", "Sercomtel", "Fixo")]
    one += [{"campaign": value, "period": "7"} for value in (str(big), str(small), "outside", "replies", "tests")]
    one += [{"person": str(somebody)}, {"campaign": str(big), "period": "all"}]
    several = [
        {"campaign": str(big), "status": "-8", "period": "all"}, {"campaign": str(big), "carrier": "Sercomtel"},
        {"status": "-9", "carrier": "Sercomtel"}, {"type": "1", "status": "-8"}, {"type": "8", "status": "refused"},
        {"type": "2", "carrier": "Sercomtel"}, {"carrier": "Sercomtel", "number": "321"}, {"number": "4321"},
        {"number": "43210", "period": "all"}, {"campaign": "outside", "carrier": "Vivo - Celular"},
    ]  # fmt: skip
    return [Page(query) for query in one] + [Page(query, SEARCH_MS) for query in several]


class Visitors:
    """Tabs of one signed-in person, and what their questions took."""

    def __init__(self, address: str, cookie: str) -> None:
        self.address, self.cookie = address, cookie
        self.times: Times = defaultdict(list)
        self.faults: dict[str, int] = defaultdict(int)
        self.ended = threading.Event()

    def line(self) -> requests.Session:
        """A connection that is signed in."""
        line = requests.Session()
        line.headers["Cookie"] = f"recado={self.cookie}"
        line.headers["X-Recado-Poll"] = "1"
        return line

    def ask(self, line: requests.Session, label: str, url: str) -> requests.Response:
        """One question, measured."""
        began = time.perf_counter()
        answer = line.get(self.address + url, timeout=60, allow_redirects=False)
        self.times[label].append((time.perf_counter() - began) * 1000)
        if answer.status_code not in {200, 204}:
            self.faults[f"{label}: {answer.status_code}"] += 1
        return answer

    def tab(self, live: Live) -> None:
        """Ask for a fragment at its rhythm; the browser's rows by the version that the last answer told."""
        line, url = self.line(), live.url
        self.ended.wait(random.uniform(0, live.every))
        while not self.ended.wait(live.every * random.uniform(0.9, 1.1)):
            answer = self.ask(line, live.url, url)
            version = re.search(r'hx-get="(/messages/rows[^"]*)"', answer.text) if live.url == ROWS else None
            url = unescape(version[1]) if version else url


def table(times: Times, limits: dict[str, int]) -> None:
    """Print how long each question took, and mark what took too long."""
    for label, found in sorted(times.items()):
        ordered = sorted(found)
        middle, late = ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
        mark = "" if late <= limits[label] else f"   <-- above {limits[label]} ms"
        print(f"  {label:<58}{len(ordered):>6}{middle:9.1f}{late:9.1f}{ordered[-1]:9.1f}{mark}")


def signed_in(settings: Settings) -> str:
    """The cookie of somebody who may see everything."""
    app = create_app(settings)
    token = make.signed_in_person(app.extensions["recado"].db, "admin")
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return str(serializer.dumps({"_user_id": token, "_fresh": True}))


def measure(settings: Settings, tabs: int, seconds: int, rounds: int) -> None:
    """Open the tabs, walk through the pages, print what everything took."""
    db = Database(settings.database_url)
    migrate.upgrade(db)
    with db.reading() as session:
        newest = session.scalars(select(Campaign.id).order_by(Campaign.id.desc()).limit(1)).one()
    walk, open_boxes, port = pages(db), lives(newest), free_port()
    cookie = signed_in(settings)
    db.dispose()
    environ = {"RECADO_INSTANCE": str(settings.instance), "RECADO_DATABASE_URL": settings.database_url}
    environ |= {"RECADO_SECRET_KEY": settings.secret_key or ""}
    command = [*RECADO, "web", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), 120, "the server")
        visitors = Visitors(f"http://127.0.0.1:{port}", cookie)
        threads = [
            threading.Thread(target=visitors.tab, args=(open_boxes[0 if n % 2 else n // 2 % len(open_boxes)],))
            for n in range(tabs)
        ]
        for thread in threads:
            thread.start()
        began, line = time.monotonic(), visitors.line()
        for _ in range(rounds):
            for page in walk:
                visitors.ask(
                    line, page.label, requests.Request("GET", "http://x/messages", params=page.query).prepare().path_url
                )
                time.sleep(0.05)
        time.sleep(max(seconds - (time.monotonic() - began), 0))
        visitors.ended.set()
        for thread in threads:
            thread.join()
    finally:
        server.terminate()
        server.wait()
    limits = {live.url: LIVE_MS for live in open_boxes} | {page.label: page.limit for page in walk}
    print(f"  {'milliseconds':<58}{'n':>6}{'p50':>9}{'p95':>9}{'most':>9}")
    table(visitors.times, limits)
    for fault, n in visitors.faults.items():
        print(f"  {fault}: {n} times")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.browse", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="a folder made by tests.bench.store")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--tabs", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60, help="at least")
    parser.add_argument("--rounds", type=int, default=20, help="walks through the pages")
    parser.add_argument("--in-place", action="store_true", help="bring the store itself up to date, and sign in there")
    given = parser.parse_args()
    take = opened if given.in_place else borrowed
    with take(given.store.absolute(), given.database) as settings:
        print(f"browsing on {given.database}, {given.tabs} tabs")
        measure(settings, given.tabs, given.seconds, given.rounds)


if __name__ == "__main__":
    main()

"""How fast people's messages become files, beside a loop that only copies columns: `python -m tests.bench.exports`.

With `--store FOLDER` in a store of `tests.bench.store`, else in a small one made for the purpose. Each file is written in
a process of its own, as workers do it; the plain loop is `csv.writer` over a raw cursor with the same rows, in the same
run. The finished file is then fetched from the web server over HTTP.
"""

import argparse
import csv
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import func, select

from tests import make
from tests.bench import store
from tests.bench.ground import DATABASES, Wrong, apart, ground, peak_memory, told
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.memory import without_collector
from webapp.core.settings import Settings
from webapp.factory import create_app
from webapp.messages.models import DayCount, Run
from webapp.reports.exports import deciding, files, sources
from webapp.reports.exports.lines import Line
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.wanted import Wanted

ZONE = "America/Sao_Paulo"
SMALL = 20_000  # messages of the store that is made where none is named
COLUMNS = "id, number, state, status, reason, carrier, at, status_at, credits"


class Case(NamedTuple):
    """A file to measure: what it holds, and the rows of it that a plain loop copies."""

    label: str
    wanted: Wanted
    where: str
    order: str


class Made(NamedTuple):
    """What one file took: rows, seconds, MB of its process at the most, bytes."""

    rows: int
    seconds: float
    memory: float
    bytes: int


def cases(db: Database, rows: int) -> Iterator[Case]:
    """The biggest campaign, and the newest days that hold so many messages."""
    now = clock.now()
    with db.reading() as session:
        query = select(Campaign.id, Run).join(Run, Run.id == Campaign.run_id).order_by(Run.total.desc())
        campaign_id, run = session.execute(query).first() or (0, None)
        days = session.execute(
            select(DayCount.day, func.sum(DayCount.n)).group_by(DayCount.day).order_by(DayCount.day.desc())
        ).all()
    if run is None:
        raise Wrong("the store holds no campaign")
    mine = Wanted("csv", "pt_BR", ZONE, now, campaign_id)
    yield Case("a campaign", mine, f"run_id = {run.id}", "id")
    yield Case("the same as a workbook", mine.__class__(**{**_fields(mine), "format": "xlsx"}), "", "")
    held, first = 0, days[0][0]
    for day, n in days:
        held, first = held + n, day
        if held >= rows:
            break
    view = Wanted("csv", "pt_BR", ZONE, now, None, {"period": "dates", "from": first.isoformat()})
    since = view.filter.since
    yield Case(f"the messages since {first}", view, f"at >= '{since}'", "at DESC, id DESC")


def _fields(wanted: Wanted) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in wanted.__slots__}


def ours(url: str, wanted: Wanted, rows: int, place: Path) -> Made:
    """Write a file of at most so many rows."""
    db = Database(url)
    began = time.perf_counter()
    with db.reading() as session, without_collector():
        found = sources.rows(session, wanted)
        counted = _Counted()
        path = files.write(counted.first(found.chunks, rows), wanted.format, place, files.nothing)
    seconds = time.perf_counter() - began
    db.dispose()
    if counted.rows < min(found.total, rows):
        raise Wrong(f"{counted.rows} rows of {found.total}")
    return Made(counted.rows, seconds, peak_memory(), path.stat().st_size)


class _Counted:
    rows = 0

    def first(self, chunks: Iterator[list[Line]], most: int) -> Iterator[list[Line]]:
        """The first rows, and how many they were."""
        for lines in chunks:
            part = lines[: most - self.rows]
            self.rows += len(part)
            yield part
            if self.rows >= most:
                return


def plain(url: str, case: Case, rows: int, path: Path) -> float:
    """Seconds that a loop takes which copies what is in the table and knows nothing of people, words or zones."""
    query = f"SELECT {COLUMNS} FROM message WHERE {case.where} ORDER BY {case.order} LIMIT {rows}"
    began = time.perf_counter()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        if url.startswith("sqlite"):
            writer.writerows(sqlite3.connect(url.removeprefix("sqlite:///")).execute(query))
        else:
            with psycopg.connect(url.replace("+psycopg", "")) as connection, connection.cursor(name="plain") as cursor:
                cursor.itersize = 10_000
                cursor.execute(query)
                writer.writerows(cursor)
    return time.perf_counter() - began


def deciding_takes(url: str, wanted: Wanted) -> float:
    """Seconds until it is known whether a worker makes the file."""
    db = Database(url)
    began = time.perf_counter()
    with db.reading() as session:
        deciding.size(session, wanted)
    seconds = time.perf_counter() - began
    db.dispose()
    return seconds


class Fetched(NamedTuple):
    """What fetching a finished file took: seconds to its first byte and its last, bytes, and MB that the server grew."""

    first: float
    last: float
    bytes: int
    grew: float


def fetched(settings: Settings, file: Path, rows: int) -> Fetched:
    """Fetch a finished file from a web server that has just begun; `settings` are of an installation of its own."""
    db = Database(settings.database_url)
    token = make.signed_in_person(db, "marketing")
    now = clock.now()
    with db.writing() as session:
        session.add(
            ExportFile(
                name="f" * 32, label="x", view={}, format="csv", locale="pt_BR", zone=ZONE, state="ready", expected=rows,
                rows=rows, bytes=file.stat().st_size, path=files.keep(settings.instance, file), asked_at=now,
                expires_at=now + timedelta(days=1),
            )
        )  # fmt: skip
    db.dispose()
    app = create_app(settings)
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    cookie = f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps({'_user_id': token, '_fresh': True})}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ, "RECADO_INSTANCE": str(settings.instance), "RECADO_DATABASE_URL": settings.database_url,
        "RECADO_SECRET_KEY": str(settings.secret_key),
    }  # fmt: skip
    web = subprocess.Popen([sys.executable, "-m", "webapp.cli", "web", "--port", str(port)], env=environ)
    try:
        return _fetch(port, cookie, web.pid)
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(20)


def _fetch(port: int, cookie: str, parent: int) -> Fetched:
    for _ in range(300):
        try:
            _get(port, "/login", "").read()
            break
        except OSError:
            time.sleep(0.1)
    _get(port, "/reports/exports", cookie).read()
    before = _served_by(parent)
    began = time.perf_counter()
    answer = _get(port, f"/reports/exports/{'f' * 32}/file", cookie)
    size = len(answer.read(1))
    first = time.perf_counter() - began
    while part := answer.read(1 << 20):
        size += len(part)
    last = time.perf_counter() - began
    if answer.status != 200 or size != int(answer.headers["Content-Length"]):
        raise Wrong(f"status {answer.status}, {size} bytes")
    return Fetched(first, last, size, _served_by(parent) - before)


def _get(port: int, path: str, cookie: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie})
    return connection.getresponse()


def _served_by(parent: int) -> float:
    """The most memory that a server's processes have held so far, in MB."""
    family = [parent]
    for pid in family:
        family += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    peaks = (line for pid in family for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)
    return sum(int(line.split()[1]) for line in peaks) / 1024


def measure(url: str, rows: int, rounds: int, folder: Path) -> Path:
    """Every kind of file and the plain loop in turn, some rounds; prints what they took. Returns a file to fetch."""
    db = Database(url)
    todo = list(cases(db, rows))
    db.dispose()
    kept = folder / "kept.csv"
    copying: list[float] = []
    for case in todo:
        made: list[Made] = []
        copying = [] if case.where else copying
        for _ in range(rounds if case.wanted.format == "csv" else 1):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                made.append(apart(ours, url, case.wanted, rows, Path(place)))
                if case.wanted.format == "csv":
                    (Path(place) / "file.csv").replace(kept)
                    copying.append(apart(plain, url, case, rows, Path(place) / "plain.csv"))
        count = made[0].rows
        print(f"{case.label}: {count:,} rows, {case.wanted.format.upper()}, {made[0].bytes / 1e6:.0f} MB")
        print(f"  {'known how many they are after':<44}{apart(deciding_takes, url, case.wanted) * 1000:8.1f} ms")
        print(told("names, words and times, written to disk", count, [one.seconds for one in made]))
        print(told("csv.writer over a raw cursor", count, copying))
        ratio = median(copying) / median(one.seconds for one in made)
        print(f"  {ratio:.2f} times the plain loop, {max(one.memory for one in made):.0f} MB at its most (at most 200)")
    return kept


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.exports", description=__doc__)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recado-bench-") as place:
        folder = Path(place)
        if given.store is None:
            store.seed(folder, given.database, SMALL, 3, SMALL)
        run(given.store or folder, given.database, given.rows, given.rounds, folder)


def run(at: Path, database: str, rows: int, rounds: int, folder: Path) -> None:
    """The measurements in a store; files go into a folder that is given."""
    print(f"exports on {database}, {rounds} rounds in turn, medians")
    with store.opened(at.absolute(), database) as settings:
        file = measure(settings.database_url, rows, rounds, folder)
    with ground("sqlite") as on, on.installation() as own:
        found = apart(fetched, own, file, rows)
    print(
        f"the finished file over HTTP: first byte after {found.first * 1000:.0f} ms (at most 1000), all {found.bytes / 1e6:.0f} MB"
        f" after {found.last:.2f} s; the server grew by {found.grew:.0f} MB"
    )


if __name__ == "__main__":
    main()

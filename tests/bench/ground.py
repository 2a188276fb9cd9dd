"""What both benchmarks stand on: installations to measure in, processes of their own, and how figures are told."""

import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

from sqlalchemy import make_url

from tests.postgres import new_database, running_server
from webapp import migrate
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
DATABASES = ("sqlite", "postgresql")


class Wrong(Exception):
    """What was measured did not do its work: its figures would mean nothing."""


class Ground:
    """Makes installations on one kind of database, below a folder that goes when the benchmark ends."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self.folder, self.server = folder, server

    @contextmanager
    def installation(self, like: Settings | None = None, **values: str) -> Iterator[Settings]:
        """A migrated installation, or a copy of another one's database. Nobody may be connected to that one."""
        instance = Path(tempfile.mkdtemp(dir=self.folder))
        with self._database(instance, like) as url:
            made = settings_module.load(
                {}, instance=instance, database_url=url, secret_key="a secret for benchmarks", **values
            )
            if like is None:
                db = Database(url)
                migrate.upgrade(db)
                db.dispose()
            yield made
        shutil.rmtree(instance, ignore_errors=True)

    @contextmanager
    def _database(self, instance: Path, like: Settings | None) -> Iterator[str]:
        if self.server is not None:
            with new_database(self.server, make_url(like.database_url).database if like else None) as url:
                yield url
            return
        path = instance / "recado.db"
        if like is not None and like.sqlite_path is not None:
            shutil.copy(like.sqlite_path, path)
        yield f"sqlite:///{path}"


@contextmanager
def ground(database: str) -> Iterator[Ground]:
    """Ground for installations on `sqlite` or `postgresql` (a server of its own is started). It goes with SIGTERM, too."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="recado-bench-"))
    try:
        if database == "postgresql":
            with running_server() as server:
                yield Ground(folder, server)
        else:
            yield Ground(folder, None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work` in a fresh process, so that its memory and its caches are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_memory() -> float:
    """The most memory that this process has held so far, in MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def told(label: str, count: int, seconds: Sequence[float]) -> str:
    """A line of the printed table: the median time of some runs, and how many a second that makes."""
    middle = median(seconds)
    runs = " ".join(f"{second:.2f}" for second in seconds)
    return f"  {label:<44}{middle:8.2f} s {count / middle:>11,.0f}/s   ({runs})"

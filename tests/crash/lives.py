"""The lives of processes that are to die: the real worker, and the real web application behind a small server.

They are forked from a process that has imported everything, so a thousand of them start in a thousand blinks.
"""

import multiprocessing
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.orm import configure_mappers

from tests.crash.points import AT_RANDOM, Point, die_within, set_point
from webapp import serve
from webapp.campaigns import launch, leases
from webapp.core import clock, logs
from webapp.core.settings import Settings
from webapp.processes import die_with_parent

LOG = "processes.log"  # below the instance folder: what they all write
LAUNCH_CHUNK = 20  # people, so that a launch of a few dozen has a middle to be killed in
_processes = multiprocessing.get_context("forkserver")
configure_mappers()  # once, before anybody is forked
_processes.set_forkserver_preload([__name__, "pytest"])


@dataclass(frozen=True, slots=True)
class Fate:
    """What is decided about a process before it begins: where it dies (None: it lives on), its dice, and how far its
    machine's clock is off."""

    point: Point | None
    seed: int
    shift: timedelta = timedelta(0)


Life = Callable[[Settings], None]


def begin(life: Life, settings: Settings, fate: Fate) -> BaseProcess:
    """One more process, which is killed at the latest when this one ends."""
    forkserver.ensure_running()
    mother: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    process = _processes.Process(target=_live, args=(life, settings, fate, mother))
    process.start()
    return process


def _live(life: Life, settings: Settings, fate: Fate, mother: int) -> None:
    die_with_parent(mother)
    _write_to(settings.instance / LOG)
    dice = random.Random(fate.seed)
    if fate.point is not None:
        set_point(fate.point, dice)
        if fate.point == AT_RANDOM:
            die_within(dice, 1.5)
    logs.configure()
    with clock.shifted(fate.shift):
        life(settings)


def _write_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for output in (1, 2):
        os.dup2(log, output)


def work(settings: Settings) -> None:
    """A worker's life. Nobody wants to wait half a minute for each launch whose worker was killed."""
    leases.LEASE = launch.LEASE = timedelta(seconds=3)
    assert launch.CHUNK > LAUNCH_CHUNK
    launch.CHUNK = LAUNCH_CHUNK
    serve.worker(settings)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    wbufsize = 65536  # a page's head and body leave together: half a head looks like an empty page to `requests`

    def log_message(self, format: str, *args: object) -> None:
        pass


def answer(settings: Settings) -> None:
    """A web server's life: at the port of its public address, what `recado web` serves. Templates are compiled once,
    not by each of the short lives anew."""
    compiled = settings.instance / "compiled"
    compiled.mkdir(exist_ok=True)
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(str(compiled))}
    port = int(settings.public_url.rsplit(":", 1)[1])
    with _Server(("127.0.0.1", port), _Quiet) as server:
        server.set_app(serve.wsgi(settings))
        server.serve_forever()

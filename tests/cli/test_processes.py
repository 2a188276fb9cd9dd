"""The processes of an installation: they end together, whatever ends the first of them, and are started again alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Recado
from tests.installation import RECADO, answers, free_port, is_free, wait_for
from webapp.contacts import uploads
from webapp.core import settings as settings_module
from webapp.factory import make_services


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation whose database is ready."""
    folder = tmp_path_factory.mktemp("processes")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECADO_")}
    environ = kept | {"RECADO_INSTANCE": str(folder), "RECADO_POLL_SECONDS": "1", "PYTHONUNBUFFERED": "1"}
    subprocess.run([*RECADO, "db", "upgrade"], env=environ, check=True, capture_output=True)
    return environ


@contextmanager
def started(environ: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours; it and all that it started are gone afterwards."""
    process = subprocess.Popen([*RECADO, *arguments], env=environ, stderr=subprocess.DEVNULL)
    family: list[psutil.Process] = []
    try:
        yield process
    finally:
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.wait()
        for child in family:
            if child.is_running():
                child.kill()


def everyone(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return all(not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in processes)


def test_no_process_outlives_serve(environ: dict[str, str]) -> None:
    """Asked to end in either way, and both at the same time: starting takes longest."""
    ports = free_port(), free_port()
    with (
        started(environ, "serve", "--port", str(ports[0])) as one,
        started(environ, "serve", "--port", str(ports[1])) as two,
    ):
        wait_for(lambda: all(answers(port, "/readyz") for port in ports), 90, "serve")
        families = everyone(one), everyone(two)
        assert min(map(len, families)) >= 3  # web, its own worker process, the worker
        began = time.monotonic()
        one.send_signal(signal.SIGTERM)
        two.send_signal(signal.SIGINT)
        wait_for(lambda: gone([*families[0], *families[1]]), 30, "the end")
        assert (one.wait(10), two.wait(10)) == (0, 0)
        assert time.monotonic() - began < 30
        wait_for(lambda: all(is_free(port) for port in ports), 5, "the ports")


def test_serve_starts_again_what_dies_and_nothing_outlives_its_own_death(environ: dict[str, str]) -> None:
    port = free_port()
    with started(environ, "serve", "--port", str(port)) as serve:
        wait_for(lambda: answers(port), 90, "serve")
        first = {child.pid for child in psutil.Process(serve.pid).children()}
        for child in everyone(serve):
            child.kill()
        wait_for(lambda: not answers(port) or first.isdisjoint(_direct(serve)), 30, "the death")
        wait_for(lambda: len(_direct(serve)) == 2 and first.isdisjoint(_direct(serve)), 30, "the new ones")
        wait_for(lambda: answers(port), 90, "the new web server")
        family = everyone(serve)
        assert len(family) >= 3
        serve.kill()
        wait_for(lambda: gone(family), 5, "the end")
        wait_for(lambda: is_free(port), 5, "the port")


def _direct(serve: subprocess.Popen[bytes]) -> set[int]:
    return {child.pid for child in psutil.Process(serve.pid).children() if child.status() != psutil.STATUS_ZOMBIE}


def test_the_web_server_replaces_its_own_dead_process(environ: dict[str, str]) -> None:
    port = free_port()
    with started(environ, "web", "--port", str(port)) as web:
        wait_for(lambda: answers(port), 90, "web")
        (inner,) = everyone(web)
        inner.kill()
        wait_for(lambda: [each for each in everyone(web) if each.pid != inner.pid], 30, "a new process")
        wait_for(lambda: answers(port), 60, "the new process")
        assert web.poll() is None
        family = everyone(web)
        web.kill()  # and the other way round
        wait_for(lambda: gone(family), 5, "the end")
        wait_for(lambda: is_free(port), 5, "the port")


def test_a_taken_port_is_refused_with_one_sentence(recado: Recado) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for command in ("serve", "web", "sandbox"):
            assert f"Port {port}" in recado(command, "--port", port).refusal


def test_a_database_without_tables_is_refused_with_the_command_that_mends_it(recado: Recado, tmp_path: Path) -> None:
    done = recado("serve", "--port", free_port(), RECADO_INSTANCE=str(tmp_path), RECADO_LOCALE="en")
    assert done.refusal == "The database has no tables yet. Run `recado db upgrade` first."


def test_a_big_import_ends_with_the_worker_that_does_it(environ: dict[str, str], tmp_path: Path) -> None:
    services = make_services(settings_module.load(environ))
    rows = "\n".join(f"Pessoa {n};119{60_000_000 + n}" for n in range(200_000))
    with services.db.writing() as session:
        path = uploads.keep_paste(services.settings.instance, f"Nome;Celular\n{rows}\n")
        found = uploads.register(session, services.settings.instance, path, "a.csv", None)
        found.state = "ready"
        uploads.confirm(session, found.id, "Clientes", uploads.Consent(), None)
    services.db.dispose()
    with started(environ, "worker") as worker:
        reading = wait_for(lambda: everyone(worker), 90, "the import")
        worker.kill()
        wait_for(lambda: gone(reading), 5, "the end")


def test_a_child_ends_with_whoever_started_it(environ: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    starter = f"""
import subprocess, sys, os, time
child = subprocess.Popen([*{RECADO!r}, "sandbox", "--port", "{port}", "--parent", str(os.getpid())])
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", starter], env=environ, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_for(lambda: not is_free(port), 60, "the sandbox")
        parent.kill()
        wait_for(lambda: gone([child]), 5, "the end")
        wait_for(lambda: is_free(port), 5, "the port")

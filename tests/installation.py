"""A whole installation in processes of its own: gateway stand-in, web server, worker. What a customer runs."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import update

from webapp.accounts.commands import create_user
from webapp.accounts.models import Person
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.processes import PortTaken, free_address

RECADO = [sys.executable, "-m", "webapp.cli"]
PASSWORD = "correct horse battery"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str = "/healthz") -> bool:
    """Whether a web server says that it is well."""
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def is_free(port: int) -> bool:
    """Whether somebody else could listen there."""
    try:
        free_address("127.0.0.1", port)
    except PortTaken:
        return False
    return True


def wait_for(condition: Callable[[], Any], seconds: float = 30, what: str = "it") -> Any:
    """The first truthy answer of `condition`; fails where none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} took longer than {seconds} s"
        time.sleep(0.05)


@dataclass
class Installation:
    """Where it runs, and its command line."""

    site: str
    gateway: str
    environment: dict[str, str]
    log: Path
    has_sandbox: bool  # the gateway is our own stand-in, with its control calls

    def run(self, *arguments: str, given: str = "") -> str:
        """One command to its end; its standard output."""
        done = subprocess.run([*RECADO, *arguments], env=self.environment, input=given, capture_output=True, text=True)
        assert done.returncode == 0, f"recado {' '.join(arguments)}: {done.returncode}\n{done.stderr[-2000:]}"
        return done.stdout

    def box(self, path: str, **body: Any) -> Any:
        """A control call of the sandbox: GET without a body, POST with one."""
        url = self.gateway.replace("webservice-rest/", f"_sandbox/{path}")
        answer = requests.post(url, json=body, timeout=10) if body else requests.get(url, timeout=10)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Installation]:
    """Sandbox and `recado serve`, with three people (admin@, marketing@, support@example.com) who can sign in.

    `gateway_url` in the settings speaks to another implementation instead of the sandbox.
    """
    port, gateway_port = free_port(), free_port()
    site = f"http://127.0.0.1:{port}"
    token = "journey-token-0123456789abcdef"
    given = {
        "instance": str(folder / "instance"), "gateway_url": f"http://127.0.0.1:{gateway_port}/webservice-rest/",
        "gateway_user": "ana", "gateway_password": "segredo", "callback_token": token, "public_url": site,
        "sending_window": "always", "settle_seconds": "2", "poll_seconds": "2", "gateway_timeout": "5",
    } | settings  # fmt: skip
    own = {name: value for name, value in os.environ.items() if not name.startswith("RECADO_")}
    environment = own | {f"RECADO_{name.upper()}": value for name, value in given.items()}
    log = folder / "processes.log"
    children: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        with log.open("ab") as output:
            children.append(subprocess.Popen([*RECADO, *arguments], env=environment, stdout=output, stderr=output))

    made = Installation(site, given["gateway_url"], environment, log, "gateway_url" not in settings)
    try:
        if "gateway_url" not in settings:
            callback = f"{site}/callback/{token}"
            start(
                "sandbox", "--port", str(gateway_port), "--user", "ana", "--password", "segredo", "--speed", "50",
                "--callback-url", f"{callback}/status", "--reply-url", f"{callback}/reply",
            )  # fmt: skip
        made.run("db", "upgrade")
        _people(settings_module.load(environment))
        start("serve", "--port", str(port))
        wait_for(lambda: _answers(f"{site}/readyz"), 60, f"the start (see {log})")
        if made.has_sandbox:
            made.box("settings", failures=0)  # its people lose a message in sixteen, drawn anew for each run
        yield made
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


def _people(settings: Settings) -> None:
    db = Database(settings.database_url)
    for role in ("admin", "marketing", "support"):
        create_user(db, f"{role}@example.com", role, PASSWORD)
    with db.writing() as session:
        session.execute(update(Person).values(undo_seconds=2))  # seconds that a test has to wait for each send
    db.dispose()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def the_number(text: str, pattern: str) -> int:
    """The first number of `pattern` in a page's text, written as a Brazilian writes it."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} not in: {text[:1500]}"
    return int(found[1].replace(".", ""))

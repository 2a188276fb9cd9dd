"""The web server dies in an upload, and right after a click was committed and before any worker was told of it: nothing
half-done stays, and what was asked for happens, once. Campaigns are in `test_kill.py`; here the supervisor dies, too."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import func, select, update

from tests.crash.machines import FIRST, Machines, address, confirm, imported, machines, page_with, upload
from tests.crash.nursery import Child, Nursery
from tests.crash.witness import Witness
from tests.installation import PASSWORD, answers, free_port, wait_for
from tests.visitor import Visitor
from webapp.contacts.models import Contact, Import
from webapp.core import clock
from webapp.core.jobs import Tick

PEOPLE = 400

# What the web server does at the start of an import once a file is there: it is gone, its supervisor with it.
DIE_AT_START = """
import os, signal
from pathlib import Path
from webapp.core.jobs import Jobs

start, supervisor = Jobs.start, os.getpid()

def dying(self, name, *ids):
    if name == "contacts.import" and Path({fatal!r}).exists():
        os.kill(supervisor, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    start(self, name, *ids)

Jobs.start = dying
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def place(nursery: Nursery, tmp_path: Path) -> Iterator[Machines]:
    with Witness(user="ana", password="segredo") as box, machines(nursery, box, tmp_path, poll_seconds="3600") as made:
        yield made


def test_what_was_clicked_happens_once_though_the_web_server_died_at_the_click(place: Machines, tmp_path: Path) -> None:
    fatal, port = tmp_path / "fatal", free_port()
    web = serving(place, port, fatal)
    place.start_worker()
    marketing = Visitor(address(port))
    marketing.sign_in(place.person(), PASSWORD)
    dies_in_an_upload(place, web, marketing, port)

    web = serving(place, port, fatal)
    people = "\n".join(f"Pessoa {n};{FIRST + n}" for n in range(PEOPLE))
    page = upload(marketing, f"Nome;Celular\n{people}\n")
    page = page_with(marketing, page.url, "/confirm")
    family = web.family()
    fatal.touch()
    with pytest.raises(requests.ConnectionError):
        confirm(marketing, page, "Clientes")
    is_gone(family)
    a_while_later(place)
    found = imported(place)
    assert (found.rows, found.imported, found.created) == (PEOPLE, PEOPLE, PEOPLE)
    with place.services.db.reading() as session:
        assert [session.scalar(select(func.count()).select_from(each)) for each in (Import, Contact)] == [1, PEOPLE]


def serving(place: Machines, port: int, fatal: Path) -> Child:
    """The web server, once it answers."""
    web = place.start_web(port, prelude=DIE_AT_START.format(fatal=str(fatal)))
    wait_for(lambda: answers(port), 60, "the web server")
    return web


def is_gone(family: list[psutil.Process]) -> None:
    wait_for(lambda: not psutil.wait_procs(family, 0)[1], 10, "the web server's end")


def dies_in_an_upload(place: Machines, web: Child, visitor: Visitor, port: int) -> None:
    """Half of a big file has arrived. Nothing of it is kept, and nothing is left lying about."""
    form = visitor.get("/contacts/import").form("pasted")
    head = "".join(
        f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{values[0]}\r\n'
        for name, values in form.values.items()
    )
    head += '--limit\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nNome;Celular\r\n'
    with socket.create_connection(("127.0.0.1", port)) as browser:
        browser.sendall(
            f"POST /contacts/import HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {visitor.cookies}\r\n"
            f"Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: 50000000\r\n\r\n{head}".encode()
        )
        browser.sendall(b"Ana;11987654321\r\n" * 100_000)
        family = web.family()
        web.kill()
    is_gone(family)
    kept = place.services.settings.instance / "uploads"
    assert not kept.exists() or not list(kept.iterdir())
    with place.services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Import)) == 0


def a_while_later(place: Machines) -> None:
    """The sweep is due, and what nobody came for has waited for its seconds."""
    ago = clock.now() - timedelta(seconds=10)
    with place.services.db.writing() as session:
        session.execute(update(Tick).where(Tick.name == "contacts.sweep").values(due_at=ago))

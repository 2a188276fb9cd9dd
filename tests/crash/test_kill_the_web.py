"""The web server dies right after a click was committed, before any worker was told: what was asked for happens, once."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import func, select, update

from tests.crash.machines import (
    FIRST,
    Machines,
    address,
    compose,
    confirm,
    imported,
    machines,
    page_with,
    upload,
)
from tests.crash.nursery import Child, Nursery
from tests.crash.witness import Witness
from tests.installation import PASSWORD, answers, free_port, wait_for
from tests.visitor import Visitor
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Import
from webapp.core import clock
from webapp.core.jobs import Tick
from webapp.messages.models import Run

PEOPLE = 400

# What the web server does at the start of a job that a file names: it is gone, its supervisor with it, at that line.
DIE_AT_START = """
import os, signal
from pathlib import Path
from webapp.core.jobs import Jobs

start, supervisor = Jobs.start, os.getpid()

def dying(self, name, *ids):
    if name == Path({file!r}).read_text():
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
    with (
        Witness(user="ana", password="segredo", special_numbers=False, replies=False, speed=1000) as box,
        machines(nursery, box, tmp_path, poll_seconds="3600", gateway_timeout="5", settle_seconds="1") as made,
    ):
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
    dies_at("contacts.import", fatal, web, lambda: confirm(marketing, page, "Clientes"))
    a_while_later(place)
    found = imported(place)
    assert (found.rows, found.imported, found.created) == (PEOPLE, PEOPLE, PEOPLE)

    web = serving(place, port, fatal)
    review = compose(marketing, found.list_id or 0, "Volta às aulas", "Oi {{nome}}!")
    send = review.form(action="/launch")
    dies_at("campaigns.launch", fatal, web, lambda: marketing.send(review, send))
    serving(place, port, fatal)
    again = marketing.send(review, send)  # nobody saw an answer, so the button is pressed again
    assert again.status == 200
    a_while_later(place)
    wait_for(lambda: is_over(place), 40, "the campaign")
    everything_once(place)


def serving(place: Machines, port: int, fatal: Path) -> Child:
    """The web server, once it answers; it dies at the job that the file names."""
    fatal.write_text("")
    web = place.start_web(port, prelude=DIE_AT_START.format(file=str(fatal)))
    wait_for(lambda: answers(port), 60, "the web server")
    return web


def dies_at(job: str, fatal: Path, web: Child, click: Callable[[], object]) -> None:
    family = web.family()
    fatal.write_text(job)
    with pytest.raises(requests.ConnectionError):
        click()
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
    wait_for(lambda: not psutil.wait_procs(family, 0)[1], 10, "the web server's end")
    kept = place.services.settings.instance / "uploads"
    assert not kept.exists() or not list(kept.iterdir())
    with place.services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Import)) == 0


def a_while_later(place: Machines) -> None:
    """The sweeps are due, and what nobody came for has waited for its seconds."""
    ago = clock.now() - timedelta(seconds=10)
    with place.services.db.writing() as session:
        session.execute(update(Tick).where(Tick.name.in_(["contacts.sweep", "campaigns.sweep"])).values(due_at=ago))
        session.execute(update(Campaign).where(Campaign.lease_until.is_not(None)).values(lease_until=ago))


def is_over(place: Machines) -> bool:
    with place.services.db.reading() as session:
        return session.scalars(select(Run.state)).all() == ["finished"]


def everything_once(place: Machines) -> None:
    sent = Counter(int(row["number"]) for row in place.box.ledger())
    assert sent == Counter(FIRST + n for n in range(PEOPLE))
    with place.services.db.reading() as session:
        assert [session.scalar(select(func.count()).select_from(each)) for each in (Import, Campaign, Run)] == [1, 1, 1]
        assert session.scalar(select(func.count()).select_from(Contact)) == PEOPLE
        (run_id,) = session.scalars(select(Run.id))
    found = place.counts(run_id)
    assert (found.total, found.accepted, found.adds_up) == (PEOPLE, PEOPLE, True)

"""An installation that speaks to a sandbox of its own, and launches to send through it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway.client import Gateway
from webapp.gateway.wire import ItemAnswer
from webapp.gateway.wire import Receipt as Told
from webapp.messages import counters, inquiries, outbox, receipts, sending
from webapp.messages.claim import Claimed
from webapp.messages.models import DayCount, Inquiry, Message, Run
from webapp.messages.outbox import NewMessage
from webapp.messages.reference import encode
from webapp.sandbox.server import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A gateway that answers at once, without replies of its own."""
    with Sandbox(user="ana", password="segredo", speed=1000, replies=False) as sandbox:
        yield sandbox


@pytest.fixture
def settings(tmp_path: Path, box: Sandbox, database: str) -> Settings:
    return settings_module.load(
        {},
        database_url=database,
        instance=tmp_path / "instance",
        secret_key="a secret for tests only",
        gateway_url=box.url,
        gateway_user="ana",
        gateway_password="segredo",
        sending_window="always",
        settle_seconds="0",
        batch_size="100",
        gateway_timeout="2",
    )


@pytest.fixture
def gateway(settings: Settings) -> Gateway:
    return Gateway(
        settings.gateway_url or "",
        settings.gateway_user or "",
        settings.gateway_password or "",
        timeout=settings.gateway_timeout,
    )


Launch = Callable[..., Run]
FIRST = 5511981232000  # endings below 2000 are the sandbox's special cases


@pytest.fixture
def launch(services: Services) -> Launch:
    """`launch(250)` starts a run of 250 people; `numbers=`, `left_out=` and the run's own settings may be given."""

    def start(people: int = 3, *, numbers: Sequence[int] = (), rows: Sequence[NewMessage] = (), **run: Any) -> Run:
        chosen = list(rows) or [NewMessage(number) for number in numbers or range(FIRST, FIRST + people)]
        options: dict[str, Any] = {
            "kind": "campaign", "name": "Promoção", "type": 0, "text": "Oi!", "total": len(chosen),
            "not_before": clock.now() - timedelta(seconds=1),
        } | run  # fmt: skip
        with services.db.writing() as session:
            made = outbox.open_run(session, **options)
            outbox.write_chunk(session, made, chosen, services.settings.batch_size)
            outbox.finish_launch(session, made)
        return made

    return start


@pytest.fixture
def drain(services: Services, gateway: Gateway) -> Callable[[], int]:
    """Send every batch that is due; returns how many calls it took."""

    def run() -> int:
        calls = 0
        while sending.send_next(services.db, services.settings, gateway):
            calls += 1
        return calls

    return run


def hand_over(services: Services, gateway: Gateway, claimed: Claimed) -> tuple[sending.Load, Sequence[ItemAnswer]]:
    """A claimed batch, up to the answer: nothing of it is written down yet."""
    load = services.db.retrying(lambda session: sending.prepare(session, services.settings, claimed))
    letter = sending.written(gateway, claimed, load)
    return load, gateway.answers(letter, sending.call(gateway, letter))


@pytest.fixture
def sent(launch: Launch, drain: Callable[[], int], services: Services) -> Callable[..., Run]:
    """`sent(30)`: so many messages that the gateway has, and of which nothing was heard."""

    def send(people: int = 3, **how: Any) -> Run:
        run = launch(people, **how)
        drain()
        return run

    return send


@pytest.fixture
def short_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first audit looks back only so far: tests need not wait for a day of windows."""
    monkeypatch.setattr(inquiries, "FIRST", timedelta(hours=4))


def audited(services: Services) -> None:
    """An audit has just ended: the next round makes none."""
    now = clock.now()
    with services.db.writing() as session:
        session.add(Inquiry(kind="audit", since=now, until=now, wanted_at=now, ended_at=now, judged_at=now))


def recount(services: Services) -> None:
    """The days' counters anew, after messages were moved in time."""
    with services.db.writing() as session:
        session.execute(delete(DayCount))
        changes = counters.Changes()
        for row in session.scalars(select(Message)):
            changes.add(
                counters.Place(None, row.state, row.reason, row.status, row.carrier, row.type, row.at, row.credits)
            )
        changes.write(session)


def made_old(services: Services, box: Sandbox, by: timedelta) -> None:
    """What was sent is so much older, here and at the gateway."""
    with services.db.writing() as session:
        for message in session.scalars(select(Message)):
            message.at -= by
    with box.store._transaction():
        for column in ("accepted_at", "due_at", "prepared_at", "operator_at", "handset_at"):
            box.store._db.execute(f"UPDATE message SET {column} = {column} - ?", (by.total_seconds(),))
    recount(services)


def told_by_callback(services: Services, run: Run, place: int = 0, status: str = "0") -> None:
    """The gateway tells of a run's message by itself."""
    key = run.first_key + place
    with services.db.writing() as session:
        number = session.get_one(Message, key).number
        told = Told("0", encode(run.token, key), number, status, status, None, "", "Vivo - Celular", None)
        receipts.apply(session, [receipts.Heard(told, "raw")], "callback")


def statuses(services: Services) -> list[str | None]:
    """Of all messages, by key."""
    with services.db.reading() as session:
        return list(session.scalars(select(Message.status).order_by(Message.id)))

"""Several machines on one PostgreSQL and one folder: they share the work, and the dead ones' work goes on."""

import time
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.crash.machines import (
    FIRST,
    TOKEN,
    Machines,
    address,
    as_environment,
    compose,
    confirm,
    imported,
    machines,
    upload,
)
from tests.crash.nursery import Nursery
from tests.crash.witness import Call, Witness
from tests.installation import PASSWORD, answers, free_port, is_free, wait_for
from tests.visitor import Visitor
from webapp import schema
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.installation import Installation
from webapp.inbox.models import Inbound, RawInbound
from webapp.messages import outbox
from webapp.messages.models import CountDrift, Cursor, DayCount, Message, Run, RunCount

pytestmark = pytest.mark.postgres
RED, GREEN = "localhost", "127.0.0.1"  # the names by which the two workers call the gateway
TIMEOUT = 6.0  # seconds for one call: a lease alone would keep the others waiting for longer than ten
PEOPLE = 3000
BATCH = 100


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def place(nursery: Nursery, postgres_new_url: str, tmp_path: Path, ports: tuple[int, int]) -> Iterator[Machines]:
    """Two web servers, two workers; statuses are told to the first web server, replies to the second."""
    statuses, replies = (
        f"{address(port)}/callback/{TOKEN}/{kind}" for port, kind in zip(ports, ("status", "reply"), strict=True)
    )
    with (
        Witness(
            user="ana", password="segredo", speed=20, failures=0.1, special_numbers=False, replies=False,
            status_url=statuses, reply_url=replies, callback_tries=1,
        ) as box,
        machines(
            nursery, box, tmp_path, database_url=postgres_new_url, batch_size=str(BATCH), concurrency="2", rate="800",
            gateway_timeout=str(TIMEOUT), settle_seconds="2", poll_seconds="2",
        ) as made,
    ):  # fmt: skip
        yield made


def test_a_worker_and_a_web_server_die_and_nobody_notices_but_the_log(place: Machines, ports: tuple[int, int]) -> None:
    first, second = ports
    web, other_web = place.start_web(first), place.start_web(second)
    red, green = place.start_worker(RED), place.start_worker(GREEN)
    marketing = Visitor(address(first))
    email = place.person()
    wait_for(lambda: answers(first, "/readyz") and answers(second, "/readyz"), 60, "the start")

    marketing.sign_in(email, PASSWORD)
    rows = "\n".join(f"Pessoa {n};{FIRST + n}" for n in range(PEOPLE))
    confirm(marketing, upload(marketing, f"Nome;Celular\n{rows}\n"), "Clientes")
    found = imported(place)
    assert (found.imported, found.list_id is not None) == (PEOPLE, True)
    marketing.site = address(second)  # signed in there, at home here
    review = compose(marketing, found.list_id or 0, "Volta às aulas", "Oi {{nome}}!")
    place.box.held = frozenset({RED})
    sent = marketing.send(review, review.form(action="/launch"), confirm=str(PEOPLE))
    assert sent.status == 200, sent.text[:500]

    lost = wait_for(lambda: both_calls_of(place.box, RED), 20, "the red worker's calls")
    answering = answered_by(place, 6)
    killed = time.monotonic()
    with_web = web.family()
    red.kill()
    web.kill()
    place.box.let_go()
    wait_for(lambda: psutil.wait_procs(with_web, 0)[1] == [] and is_free(first), 10, "the web server's end")

    wait_for(lambda: began_after(place.box, killed), 20, "the other batches")
    assert began_after(place.box, killed)[0].began - killed < 10
    (never_arrived,) = (call for call in lost if not call.taken_in)
    asked = wait_for(lambda: looked_up(place.box, never_arrived, killed), 30, "the look-up")
    assert asked - killed < TIMEOUT + 10
    answering |= answered_by(place, 6)

    run_id = the_run(place)
    wait_for(lambda: place.counts(run_id).waiting == 0, 40, "the rest")
    everybody_once(place, run_id)
    wait_for(lambda: statuses_agree(place, run_id), 20, "the statuses")
    assert place.box.summary()["callbacks"]["failed"] > 0  # the dead web server's: polls brought them
    counters_add_up(place, run_id)
    every_reply_once(place, answering)
    assert other_web.running and green.running
    assert place.box.sends(GREEN)


def both_calls_of(box: Witness, host: str) -> list[Call]:
    """The calls of one worker, once they are all that may be under way at once: everything waits for it."""
    calls = box.under_way(host)
    return calls if len(calls) == 2 else []


def began_after(box: Witness, moment: float) -> list[Call]:
    return [call for call in box.sends() if call.began > moment]


def looked_up(box: Witness, lost: Call, killed: float) -> float:
    """When the gateway was first asked about a call's messages after the kill; 0 before."""
    wanted = set(lost.references)
    asked = (call.began for call in list(box.seen) if call.name == "mt_id" and wanted & set(call.references))
    return next((moment for moment in asked if moment > killed), 0.0)


def answered_by(place: Machines, count: int) -> Counter[tuple[int, str]]:
    """The last few who were written to answer, each something of their own."""
    latest = place.box.ledger()[-count:]
    for row in latest:
        place.box.reply(row["number"], f"Quero a oferta {row['id']}")
    return Counter((int(row["number"]), f"Quero a oferta {row['id']}") for row in latest)


def the_run(place: Machines) -> int:
    with place.services.db.reading() as session:
        return session.scalars(select(Run.id).where(Run.kind == "campaign")).one()


def everybody_once(place: Machines, run_id: int) -> None:
    ledger = Counter(int(row["number"]) for row in place.box.ledger())
    twice = sum(times - 1 for times in ledger.values())
    missed = len({FIRST + n for n in range(PEOPLE)} - ledger.keys())
    assert (twice, missed) == (0, 0), place.logs()
    found = place.counts(run_id)
    assert (found.total, found.accepted, found.adds_up) == (PEOPLE, PEOPLE, True)
    with place.services.db.reading() as session:
        assert session.get_one(Run, run_id).state == "finished"


def statuses_agree(place: Machines, run_id: int) -> bool:
    """Everybody's status is the gateway's last word."""
    with place.services.db.reading() as session:
        known = dict(session.execute(select(Message.number, Message.status).where(Message.run_id == run_id)).all())
    return known == {int(row["number"]): row["status"] for row in place.box.ledger()}


def counters_add_up(place: Machines, run_id: int) -> None:
    here = (Message.state, Message.status, Message.carrier)
    with place.services.db.reading() as session:
        rows = session.execute(select(*here, func.count()).where(Message.run_id == run_id).group_by(*here)).all()
        counted = session.execute(
            select(RunCount.state, RunCount.status, RunCount.carrier, RunCount.n)
            .where(RunCount.run_id == run_id, RunCount.n != 0)
        ).all()  # fmt: skip
        days = session.scalar(select(func.sum(DayCount.n)))
        assert session.scalar(select(func.count()).select_from(CountDrift)) == 0
    assert sorted(map(tuple, rows)) == sorted(map(tuple, counted))
    assert days == PEOPLE


def every_reply_once(place: Machines, answering: Counter[tuple[int, str]]) -> None:
    """Each came by callback and is told again by the polls; it is kept once."""
    asked = clock.now()

    def asked_again() -> bool:
        with place.services.db.reading() as session:
            polls = session.scalars(select(Cursor.ran_at).where(Cursor.name.in_(["inbox.mo_new", "inbox.mo"]))).all()
            unread = session.scalar(select(func.count()).where(RawInbound.read_at.is_(None)))
        return len(polls) == 2 and all(at and at > asked for at in polls) and not unread

    wait_for(asked_again, 20, "the next polls")
    with place.services.db.reading() as session:
        kept = Counter(map(tuple, session.execute(select(Inbound.number, Inbound.text))))
        ways = set(session.scalars(select(RawInbound.source)))
    assert kept == answering
    assert "callback" in ways


def test_machines_that_start_at_the_same_moment_make_one_installation(
    nursery: Nursery, postgres_empty_url: str, tmp_path: Path
) -> None:
    environment = as_environment({"instance": str(tmp_path / "shared"), "database_url": postgres_empty_url})
    starting = [
        nursery.start("db", "upgrade", environment=environment, log=tmp_path / f"{number}.log") for number in range(4)
    ]
    assert not psutil.wait_procs([each.process for each in starting], 60)[1]
    told = [each.log.read_text() for each in starting]
    assert told == [f"The database is at revision {schema.head()}.\n"] * 4
    db = Database(postgres_empty_url)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Installation)) == 1
    db.dispose()


RATE = 500  # messages a second
SLOW = 0.6  # seconds for a call, while it is the concurrency that limits


def test_pace_holds_over_all_workers_and_a_big_campaign_starves_nobody(
    nursery: Nursery, postgres_new_url: str, tmp_path: Path
) -> None:
    with (
        Witness(user="ana", password="segredo", special_numbers=False, replies=False) as box,
        machines(
            nursery, box, tmp_path, database_url=postgres_new_url, batch_size=str(BATCH), concurrency="2", rate=str(RATE),
            gateway_timeout="10", poll_seconds="3600",
        ) as place,
    ):  # fmt: skip
        for host in (RED, GREEN):
            place.start_worker(host)
        box.fault("slow", "send-multiple", seconds=SLOW)
        launched = time.monotonic()
        big = launch(place, 2500, FIRST)
        wait_for(lambda: box.summary()["accepted"] >= 800, 60, "the slow part")
        assert most_at_once(box.sends()) == 2
        box.clear_faults()
        fast = len(box.sends())
        wait_for(lambda: len(box.sends()) >= fast + 3, 30, "the fast part")
        with place.services.db.writing() as session:
            write(session, 50, FIRST + 100_000)
            outbox.send_one(session, kind="reply", name="", number=FIRST + 200_000, type=0, text="Até amanhã!")
        since = time.monotonic()
        wait_for(lambda: place.counts(big).waiting == 0, 60, "the end")
        calls = box.sends()

    assert most_at_once(calls) == 2
    assert {call.host for call in calls} == {RED, GREEN}
    handed = 0
    for call in calls:
        handed += max(len(call.references), 1)
        assert handed <= RATE * (call.began - launched) + BATCH
    (small,) = (call for call in calls if len(call.references) == 50)
    (reply,) = (call for call in calls if call.name == "send-single")
    others = [call.began for call in calls if len(call.references) == BATCH and call.began > since]
    assert reply.began < small.began
    assert len([began for began in others if began < small.began]) <= 2
    assert len([began for began in others if began > small.began]) > 3


def launch(place: Machines, people: int, first: int) -> int:
    with place.services.db.writing() as session:
        return write(session, people, first)


def write(session: Session, people: int, first: int) -> int:
    run = outbox.open_run(
        session, kind="campaign", name="Promoção", type=0, text="Oi!", total=people, not_before=clock.now()
    )
    outbox.write_chunk(session, run, [outbox.NewMessage(first + n) for n in range(people)], BATCH)
    outbox.finish_launch(session, run)
    return run.id


def most_at_once(calls: list[Call]) -> int:
    """Most calls that were under way at the same moment."""
    moments = [(call.began, 1) for call in calls] + [(call.ended, -1) for call in calls if call.ended is not None]
    return max(accumulate(step for _, step in sorted(moments)), default=0)

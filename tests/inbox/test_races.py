"""The same things at the same moment, on both databases: one reply, one winner, nothing lost."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import make
from tests.inbox import replies
from tests.make import ANA, BRUNO, CARLA
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.inbox import intake, privacy, queries, service
from webapp.inbox.models import Inbound, InboxVersion, RawInbound


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """An installation on either database."""
    if request.param == "sqlite":
        return settings
    return replace(settings, database_url=str(request.getfixturevalue("postgres_url")))


_strangers = itertools.count(5511900000000)  # examples share a database, so each has a person of its own


def at_once(*works: Callable[[], object]) -> list[BaseException]:
    """Run them in threads that start together; returns what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_one_reply_by_three_ways_at_the_same_moment_is_one(services: Services) -> None:
    for turn in range(8):
        then, text = replies.local(clock.now() - timedelta(minutes=turn)), f"vez {turn}"
        told, answer = replies.query(ANA, text, date=then), replies.body(replies.row(ANA, text, date=then))
        raised = at_once(
            lambda told=told: intake.keep_callback(services, told),
            lambda told=told: intake.keep_callback(services, told),
            lambda answer=answer: intake.keep_body(services, "mo_new", answer),
            lambda answer=answer: intake.keep_body(services, "mo", answer),
        )
        assert raised == []
    assert sorted(reply.text for reply in replies.all_inbound(services)) == [f"vez {turn}" for turn in range(8)]
    assert replies.conversation(services, ANA).unread == 8


def test_bodies_that_cross_each_other_are_all_read(services: Services) -> None:
    people = (ANA, BRUNO, CARLA)
    raised = at_once(
        *(
            lambda n=n: intake.keep_body(
                services,
                "mo_new",
                replies.body(*(replies.row(who, f"{n} {who}") for who in people[:: 1 if n % 2 else -1])),
            )
            for n in range(6)
        )
    )
    assert raised == []
    assert replies.count(services, Inbound) == 18
    with services.db.reading() as session:
        assert not session.query(RawInbound).filter(RawInbound.read_at.is_(None)).count()
        assert session.get_one(InboxVersion, 1).value >= 6


def test_a_replay_beside_the_reader_reads_nothing_twice(services: Services) -> None:
    for n in range(6):
        intake.keep_raw(services, "callback", replies.query(ANA, f"texto {n}", date=replies.local(clock.now())))
    later = clock.now() + timedelta(minutes=5)
    assert at_once(*[lambda: intake.replay(services, now=later)] * 3) == []
    assert replies.count(services, Inbound) == 6
    assert replies.conversation(services, ANA).unread == 6


def test_one_taker_wins(services: Services) -> None:
    replies.callback(services, ANA, "oi")
    with services.db.writing() as session:
        people = [make.person(session, "support", email=f"s{n}@example.com").id for n in range(4)]
        key = queries.key_of(session, ANA) or ""

    def take(person: int) -> None:
        with services.db.writing() as session:
            service.take(session, key, person)

    raised = at_once(*(lambda person=person: take(person) for person in people))
    assert [type(error) for error in raised] == [UserError] * 3


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(data=st.data())
def test_any_order_of_any_ways_counts_each_reply_once(services: Services, data: st.DataObject) -> None:
    """Replies of one text, a minute and more apart, told in any order by any of the ways, each any number of times."""
    number = next(_strangers)
    base = clock.now().replace(microsecond=0) - timedelta(hours=5)
    minutes = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True))
    skew = {"callback": 0, "mo_new": data.draw(st.integers(-9, 9)), "mo": data.draw(st.integers(-9, 9))}
    told = [(way, minute) for way in skew for minute in minutes if data.draw(st.booleans())]
    told += [("mo", minute) for minute in minutes]
    for way, minute in data.draw(st.permutations(told)):
        then = replies.local(base + timedelta(minutes=minute, seconds=skew[way]))
        if way == "callback":
            replies.callback(services, number, "ok", date=then)
        else:
            intake.keep_body(services, way, replies.body(replies.row(number, "ok", date=then)))  # type: ignore[arg-type]
    mine = [reply for reply in replies.all_inbound(services) if reply.number == number]
    assert len(mine) == len(minutes)


def test_the_whole_intake_holds_here(services: Services, tmp_path: Path) -> None:
    replies.waiting(services, ANA)
    replies.callback(services, ANA, "SAIR")
    replies.callback(services, ANA, "a\x00b \U0001f600 שלום")
    intake.keep_body(services, "mo", replies.body({"status": "4"}, replies.row(BRUNO, "x" * 10_240)))
    assert [len(reply.text) > 0 for reply in replies.all_inbound(services)] == [True] * 3
    with services.db.writing() as session:
        assert intake.forget_old(session, now=clock.now() + timedelta(days=41)) == 3
        assert sum(privacy.forget_person(session, ANA).values()) == 3  # two replies, one conversation

"""Searching: whatever is combined, every hit once, whether the time suffices for a page or not."""

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice, product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from webapp import migrate
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.web import Services
from webapp.messages import outbox
from webapp.messages.models import Batch, Message, Run
from webapp.messages.outbox import NewMessage
from webapp.messages.states import BatchState, RowState
from webapp.reports import browsing, filters, hits, patience, people
from webapp.reports.standing import GROUPS

UTC = ZoneInfo("UTC")
CARRIERS = ("Vivo - Celular", "TIM", "Oi")
WORDS = ("1", "1", "2", "0", "-1", "9", "-3", "-6", None)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


@pytest.fixture
def services(services: Services) -> Services:
    if services.settings.sqlite_path is None:
        migrate.upgrade(services.db)
    return services


def lived(services: Services) -> list[Campaign]:
    """Four campaigns of two types that met everything that messages meet, answers, a test, other systems' messages."""
    dice, now, db = random.Random(5), clock.now(), services.db
    campaigns = []
    for place in range(4):
        rows = [NewMessage(world.FIRST + n, left_out="optout" if n % 7 == 3 else None) for n in range(14)]
        campaigns.append(world.launched(db, rows, name=f"C{place}", type=place % 2 * 3, at=now - timedelta(days=3)))
    for kind in ("reply", "reply", "test"):
        with db.writing() as session:
            outbox.send_one(session, kind=kind, name=kind, number=ANA, type=2, text="Oi")
    moments = {}
    with db.reading() as session:
        rows = session.execute(select(Message.id, Message.run_id).where(Message.state == RowState.PENDING)).all()
    for key, run_id in rows:
        if run_id == campaigns[3].run_id and key % 3:
            continue  # still waiting
        if dice.random() < 0.15:
            world.refused(db, key, "050")
        else:
            world.heard(db, key, dice.choice(WORDS), carrier=dice.choice(CARRIERS))
        moments[key] = now - timedelta(hours=dice.randrange(60), minutes=dice.choice((0, 0, 30)))
    for n, number in enumerate((ANA, BRUNO, CARLA)):
        world.outside(db, number, dice.choice(("1", "9")), id=f"out{n}")
    world.accepted_at(db, moments)
    with db.writing() as session:
        outbox.cancel(session, session.get_one(Run, campaigns[2].run_id))
        session.execute(
            update(Batch).where(Batch.run_id == campaigns[3].run_id).values(state=BatchState.UNKNOWN, unknown_since=now)
        )
    return campaigns


def expected(services: Services, wanted: filters.MessageFilter) -> set[int]:
    """What the view should hold, row by row, by the plainest reading of it."""
    with services.db.reading() as session:
        rows = session.execute(select(Message, Run).outerjoin(Run, Run.id == Message.run_id)).all()
        unknown = set(session.scalars(select(Batch.run_id).where(Batch.state == BatchState.UNKNOWN)))
        runs = dict(session.execute(select(Campaign.id, Campaign.run_id)).all())
    kinds = {"replies": "reply", "tests": "test"}
    found = set()
    for row, run in rows:
        fits = (
            (wanted.since is None or row.at >= wanted.since)
            and (wanted.until is None or row.at < wanted.until)
            and (wanted.type is None or row.type == wanted.type)
            and (not wanted.carrier or row.carrier == wanted.carrier)
            and (wanted.campaign is None or row.run_id == runs.get(wanted.campaign, 0))
            and (wanted.source != "outside" or run is None)
            and (wanted.source not in kinds or (run is not None and run.kind == kinds[wanted.source]))
            and str(row.number).endswith(wanted.digits)
            and (wanted.number is None or row.number == wanted.number)
            and (not wanted.status or _stands(row, wanted.status, row.run_id in unknown))
        )
        if fits:
            found.add(row.id)
    return found


def _stands(row: Message, status: str, unknown: bool) -> bool:
    group = GROUPS.get(status)
    if status in {"pending", "unknown"}:
        return row.state == RowState.PENDING and unknown == (status == "unknown")
    if group is None:
        return row.state == RowState.ACCEPTED and row.status == status
    accepted = row.state == RowState.ACCEPTED
    return row.state in group.states or (
        accepted and (row.status in group.statuses or (group.unheard and row.status is None))
    )


def pages(services: Services, wanted: filters.MessageFilter, seconds: float | None) -> Iterator[list[int]]:
    after = None
    while True:
        with services.db.reading() as session:
            found = browsing.page(session, wanted, after, clock.now(), 20, seconds)
        yield [row.message.id for row in found.rows]
        if found.next is None:
            return
        after = found.next


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_every_hit_of_every_combination_is_found_once(
    services: Services, monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    monkeypatch.setattr(patience, "SHORTEST", 12)
    monkeypatch.setattr(patience, "LONGEST", 12)
    campaigns = lived(services)
    types, carriers, digits = ("", "0", "3", "2"), ("", "TIM", "Nobody"), ("", "0001", "4321")
    sources = ("", str(campaigns[0].id), str(campaigns[3].id), "outside", "replies", "99")
    statuses = ("", *GROUPS, "1", "2", "0", "9", "3")
    one = [{"type": value} for value in types] + [{"carrier": value} for value in carriers]
    one += [{"campaign": value, "period": "7"} for value in sources] + [{"number": value} for value in digits]
    one += [{"status": value} for value in statuses] + [{"period": "1"}, {"period": "all"}]
    names = ("type", "carrier", "campaign", "number", "status", "period")
    every = list(product(types, carriers, sources, digits, statuses, ("1", "7")))
    several = [dict(zip(names, values, strict=True)) for values in random.Random(3).sample(every, 30)]
    for args in (one if seconds is None else []) + several:
        wanted = filters.read(args, UTC, clock.now())
        seen = [key for page in islice(pages(services, wanted, seconds), 200) for key in page]
        assert len(seen) == len(set(seen)), f"{args}: a row came twice"
        assert set(seen) == expected(services, wanted), args
        with services.db.reading() as session:
            count = hits.count(session, wanted)
        if count is not None and hits.counts_all(wanted):
            assert count == len(seen), f"{args}: the counters are of another opinion"


def test_a_search_that_has_no_time_says_how_far_it_looked(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SHORTEST", 10)
    campaign = world.launched(services.db, 55)
    oldest, *_ = keys = world.keys(services.db, campaign)
    with services.db.writing() as session:
        session.execute(update(Message).where(Message.id == oldest).values(number=ANA))
    world.accepted_at(services.db, {key: world.days_ago(1) + timedelta(minutes=key - oldest) for key in keys})
    wanted = filters.read({"number": "4321", "period": "7"}, UTC, clock.now())
    with services.db.reading() as session:
        found = browsing.page(session, wanted, None, clock.now(), seconds=0)
    assert found.rows == []
    assert found.looked_until is not None, "ten rows were looked at"
    assert [key for page in pages(services, wanted, 0) for key in page] == [oldest]


@pytest.mark.parametrize("text", ["8765-4321", "98765-4321", "7654321", "11 98765-4321", "765432-1"])
def test_half_a_number_is_as_good_as_a_whole_one(services: Services, text: str) -> None:
    world.launched(services.db, [NewMessage(ANA), NewMessage(BRUNO)])
    wanted = filters.read({"number": text}, UTC, clock.now())
    with services.db.reading() as session:
        (key,) = people.keys_of(session, wanted)
        assert session.get_one(Message, key).number == ANA
        named = filters.read(wanted.of_people([key]).form, UTC, clock.now())
        assert people.numbers_of(session, named) == [ANA]


def test_few_messages_of_a_big_campaign_are_found_by_their_status(services: Services) -> None:
    campaign = world.launched(services.db, 30)
    keys = world.keys(services.db, campaign)
    for key in keys[3:6]:
        world.heard(services.db, key, "9")
    later = world.launched(services.db, 10, name="Later")
    for key in world.keys(services.db, later):
        world.heard(services.db, key, "9")
    wanted = filters.read({"campaign": str(campaign.id), "status": "9"}, UTC, clock.now())
    assert [key for page in pages(services, wanted, 1.0) for key in page] == sorted(keys[3:6], reverse=True)

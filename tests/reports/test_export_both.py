"""Exports on both databases: the rows that the browser shows, and sizes that counters tell."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from tests import make
from tests.make import ANA, BRUNO, CARLA
from tests.reports import world
from tests.reports.test_export import table
from webapp import migrate
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway import codes
from webapp.messages.models import Batch, Message
from webapp.messages.outbox import NewMessage
from webapp.messages.states import BatchState
from webapp.reports import browsing, filters, matching
from webapp.reports.exports import deciding, files, service, sources, work
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.wanted import Wanted
from webapp.reports.standing import GROUPS

ZONE = "America/Sao_Paulo"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


@pytest.fixture
def lived(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A shop with two campaigns in every state there is, a reply, and messages of other systems."""
    if services.settings.sqlite_path is None:
        migrate.upgrade(services.db)
    monkeypatch.setattr(sources, "CHUNK", 7)
    dice = random.Random(5)
    first = world.launched(services.db, 40, at=world.days_ago(3))
    people = [NewMessage(ANA), NewMessage(BRUNO, left_out="optout"), NewMessage(CARLA)]
    second = world.launched(services.db, people, type=5)
    keys = world.keys(services.db, first)
    statuses = [*codes.STATUSES, None, "odd", "=1"]
    moments = {}
    for place, key in enumerate(keys[:30]):
        world.heard(services.db, key, statuses[place % len(statuses)], carrier=dice.choice(["Vivo", "Oi - Celular"]))
        moments[key] = world.days_ago(dice.choice([0.1, 1, 9, 40]))
    world.refused(services.db, keys[31], "050")
    world.accepted_at(services.db, moments, credits=1)
    world.outside(services.db, BRUNO)
    world.named(services.db, {ANA: "Ana", world.FIRST: "Zé; Ninguém"})
    with services.db.writing() as session:
        run = session.scalar(select(Message.run_id).where(Message.id == world.keys(services.db, second)[0]))
        session.execute(update(Batch).where(Batch.run_id == run).values(state=BatchState.UNKNOWN))
    return services


VIEWS: list[dict[str, str]] = [
    {}, {"period": "all"}, {"period": "1"}, {"from": "2026-01-01", "to": "2026-12-31"},
    *({"period": "all", "status": name} for name in GROUPS), {"period": "all", "status": "-4"}, {"status": "odd"},
    *({"period": "all", "campaign": name} for name in ("1", "2", "99", "replies", "tests", "outside")),
    {"campaign": "1", "period": "7"}, {"period": "30", "carrier": "Vivo"}, {"period": "all", "type": "5"},
    {"period": "all", "number": "0001"}, {"period": "all", "number": str(ANA)}, {"number": "0012", "status": "failed"},
]  # fmt: skip


def shown(services: Services, view: dict[str, str]) -> list[int]:
    """The keys of all pages of the browser."""
    now, found, after = clock.now(), [], None
    wanted = filters.read(view, ZoneInfo(ZONE), now)
    with services.db.reading() as session:
        while True:
            page = browsing.page(session, wanted, after, now, 50)
            found += [row.message.id for row in page.rows]
            after = page.next
            if after is None:
                return found


def test_a_file_has_the_rows_that_the_browser_shows_in_its_order(lived: Services) -> None:
    for view in VIEWS:
        wanted = Wanted("csv", "pt_BR", ZONE, clock.now(), None, view)
        with lived.db.reading() as session:
            keys = list(session.scalars(matching.keys(session, wanted.filter)))
            lines = [line for chunk in sources.rows(session, wanted).chunks for line in chunk]
        assert keys == shown(lived, view), view
        assert len(lines) == len(keys), view


@pytest.mark.parametrize("limit", [0, 10_000])
def test_counters_tell_how_big_a_file_will_be(lived: Services, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """They know days and no parts of them, and no numbers; a period of few rows is told by its index, whatever else."""
    monkeypatch.setattr(deciding, "LIMIT", limit)
    for view in VIEWS:
        wanted = Wanted("csv", "pt_BR", ZONE, clock.now(), None, view)
        with lived.db.reading() as session:
            size = deciding.size(session, wanted)
        real = len(shown(lived, view))
        assert size.looked_at >= size.rows
        if limit:
            assert real <= max(size.rows, 1) <= 44, view  # one person's messages are not counted at all
        elif view.get("period") == "all" and "number" not in view and view.get("status") not in {"pending", "unknown"}:
            assert size.rows == (1 if view.get("campaign") == "outside" else real), view


def test_a_worker_makes_both_kinds_of_file(lived: Services) -> None:
    now = clock.now()
    with lived.db.writing() as session:
        person = make.person(session).id
        session.flush()
        campaign = Wanted("csv", "pt_BR", ZONE, now, 1)
        view = Wanted("csv", "en", "UTC", now, None, {"period": "all"})
        ids = [service.ask(session, wanted, "x", 10, person)[0].id for wanted in (campaign, view)]
        assert service.ask(session, campaign, "x", 10, person)[1] is False
        assert work.waiting(session) == ids
    tables = []
    for export_id in ids:
        work.run(lived.db, lived.settings.instance, export_id)
        with lived.db.reading() as session:
            found = session.get_one(ExportFile, export_id)
        assert (found.state, found.rows, found.expected) == ("ready", found.expected, found.rows)
        tables.append(table((lived.settings.instance / (found.path or "")).read_bytes()))
    mine, everything = tables
    assert [row["number"] for row in mine] == [str(world.FIRST + n) for n in range(40)]
    assert mine[0]["name"] == "Zé; Ninguém"
    assert {row["state"] for row in mine} == {"accepted", "refused", "held"}
    assert mine[31]["reason"].startswith("050 O número")
    assert "'=1" in {row["status"] for row in mine}
    assert len(everything) == 44
    assert {row["state"] for row in everything} == {"accepted", "refused", "held", "suppressed", "unknown"}
    assert [row["reference"] for row in everything if row["reference"] == "erp-1"] == ["erp-1"]
    with lived.db.reading() as session:
        heard = session.execute(select(Message.at, Message.status_at).where(Message.id == 1)).one()
    minute = datetime.strftime(heard.at, "%d/%m/%Y %H:%M")
    assert next(row for row in everything if row["number"] == str(world.FIRST))["sent_at"] == minute
    assert not list((lived.settings.instance / files.FOLDER).glob(f"*{files.PLACE}"))


def test_who_moves_while_a_view_is_written_is_neither_missed_nor_written_twice(lived: Services) -> None:
    wanted = Wanted("csv", "pt_BR", ZONE, clock.now(), None, {"period": "all"})
    references: list[str] = []
    with lived.db.reading() as session:
        for chunk in sources.rows(session, wanted).chunks:
            references += [line[0] for line in chunk]
            with lived.db.writing() as other:  # everybody is accepted now: to the front of the browser
                other.execute(update(Message).values(at=clock.now() + timedelta(seconds=len(references))))
    assert len(references) == len(set(references)) == 44

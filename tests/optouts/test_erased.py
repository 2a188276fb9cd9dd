"""Tombstones: who was erased can be told from everybody else, and from nothing that lies in the database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.make import ANA, BRUNO, CARLA
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.optouts import erased, queries, service
from webapp.optouts.models import Erased, OptOut


def test_a_tombstone_holds_for_one_person_and_their_past(services: Services) -> None:
    now = clock.now()
    with services.db.writing() as session:
        assert erased.load(session) is None
        erased.keep(session, ANA, now)
    with services.db.reading() as session:
        assert erased.suppressed(session, [ANA, BRUNO]) == {ANA}
        assert queries.opted_out(session, [ANA, BRUNO], "sms") == {ANA} and queries.recorded(session, [ANA]) == set()
        assert erased.is_old(session, ANA, now) and erased.is_old(session, ANA, None)
        assert not erased.is_old(session, ANA, now + timedelta(seconds=1)) and not erased.is_old(session, BRUNO, None)
        assert erased.of_person(session, -5) is None
        assert str(ANA) not in session.scalars(select(Erased.mark)).one()


def test_the_old_spelling_of_a_number_is_the_same_person(services: Services) -> None:
    with services.db.writing() as session:
        erased.keep(session, 551187654321, clock.now())
        assert erased.is_suppressed(session, ANA)


def test_who_was_erased_is_not_written_down_as_opted_out(services: Services) -> None:
    with services.db.writing() as session:
        erased.keep(session, ANA, clock.now())
        assert service.add_many(session, [ANA, BRUNO], origin="import", reason="NML") == [BRUNO]
        assert session.scalars(select(OptOut.number)).all() == [BRUNO]


def test_lifting_keeps_the_past_out_and_a_new_erasure_shuts_the_door_again(services: Services) -> None:
    now = clock.now()
    with services.db.writing() as session:
        erased.keep(session, ANA, now)
        assert erased.lift(session, ANA, now, reason="pediu", person_id=None)
        assert not erased.lift(session, ANA, now, reason="pediu", person_id=None)
        assert not erased.is_suppressed(session, ANA) and erased.is_old(session, ANA, now)
        erased.keep(session, ANA, now + timedelta(days=1))
        assert erased.is_suppressed(session, ANA) and erased.is_old(session, ANA, now + timedelta(hours=3))


def test_a_lost_key_is_not_made_anew(services: Services) -> None:
    with services.db.writing() as session:
        erased.keep(session, ANA, clock.now())
        erased.check(session)
    (services.settings.instance / erased.KEY_FILE).unlink()
    with pytest.raises(UserError), services.db.reading() as session:
        erased.check(session)
    with pytest.raises(UserError), services.db.writing() as session:
        erased.keep(session, CARLA, clock.now())


def test_the_secret_key_has_no_part_in_it(services: Services, tmp_path: Path) -> None:
    with services.db.writing() as session:
        before = erased.mark_of(session, ANA)
    other = Database(services.db.url, services.settings.instance)  # another process, with whatever secret key
    with other.reading() as session:
        assert erased.mark_of(session, ANA) == before
    other.dispose()
    with Database(services.db.url, tmp_path / "elsewhere").reading() as session:
        assert erased.mark_of(session, ANA) != before

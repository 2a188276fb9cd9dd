"""Transactions: written or not at all, on both databases, under many writers."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text

import webapp.serve  # noqa: F401 - knows every part that has a table
from webapp import migrate, schema
from webapp.core import installation  # noqa: F401 - its table is compared, too
from webapp.core.db import Base, Database
from webapp.core.jobs import Tick
from webapp.core.web import Services


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def db(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'x.db'}")
        migrate.upgrade(made)
    else:
        made = Database(request.getfixturevalue("postgres_url"))
    yield made
    made.dispose()


def test_an_exception_takes_everything_back(db: Database) -> None:
    from webapp.core import clock

    with pytest.raises(ZeroDivisionError), db.writing() as session:
        session.add(Tick(name="x", due_at=clock.now()))
        session.flush()
        raise ZeroDivisionError
    with db.reading() as session:
        assert session.get(Tick, "x") is None


def test_many_writers_at_once_all_get_their_turn(db: Database) -> None:
    from webapp.messages.outbox import reserve_keys

    given: list[int] = []

    def take() -> None:
        for _ in range(10):
            given.append(db.retrying(lambda session: reserve_keys(session, 3)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 241, 3))


def test_a_writer_that_fails_leaves_its_turn_to_the_next(db: Database) -> None:
    from webapp.messages.outbox import reserve_keys

    with pytest.raises(ZeroDivisionError), db.writing() as session:
        reserve_keys(session, 3)
        raise ZeroDivisionError
    given: list[int] = []
    other = threading.Thread(target=lambda: given.append(db.retrying(lambda session: reserve_keys(session, 3))))
    other.start()
    other.join(5)
    assert given == [1]


def test_what_a_reading_session_changes_is_thrown_away(db: Database) -> None:
    from webapp.core import clock

    with db.reading() as session:
        session.add(Tick(name="y", due_at=clock.now()))
        session.flush()
    with db.reading() as session:
        assert session.scalars(select(Tick)).all() == []


def test_the_migrations_make_exactly_the_models(db: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_schema_that_we_need_is_the_last_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    script = ScriptDirectory.from_config(config)
    assert schema.head() == script.get_current_head()
    assert schema.known() == sorted(each.revision for each in script.walk_revisions())


def test_an_old_schema_is_seen(services: Services) -> None:
    assert schema.is_current(services.db)
    with services.db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not schema.is_current(services.db)

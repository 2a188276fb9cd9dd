"""The schema's version: `recado db upgrade`, and the check that refuses to serve an old one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from webapp.core.db import Database

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x5245_4341_444F  # the number of our advisory lock on PostgreSQL


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def head() -> str:
    """The newest revision that this code knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(found: str) -> bool:
    """Whether this code has that revision; a newer version's it has not."""
    return any(script.revision == found for script in ScriptDirectory.from_config(_config()).walk_revisions())


def is_current(db: Database) -> bool:
    """Whether the database has the schema that this code needs."""
    with db.engine.connect() as connection:
        return revision(connection) == head()


def upgrade(db: Database) -> None:
    """Create or migrate the database. Of several machines that do so at once, one does and the others wait for it."""
    config = _config()
    with db.durable_engine.begin() as connection:
        if not db.is_sqlite:  # which lets one write at a time anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

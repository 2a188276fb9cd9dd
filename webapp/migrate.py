"""`recado db upgrade`."""

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from webapp.core.db import Database
from webapp.schema import FOLDER

LOCK = 0x5245_4341_444F  # the number of our advisory lock on PostgreSQL


def upgrade(db: Database) -> None:
    """Create or migrate the database. Of several machines that do so at once, one does and the others wait for it."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with db.durable_engine.begin() as connection:
        if not db.is_sqlite:  # which lets one write at a time anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

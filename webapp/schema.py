"""Which revision of the schema a database is at, and which one this code needs.

Told from the names of the migrations: only `recado db upgrade` needs Alembic itself, with all that it loads.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from webapp.core.db import Database
from webapp.core.errors import UserError

FOLDER = Path(__file__).parent / "migrations"


def known() -> list[str]:
    """The revisions that this code knows, the oldest first."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def head() -> str:
    """The newest revision that this code knows."""
    return known()[-1]


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def is_current(db: Database) -> bool:
    """Whether the database has the schema that this code needs."""
    with db.engine.connect() as connection:
        return revision(connection) == head()


def require(db: Database) -> None:
    """Refuse a database that this version cannot work on. UserError says which command mends it."""
    with db.engine.connect() as connection:
        found = revision(connection)
    if found == head():
        return
    if found is None:
        raise UserError("The database has no tables yet. Run `recado db upgrade` first.")
    if found not in known():
        raise UserError("The database was made by a newer version of Recado. Update the program.")
    raise UserError("The database has an older schema. Run `recado db upgrade` first.")

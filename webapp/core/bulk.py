"""Many rows in one statement, on SQLite and PostgreSQL alike: they travel as one parameter, a JSON text.

A driver's `executemany` goes to the database once a row. In a process of many threads each of these ways gives up the
interpreter's lock and queues for it again; and nothing is rendered for each row. Whoever waits for a commit sees both.

Names of tables and columns are ours and never come from outside. Rows hold None, int, str, date and naive UTC datetime.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from typing import Any

import orjson
import psycopg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

Rows = Sequence[tuple[Any, ...]]
_JOURNEY = "journey"


def insert(session: Session, table: Table, names: tuple[str, ...], rows: Rows) -> None:
    """Rows with those columns; the others take the database's defaults."""
    _run(session, _insert(table, names, _on_postgres(session)), rows)


def update(session: Session, table: Table, names: tuple[str, ...], rows: Rows) -> None:
    """Set the columns after the first in rows whose first column, the table's key, is as given."""
    _run(session, _update(table, names, _on_postgres(session)), rows)


def add(session: Session, table: Table, names: tuple[str, ...], sums: tuple[str, ...], rows: Rows) -> None:
    """Add `sums`, the last columns of each row, to the row with the same primary key (`names`), or insert it."""
    _run(session, _add(table, names, sums, _on_postgres(session)), rows)


@contextmanager
def together(session: Session) -> Iterator[psycopg.Connection | None]:
    """What is written by these functions within goes to PostgreSQL in one journey, in its order, and so does what the
    connection it yields is told; answers and errors come at the end. Nothing else may use the session within.

    SQLite is no journey away: None.
    """
    if not _on_postgres(session):
        yield None
        return
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    session.info[_JOURNEY] = driver
    try:
        with driver.pipeline():
            yield driver
    except psycopg.OperationalError as error:  # a deadlock, say: `retrying` knows it by this name
        raise OperationalError("several statements", None, error) from error
    finally:
        del session.info[_JOURNEY]


def _on_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _run(session: Session, statement: str, rows: Rows) -> None:
    if not rows:
        return
    if _JOURNEY in session.info:
        session.info[_JOURNEY].execute(statement, (packed(rows),))
    else:
        session.connection().exec_driver_sql(statement, (packed(rows),))


def packed(values: Sequence[Any]) -> str:
    """Values as the one parameter."""
    return orjson.dumps(values, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _plain(value: object) -> str:
    """Days and moments as SQLite keeps them and PostgreSQL reads them."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


@cache
def _insert(table: Table, names: tuple[str, ...], on_postgres: bool) -> str:
    return f"INSERT INTO {table.name} ({', '.join(names)}) {_select(table, names, on_postgres)}"


@cache
def _update(table: Table, names: tuple[str, ...], on_postgres: bool) -> str:
    key, *others = names
    sets = ", ".join(f"{name} = given.{name}" for name in others)
    given = _select(table, names, on_postgres)
    return f"UPDATE {table.name} SET {sets} FROM ({given}) AS given WHERE {table.name}.{key} = given.{key}"  # noqa: S608


@cache
def _add(table: Table, names: tuple[str, ...], sums: tuple[str, ...], on_postgres: bool) -> str:
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in sums)
    # "WHERE true": without it SQLite takes ON CONFLICT for the condition of a join
    insert = f"{_insert(table, (*names, *sums), on_postgres)} WHERE true"
    return f"{insert} ON CONFLICT ({', '.join(names)}) DO UPDATE SET {added}"


def _select(table: Table, names: tuple[str, ...], on_postgres: bool) -> str:
    """The packed rows as a SELECT of typed columns."""
    if on_postgres:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        kinds = {name: table.c[name].type.compile(dialect) for name in names}
        columns = [f"CAST(value ->> {place} AS {kinds[name]}) AS {name}" for place, name in enumerate(names)]
        return f"SELECT {', '.join(columns)} FROM jsonb_array_elements(CAST(%s AS jsonb)) AS value"  # noqa: S608
    columns = [f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(names)]
    return f"SELECT {', '.join(columns)} FROM json_each(?)"  # noqa: S608

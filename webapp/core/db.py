"""The database: one engine, two kinds of transaction, on SQLite and PostgreSQL alike.

`reading()` never writes. `writing()` is the one transaction of an edge (view, hook, job, command): it commits at the
end, and on SQLite takes the write lock at once (a deferred read-then-write meets "database is locked" under load).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock
from time import sleep
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    any_,
    bindparam,
    column,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

from webapp.core import clock

BigKey = BigInteger().with_variant(Integer, "sqlite")
T = TypeVar("T")

BUSY_SECONDS = 30
# Of 4 kB, after which the log is written back: a page that many rows share once, not each time. In a store of ten
# million messages callbacks change other pages each time: with 4000, half of their time went by in writing back.
WAL_PAGES = 16_000
# Of a database machine that vanished without a word nobody waits for an answer for longer than this.
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
             "tcp_user_timeout": 30_000}  # fmt: skip
DEADLOCK_TRIES = 5


class Base(DeclarativeBase):
    """Every table's base; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """The engine of one installation and the transactions on it."""

    def __init__(self, url: str, folder: Path | None = None) -> None:
        """`folder`: the instance's, for what must not lie in the database itself; sessions carry it in their `info`,
        and `kept`, where what is costly to load may be kept from one session to the next."""
        self.url = url
        self._info: dict[str, Any] = {"folder": folder, "kept": {}}
        self.is_sqlite = url.startswith("sqlite")
        self._turn = RLock()
        # hide_parameters: an error's text goes to the log, and numbers and hashes must not
        if self.is_sqlite:
            path = url.removeprefix("sqlite:///")
            if path and path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_engine(
                url, connect_args={"timeout": BUSY_SECONDS}, pool_size=16, max_overflow=64, hide_parameters=True
            )
            event.listen(self.engine, "connect", _open_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(
                url, connect_args=_PATIENCE, pool_pre_ping=True, pool_size=16, max_overflow=32, hide_parameters=True
            )
            event.listen(self.engine, "begin", _begin_postgres)
        self._still = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._durable = self.engine.execution_options(recado_write=True, recado_durable=True)
        self._quick = self.engine.execution_options(recado_write=True, recado_durable=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads; whatever it changes is thrown away."""
        with Session(self.engine, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def still(self) -> Iterator[Session]:
        """A reading session that sees one moment of the database from its first question to its last.

        On SQLite every transaction does; PostgreSQL has to be asked for it.
        """
        with Session(self._still, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Session]:
        """One transaction, committed at the end, rolled back by any exception.

        `durable=False` lets the last moments be lost with the machine's power (chunks that can be redone).
        """
        bind: Engine = self._durable if durable else self._quick
        with self._in_turn(), Session(bind, expire_on_commit=False, info=self._info) as session, session.begin():
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite takes one writer at a time and lets the others sleep, up to 0.1 s a look, while the lock comes and
        goes. Threads of one process queue here instead; between processes SQLite's own lock decides, as ever."""
        mine = self.is_sqlite and self._turn.acquire(timeout=BUSY_SECONDS)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def retrying(self, work: Callable[[Session], T], *, durable: bool = True) -> T:
        """`work` in a transaction of its own, from the start again where it was chosen as a deadlock's victim."""
        for attempt in range(1, DEADLOCK_TRIES + 1):
            try:
                with self.writing(durable=durable) as session:
                    return work(session)
            except OperationalError as error:
                code = getattr(error.orig, "sqlstate", None)
                if attempt == DEADLOCK_TRIES or code not in {"40P01", "40001"}:
                    raise
                sleep(0.02 * 2**attempt)
        raise AssertionError("unreachable")

    @property
    def durable_engine(self) -> Engine:
        """The engine whose transactions are writing ones, for migrations."""
        return self._durable

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _open_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-16384")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("recado_write"):
        level = "FULL" if options.get("recado_durable") else "NORMAL"
        if connection.info.get("synchronous") != level:  # of this connection, which others used before
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.info["synchronous"] = level
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("recado_write") and not options.get("recado_durable"):
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")


def moment(session: Session) -> datetime:
    """Now by the clock that leases are kept by: the server's on PostgreSQL, this machine's on SQLite. Naive UTC."""
    if session.get_bind().dialect.name == "postgresql":
        found: datetime = session.execute(text("SELECT clock_timestamp() AT TIME ZONE 'utc'")).scalar_one()
        return found
    return clock.now()


def insert_for(session: Session, table: Any) -> Any:
    """An INSERT of the session's database that knows ON CONFLICT."""
    return (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert(table)


def each(session: Session, numbers: Sequence[int]) -> ColumnElement[int]:
    """Thousands of whole numbers as the rows of a SELECT; like those of `one_of` they travel as one parameter."""
    if session.get_bind().dialect.name == "postgresql":
        listed = bindparam(None, list(numbers), type_=ARRAY(BigInteger))
        return func.unnest(listed, type_=BigInteger).column_valued("value")
    return func.json_each(json.dumps(list(numbers))).table_valued(column("value", BigInteger)).c.value


def one_of(session: Session, found: ColumnElement[Any] | InstrumentedAttribute[Any], numbers: Sequence[int]) -> Any:
    """`column IN (…)` for thousands of whole numbers: they travel as one parameter, so nothing is rendered for each."""
    if session.get_bind().dialect.name == "postgresql":
        return found == any_(bindparam(None, list(numbers), type_=ARRAY(BigInteger)))
    values = func.json_each(json.dumps(list(numbers))).table_valued("value")
    return found.in_(select(values.c.value))

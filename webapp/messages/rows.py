"""Rows of messages as receipts see them: locked and read in one question, and written back in one statement a kind."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import Table
from sqlalchemy.orm import Session

from webapp.core import bulk
from webapp.messages.counters import Place
from webapp.messages.models import Message
from webapp.messages.states import RowState

_TABLE = cast(Table, Message.__table__)


class Row(NamedTuple):
    """A message of ours, with the random part of its run's references. Moments are naive UTC."""

    id: int
    run_id: int
    number: int
    type: int | None
    state: str
    reason: str | None
    status: str | None
    carrier: str | None
    credits: int | None
    gateway_id: str | None
    token: str
    at: datetime  # the two moments come last: SQLite hands them out as text
    status_at: datetime | None

    @property
    def place(self) -> Place:
        """What counters depend on."""
        return Place(self.run_id, self.state, self.reason, self.status, self.carrier, self.type, self.at, self.credits)


_READ = ", ".join(f"run.{name}" if name == "token" else f"message.{name}" for name in Row._fields)
# One row with everything in it, as each row that is fetched gives up the interpreter's lock once; by key, then the run.
_SQLITE = f"""
SELECT json_group_array(json_array({_READ})) FROM json_each(?) AS wanted
CROSS JOIN message ON message.id = wanted.value CROSS JOIN run ON run.id = message.run_id
"""  # noqa: S608 - names are ours
_POSTGRES = f"""
SELECT {_READ} FROM message JOIN run ON run.id = message.run_id
WHERE message.id = ANY(CAST(%s AS bigint[])) ORDER BY message.id FOR UPDATE OF message
"""  # noqa: S608 - names are ours
_LOCK_BATCHES = f"""
SELECT id FROM batch WHERE id IN (
  SELECT batch.id FROM message JOIN batch ON message.id BETWEEN batch.first_key AND batch.last_key
  WHERE message.id = ANY(CAST(%s AS bigint[])) AND message.state = '{RowState.PENDING}'
) ORDER BY id FOR UPDATE
"""  # noqa: S608 - names are ours


def locked(session: Session, keys: Iterable[int]) -> dict[int, Row]:
    """The rows of our own messages by key, locked; batches of pending ones first, so that no send is recorded between.

    On SQLite the transaction is the lock.
    """
    wanted = sorted(keys)
    if not wanted:
        return {}
    with bulk.together(session) as connection:
        if connection is not None:
            connection.execute(_LOCK_BATCHES, (wanted,))
            rows = connection.execute(_POSTGRES, (wanted,))
    if connection is not None:
        return {row[0]: Row._make(row) for row in rows.fetchall()}
    found = orjson.loads(session.connection().exec_driver_sql(_SQLITE, (bulk.packed(wanted),)).scalar_one())
    return {row[0]: _of_sqlite(row) for row in found}


def _of_sqlite(row: list[Any]) -> Row:
    row[-2] = datetime.fromisoformat(row[-2])
    row[-1] = datetime.fromisoformat(row[-1]) if row[-1] else None
    return Row._make(row)


# Indexed columns that stay as they are stay out of a statement: it would touch their indexes all the same.
_MOVED = ("id", "status", "status_at", "carrier", "gateway_id")
_ACCEPTED = (*_MOVED, "state", "reason", "at")


def write(session: Session, moved: Sequence[Row], accepted: Sequence[Row]) -> None:
    """Rows that only moved forward, and rows that became accepted by it."""
    bulk.update(session, _TABLE, _MOVED, [_values(row, _MOVED) for row in moved])
    bulk.update(session, _TABLE, _ACCEPTED, [_values(row, _ACCEPTED) for row in accepted])


def _values(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple([getattr(row, name) for name in names])

"""What a worker does with a file of opt-outs: check, add, lift again. Each may be killed anywhere and run again.

As with people (`contacts.work`), a chunk's rows, its events and the counts commit together, bound to the count from
which they started.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.contacts import faults, storing
from webapp.contacts.columns import Mapping
from webapp.contacts.digest import Digester, Fault, filled
from webapp.contacts.models import Import
from webapp.contacts.progress import SHOWN_FAULTS, advance, shape_of
from webapp.contacts.reading import Row, Table, batch
from webapp.core import clock
from webapp.core.db import Database
from webapp.optouts import queries, service

CHUNK = 10_000  # rows a transaction


def numbers_only(mapping: Mapping) -> Mapping:
    """The mapping without what opt-outs have no use for: names and fields are not kept."""
    return mapping.with_roles({c.index: "skip" for c in mapping.columns if c.role not in ("number", "ddd")}, {})


class Seen:
    """The numbers that stood further up in a file, in a file of their own: millions of them would not fit into memory.

    It is gone when closed, and when we die.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA cache_size=-32768")  # kB
        self._db.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY)")

    def take(self, numbers: list[int]) -> set[int]:
        """Those of the numbers that were not seen yet; from now on they are."""
        new = self._db.execute(
            "INSERT OR IGNORE INTO seen SELECT value FROM json_each(?) RETURNING number", [json.dumps(sorted(numbers))]
        )
        return {number for (number,) in new}

    def close(self) -> None:
        """Throw it away."""
        self._db.close()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some rows came to: rows = numbers + repeats + faults."""

    rows: int
    numbers: list[int]
    repeats: list[Fault]
    faults: list[Fault]
    landlines: int


class Reader:
    """The filled rows of a file of opt-outs in chunks, each number once."""

    def __init__(self, folder: Path, found: Import) -> None:
        self.table = Table(folder / found.path, shape_of(found))
        self._mapping = numbers_only(Mapping.from_json(found.mapping))
        self._seen = Seen()
        rows = filled(self.table)
        if found.has_header:
            next(rows, None)
        self._rows: Iterator[Row] = rows

    def chunk(self, most: int | None = None) -> Chunk | None:
        """The next rows, at most `most`; None at the end of the file."""
        rows = batch(self._rows, self.table, min(most or CHUNK, CHUNK))
        if not rows:
            return None
        made = Digester(self._mapping).digest(rows)  # a new one each time: it remembers all numbers in memory
        new = self._seen.take([person.number for person in made.people])
        if len(new) == len(made.people):
            return Chunk(len(rows), sorted(new), made.repeats, made.faults, made.landlines)
        settled = {fault.line for fault in [*made.repeats, *made.faults]}
        alone = [row for row in rows if row[0] not in settled]
        again = [row for row, person in zip(alone, made.people, strict=True) if person.number not in new]
        repeats = Digester(self._mapping).digest([*again, *again]).repeats  # the second time each repeats the first
        landlines = sum(person.kind == "landline" and person.number in new for person in made.people)
        return Chunk(len(rows), sorted(new), [*made.repeats, *repeats], made.faults, landlines)

    def skip(self, rows: int) -> None:
        """Read rows that are stored already, for the numbers in them."""
        while rows > 0 and (chunk := self.chunk(rows)) is not None:
            rows -= chunk.rows

    def close(self) -> None:
        """Forget the numbers."""
        self._seen.close()


def _check(db: Database, folder: Path, found: Import) -> None:
    with closing(Reader(folder, found)) as reader:
        totals: Counter[str] = Counter()
        shown: list[dict[str, Any]] = []
        before, done = found.rows, 0
        while (chunk := reader.chunk()) is not None:
            with db.reading() as session:
                known = len(queries.exactly(session, chunk.numbers, _channel(found)))
            totals.update(rows=chunk.rows, imported=len(chunk.numbers) - known, suppressed=known)
            totals.update(duplicates=len(chunk.repeats), rejected=len(chunk.faults), landlines=chunk.landlines)
            shown += [fault._asdict() for fault in chunk.faults[: SHOWN_FAULTS - len(shown)]]
            done += chunk.rows
            with db.writing(durable=False) as session:
                advance(session, found, before, rows=done, done_bytes=reader.table.position)
            before = done
    if not done:
        raise faults.refused("only_header" if found.has_header else "empty")
    with db.writing() as session:
        advance(session, found, before, state="ready", checked={**totals, "faults": shown}, lease_until=None)


def _channel(found: Import) -> str:
    assert found.channel is not None, "a file of opt-outs is for a channel"
    return found.channel


def _import(db: Database, folder: Path, found: Import) -> None:
    done = found.rows
    with closing(Reader(folder, found)) as reader:
        reader.skip(done)
        while (chunk := reader.chunk()) is not None:
            position = reader.table.position
            db.retrying(lambda session: _store(session, found, chunk, done, position), durable=False)  # noqa: B023
            done += chunk.rows
    with db.writing() as session:
        advance(session, found, done, state="done", lease_until=None, finished_at=clock.now())
    (folder / found.path).unlink(missing_ok=True)


def _store(session: Session, found: Import, chunk: Chunk, done: int, position: int) -> None:
    """One chunk in one transaction: opt-outs, their events, faults, counts."""
    advance(session, found, done, rows=done + chunk.rows, done_bytes=position)
    added = service.add_many(
        session, chunk.numbers, origin=service.BY_IMPORT, reason=found.source, channel=_channel(found),
        person_id=found.created_by, import_id=found.id,
    )  # fmt: skip
    storing.add_faults(session, found.id, sorted([*chunk.faults, *chunk.repeats]))
    session.execute(
        update(Import)
        .where(Import.id == found.id)
        .values(
            imported=Import.imported + len(added),
            created=Import.created + len(added),
            suppressed=Import.suppressed + len(chunk.numbers) - len(added),
            duplicates=Import.duplicates + len(chunk.repeats),
            rejected=Import.rejected + len(chunk.faults),
            landlines=Import.landlines + chunk.landlines,
        )
    )


def _undo(db: Database, folder: Path, found: Import) -> None:
    brought = service.Brought(found.id, _channel(found), found.undo_reason or "", found.undo_by)
    behind: int | None = 0
    while behind is not None:
        behind = db.retrying(lambda session: _lift(session, found, brought, behind or 0), durable=False)  # noqa: B023
    with db.writing() as session:
        advance(session, found, found.rows, state="undone", lease_until=None, finished_at=clock.now())


def _lift(session: Session, found: Import, brought: service.Brought, behind: int) -> int | None:
    """The next of those that are opted out by this import alone, in one transaction with their events."""
    advance(session, found, found.rows)
    freed, last = service.lift_import(session, brought, behind, CHUNK)
    session.execute(update(Import).where(Import.id == found.id).values(created=Import.created - freed))
    return last


Step = Callable[[Database, Path, Import], None]
STEPS: dict[str, Step] = {"checking": _check, "importing": _import, "undoing": _undo}

"""What a worker does with an import: read the sheet, check, import, undo. Each may be killed anywhere and run again.

The row of the import carries the truth: state, lease, how many rows are done. A chunk's people and the row's counts
commit together, and every write is bound to the count it started from, so a worker that was only slow, not dead, cannot
write a chunk that another one has taken over.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from webapp.contacts import again, consent, faults, proofs, recall, sheets, sniffing, storing, suppressing, undo
from webapp.contacts.columns import Mapping, guess
from webapp.contacts.digest import Chunk, Digester, filled
from webapp.contacts.models import Contact, ContactList, Import
from webapp.contacts.progress import LEASE, SHOWN_FAULTS, Lost, shape_of
from webapp.contacts.progress import advance as _advance
from webapp.contacts.reading import Row, Shape, Table, batch
from webapp.contacts.states import AT_WORK, NOT_STATED
from webapp.contacts.storable import storable
from webapp.core import clock, leases
from webapp.core.db import Database, moment
from webapp.core.errors import UserError
from webapp.core.memory import without_collector
from webapp.optouts import queries as optouts

log = structlog.get_logger(__name__)

TRIES = 5  # beginnings that came to nothing, as the process died each time, after which nobody tries again
CHUNK = 20_000  # rows a transaction: the fewer, the more often SQLite writes the same pages


def claim(db: Database, import_id: int) -> bool:
    """Take an import that has something to do and that nobody is at."""
    with db.writing(durable=False) as session:
        now = moment(session)
        taken = session.execute(
            update(Import)
            .where(Import.id == import_id, Import.state.in_(AT_WORK), _is_free(now))
            .values(lease_until=now + LEASE, tries=Import.tries + 1)
            .returning(Import.id)
        ).all()
    return bool(taken)


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Nobody is at it, or whoever was is gone; by the database's clock, which may have been set back."""
    return or_(Import.lease_until.is_(None), leases.over(Import.lease_until, now, LEASE))


def run(db: Database, folder: Path, import_id: int) -> None:
    """Do what the import's state asks for, where it is free. `folder`: the instance's."""
    if claim(db, import_id):
        run_claimed(db, folder, import_id)


def run_claimed(db: Database, folder: Path, import_id: int) -> None:
    """The same for an import that this process has claimed already."""
    with db.reading() as session:
        found = session.get(Import, import_id)
    assert found is not None
    if found.tries > TRIES:
        log.error("import given up: its process died again and again", import_id=import_id, state=found.state)
        _fail(db, folder, found, faults.FILE["died"], {"times": TRIES})
        return
    steps = {"reading": _read_sheet, "checking": _check, "importing": _import, "undoing": _undo}
    if found.purpose == "optouts":
        steps |= suppressing.STEPS
    try:
        with without_collector():
            steps[found.state](db, folder, found)
    except Lost:
        log.info("import lost to another worker", import_id=import_id)
    except UserError as error:
        _fail(db, folder, found, error.msgid, error.values)
    except FileNotFoundError:
        _fail(db, folder, found, faults.FILE["gone"], {})
    except DBAPIError:  # the database is away or full: the lease runs out and a sweep tries again, as often as it takes
        with suppress(DBAPIError), db.writing(durable=False) as session:
            session.execute(update(Import).where(Import.id == import_id).values(tries=0))
        raise
    except Exception:
        log.exception("import failed", import_id=import_id)
        _fail(db, folder, found, faults.FILE["unexpected"], {})


def _fail(db: Database, folder: Path, found: Import, msgid: str, values: dict[str, Any]) -> None:
    with db.writing() as session:
        failed = session.execute(
            update(Import)
            .where(Import.id == found.id, Import.state == found.state, Import.path == found.path)
            .values(state="failed", error=msgid, error_values=values, lease_until=None, finished_at=clock.now())
            .returning(Import.id)
        ).all()
    if failed:  # else another worker has it, who was quicker: its file is still needed
        (folder / found.path).unlink(missing_ok=True)


def prepare(
    path: Path, session: Session | None, *, encoding: str | None = None, delimiter: str | None = None
) -> dict[str, Any]:
    """The columns of an `Import` row that its file tells: shape and mapping. UserError for no table.

    `session`: where the choice of last time is looked up; None where nobody will look at the columns (a command).
    """
    shape = sniffing.sniff_csv(path, encoding=encoding, delimiter=delimiter)
    rows = sniffing.sample(path, shape)
    if shape.has_header and len(rows) < 2:
        raise faults.refused("only_header")
    return {
        "encoding": shape.encoding,
        "delimiter": shape.delimiter,
        "has_header": shape.has_header,
        **name_columns(session, rows, shape),
        "total_bytes": path.stat().st_size,
    }


def name_columns(session: Session | None, rows: list[Row], shape: Shape) -> dict[str, Any]:
    """The mapping from which a person starts, and the key of the header: as last time if there was one, else guessed.

    Without a session, or without a header, nothing is remembered: neither now nor for the next file.
    """
    mapping = replace(guess(rows, has_header=shape.has_header, width=shape.width), skip=shape.skip)
    if session is None or not shape.has_header:
        return {"mapping": mapping.to_json(), "header_key": None}
    if again.is_again([column.label for column in mapping.columns]):
        return {"mapping": recall.as_in_the_file_before(session, mapping).to_json(), "header_key": None}
    key = recall.header_key(mapping.columns)
    last = recall.last_choice(session, key)
    if last is not None:
        mapping = recall.start_from(last, mapping, rows[1:])
    return {"mapping": mapping.to_json(), "header_key": key}


def _read_sheet(db: Database, folder: Path, found: Import) -> None:
    source = folder / found.path
    target = source.with_suffix(".csv")
    read = sheets.to_csv(source, target, partial(_beat, db, found))
    name = f"{found.filename[:150]} · {read.sheet[:40]}" if read.sheet else found.filename
    with db.reading() as session:
        asked = session if found.created_by is not None and found.purpose == "people" else None
        try:
            values = prepare(target, asked, encoding=sheets.ENCODING, delimiter=sheets.DELIMITER)
        except UserError:
            target.unlink(missing_ok=True)  # the row names the workbook, not this
            raise
    with db.writing() as session:
        path = str(target.relative_to(folder))
        _advance(session, found, 0, state="uploaded", path=path, filename=name, lease_until=None, **values)
    source.unlink(missing_ok=True)


def _beat(db: Database, found: Import) -> None:
    """A sign of life while a workbook is read, which may take longer than a lease."""
    with db.writing(durable=False) as session:
        _advance(session, found, 0)


class _Reader:
    """The filled rows of an import's file in chunks, digested."""

    def __init__(self, folder: Path, found: Import) -> None:
        self.table = Table(folder / found.path, shape_of(found))
        self.digester = Digester(Mapping.from_json(found.mapping))
        rows = filled(self.table)
        if found.has_header:
            next(rows, None)
        labels = [column["label"] for column in found.mapping["columns"]]
        self._rows: Iterator[Row] = again.without_guards(rows) if again.is_again(labels) else rows

    def chunk(self, most: int | None = None) -> Chunk | None:
        """The next rows, at most `most`; None at the end of the file."""
        rows = batch(self._rows, self.table, min(most or CHUNK, CHUNK))
        return self.digester.digest(rows) if rows else None

    def skip(self, rows: int) -> None:
        """Read rows that are stored already, for the numbers in them."""
        while rows > 0:
            chunk = self.chunk(rows)
            if chunk is None:
                return
            rows -= chunk.rows


def _check(db: Database, folder: Path, found: Import) -> None:
    reader = _Reader(folder, found)
    totals: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    shown: list[dict[str, Any]] = []
    before = found.rows
    done = 0
    while (chunk := reader.chunk()) is not None:
        with db.reading() as session:
            out = len(optouts.opted_out(session, [person.number for person in chunk.people]))
            showable = storable(session, chunk)
        totals.update(
            rows=chunk.rows, imported=len(chunk.people) - out, duplicates=len(chunk.repeats), repaired=chunk.repaired
        )
        totals.update(rejected=len(chunk.faults), suppressed=out, landlines=chunk.landlines)
        repairs.update(chunk.repairs)
        shown += [fault._asdict() for fault in showable.faults[: SHOWN_FAULTS - len(shown)]]
        done += chunk.rows
        with db.writing(durable=False) as session:
            _advance(session, found, before, rows=done, done_bytes=reader.table.position)
        before = done
    if not done:
        raise faults.refused("only_header" if found.has_header else "empty")
    checked = {**totals, "repairs": dict(repairs), "faults": shown}
    with db.writing() as session:
        _advance(session, found, before, state="ready", checked=checked, lease_until=None)


def _import(db: Database, folder: Path, found: Import) -> None:
    assert found.list_id is not None
    reader = _Reader(folder, found)
    reader.skip(found.rows)
    done = found.rows
    mine = _brought(db, found) if found.rows else 0
    while (chunk := reader.chunk()) is not None:
        position = reader.table.position
        try:
            mine += db.retrying(lambda session: _store(session, found, chunk, done, mine, position), durable=False)  # noqa: B023
        except IntegrityError:  # as many as we brought, but not only those: somebody was removed, another added
            mine += db.retrying(lambda session: _store(session, found, chunk, done, None, position), durable=False)  # noqa: B023
        done += chunk.rows
    with db.writing() as session:
        _advance(session, found, done, state="done", lease_until=None, finished_at=clock.now())
    (folder / found.path).unlink(missing_ok=True)


def _brought(db: Database, found: Import) -> int:
    """How many people of the list came with an import so far."""
    brought = select(func.count()).where(Contact.list_id == found.list_id, Contact.import_id == found.id)
    with db.reading() as session:
        return session.scalar(brought) or 0


def _store(session: Session, found: Import, chunk: Chunk, done: int, mine: int | None, position: int) -> int:
    """One chunk in one transaction: people, faults, counts. Returns how many people are new to the list.

    `mine`: how many people this import has brought so far, None where that tells nothing of who is in the list.
    """
    assert found.list_id is not None
    _advance(session, found, done, rows=done + chunk.rows, done_bytes=position)
    size = storing.lock_list(session, found.list_id)
    kept = storable(session, chunk)
    out = optouts.recorded(session, [person.number for person in kept.people])
    # A list that holds only people of this import cannot hold one more of them: its numbers are taken once each.
    stored = storing.upsert(session, found.list_id, kept.people, clock.now(), import_id=found.id, all_new=size == mine)
    if found.basis != NOT_STATED:
        consent.attach(session, found.id, [person.number for person in kept.people])
    storing.add_faults(session, found.id, sorted([*kept.faults, *kept.repeats]))
    repairs = Counter(session.scalars(select(Import.repaired).where(Import.id == found.id)).one() or {})
    repairs.update(chunk.repairs)
    repairs["rows"] += chunk.repaired
    session.execute(
        update(Import)
        .where(Import.id == found.id)
        .values(
            imported=Import.imported + len(kept.people) - len(out),
            created=Import.created + stored.created - len(out - stored.known),
            duplicates=Import.duplicates + len(chunk.repeats),
            rejected=Import.rejected + len(chunk.faults),
            suppressed=Import.suppressed + len(out) + kept.erased,
            landlines=Import.landlines + chunk.landlines,
            repaired=dict(repairs),
        )
    )
    return stored.created


def _undo(db: Database, folder: Path, found: Import) -> None:
    for step in undo.STEPS:
        after: int | None = 0
        while after is not None:
            with db.writing(durable=False) as session:
                _advance(session, found, found.rows)
                after = step(session, found, CHUNK, after)
    _unlink(db, found)
    with db.writing() as session:
        _advance(session, found, found.rows, state="undone", lease_until=None, finished_at=clock.now())
        proof = consent.retract(session, found.id)
        session.execute(
            update(ContactList)
            .where(ContactList.id == found.list_id)
            .values(size=select(func.count()).where(Contact.list_id == found.list_id).scalar_subquery())
        )
    proofs.remove(folder, proof)


def _unlink(db: Database, found: Import) -> None:
    """What was stated with an undone import counts for nobody."""
    after: int | None = -1
    while after is not None and found.basis != NOT_STATED:
        with db.writing(durable=False) as session:
            _advance(session, found, found.rows)
            after = consent.unlink_chunk(session, found.id, after, CHUNK)


def waiting(session: Session) -> list[int]:
    """Imports that have something to do and that nobody is at: what a sweep starts again."""
    return list(session.scalars(select(Import.id).where(Import.state.in_(AT_WORK), _is_free(moment(session)))))

"""What a worker does with a file that was asked for. It may be killed anywhere: the file is then begun anew.

The row carries the truth: state, lease, and which attempt holds it. A thread of its own keeps the lease and tells how
far the file is, as packing a workbook takes longer than a lease. An attempt that was only slow, not dead, finds that
another one holds the row, and its file goes.
"""

import errno
import secrets
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.core import clock, leases
from webapp.core.db import Database, moment
from webapp.core.errors import NotFound, UserError
from webapp.core.memory import without_collector
from webapp.reports.exports import files, sources
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.states import AT_WORK, ERRORS, EXPIRED, FAILED, READY, WAITING, WORKING
from webapp.reports.exports.wanted import Wanted

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=20)
BEAT = 0.7  # seconds between two signs of life
ATTEMPTS = 5  # that are broken off before it is given up
KEPT = timedelta(hours=24)  # how long a file can be fetched
REMEMBERED = timedelta(days=30)  # how long its row is
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Lost(Exception):
    """Another attempt has this file, or a person has stopped it."""


def wanted_of(found: ExportFile) -> Wanted:
    """What a row asks for."""
    return Wanted(found.format, found.locale, found.zone, found.asked_at, found.campaign_id, found.view)


def run(db: Database, folder: Path, export_id: int) -> None:
    """Make the file where nobody is at it. `folder`: the instance's."""
    found = db.retrying(lambda session: _claim(session, export_id), durable=False)
    if found is None or found.holder is None:
        return
    if found.attempts > ATTEMPTS:
        _fail(db, found, "attempts")
        return
    try:
        with without_collector(), _Beat(db, found) as beat, files.place_for(folder, found.holder) as place:
            _make(db, folder, found, place, beat)
    except Lost:
        log.info("export lost to another worker, or stopped", export_id=export_id)
    except DBAPIError:
        raise  # the database is away or full: the lease runs out and a sweep tries again
    except OSError as error:
        log.error("export could not be written", export_id=export_id, error=str(error))
        _fail(db, found, "disk" if error.errno in FULL else "folder")
    except NotFound:
        _fail(db, found, "campaign")
    except UserError:
        _fail(db, found, "too_big")
    except Exception:
        log.exception("export failed", export_id=export_id)
        _fail(db, found, "unexpected")


def _claim(session: Session, export_id: int) -> ExportFile | None:
    now = moment(session)
    taken = session.execute(
        update(ExportFile)
        .where(ExportFile.id == export_id, ExportFile.state.in_(AT_WORK), _is_free(now))
        .values(
            state=WORKING,
            lease_until=now + LEASE,
            holder=secrets.token_hex(8),
            attempts=ExportFile.attempts + 1,
            rows=0,
        )
        .returning(ExportFile.id)
    ).all()
    return session.get_one(ExportFile, export_id, populate_existing=True) if taken else None


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Nobody is at it, or whoever was is gone; by the database's clock, which may have been set back."""
    return or_(ExportFile.lease_until.is_(None), leases.over(ExportFile.lease_until, now, LEASE))


def _make(db: Database, folder: Path, found: ExportFile, place: Path, beat: "_Beat") -> None:
    wanted = wanted_of(found)
    with db.reading() as session:
        rows = sources.rows(session, wanted)
        beat.expected = rows.total
        whole = files.write(rows.chunks, wanted.format, place, beat.progress)
    size = whole.stat().st_size
    path = files.keep(folder, whole)
    now = clock.now()
    ready = {
        "state": READY,
        "path": path,
        "bytes": size,
        "rows": beat.rows,
        "expected": beat.rows,
        "view": without_number(found.view),
    }
    with db.writing() as session:
        kept = _set(session, found, finished_at=now, expires_at=now + KEPT, **ready, **_OPEN_NO_MORE)
    if not kept:
        files.remove(folder, path)
        raise Lost
    log.info("export made", export_id=found.id, rows=beat.rows, bytes=size)


_OPEN_NO_MORE: dict[str, Any] = {"open_mark": None, "holder": None, "lease_until": None}


def without_number(view: dict[str, str]) -> dict[str, str]:
    """A view as it may be kept once its file is made: a person's number is needed no more."""
    return {name: value for name, value in view.items() if name != "number"}


def _set(session: Session, found: ExportFile, **values: Any) -> bool:
    """Change the row, provided that this attempt still holds it."""
    mine = (ExportFile.id == found.id, ExportFile.state == WORKING, ExportFile.holder == found.holder)
    return bool(session.execute(update(ExportFile).where(*mine).values(**values).returning(ExportFile.id)).all())


def _fail(db: Database, found: ExportFile, why: str) -> None:
    with db.writing() as session:
        failed = {"state": FAILED, "error": ERRORS[why], "finished_at": clock.now()}
        _set(session, found, **failed, view=without_number(found.view), **_OPEN_NO_MORE)


class _Beat(threading.Thread):
    """Signs of life of one attempt, with how far it is; and the news that it is no longer wanted."""

    def __init__(self, db: Database, found: ExportFile) -> None:
        super().__init__(name=f"export {found.id}", daemon=True)
        self.rows, self.expected = 0, found.expected
        self._db, self._found = db, found
        self._lost, self._over = threading.Event(), threading.Event()

    def progress(self, rows: int) -> None:
        """So many rows are written. Raises Lost where nobody wants the others."""
        self.rows = rows
        if self._lost.is_set():
            raise Lost

    def run(self) -> None:
        """Until the block ends."""
        while not self._over.wait(BEAT):
            try:
                with self._db.writing(durable=False) as session:
                    until = moment(session) + LEASE
                    if not _set(session, self._found, lease_until=until, rows=self.rows, expected=self.expected):
                        self._lost.set()
                        return
            except DBAPIError as error:
                log.warning("export could not tell how far it is", error=str(error.orig))

    def __enter__(self) -> "_Beat":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.join()


def waiting(session: Session) -> list[int]:
    """Files that nobody is at, the one asked for first first."""
    free = select(ExportFile.id).where(ExportFile.state.in_(AT_WORK), _is_free(moment(session)))
    return list(session.scalars(free.order_by(ExportFile.id)))


def expire(db: Database, folder: Path) -> None:
    """Delete files whose time has come, rows that nobody asks about any more, and what no row knows."""
    now = clock.now()
    due = (ExportFile.state == READY, ExportFile.expires_at <= now)
    old = (ExportFile.state.not_in({*AT_WORK, READY}), ExportFile.asked_at < now - REMEMBERED)
    with db.reading() as session:
        something = session.scalars(select(ExportFile.id).where(or_(due[0] & due[1], old[0] & old[1])).limit(1)).first()
    if something is not None:
        with db.writing() as session:
            session.execute(update(ExportFile).where(*due).values(state=EXPIRED))
            session.execute(ExportFile.__table__.delete().where(*old))  # type: ignore[attr-defined]
    _remove_files(db, folder)


def _remove_files(db: Database, folder: Path) -> None:
    """The files of rows that hand out nothing any more, then those of no row."""
    with db.reading() as session:
        rows = session.execute(
            select(ExportFile.id, ExportFile.path, ExportFile.state, ExportFile.holder).where(
                or_(ExportFile.path.is_not(None), ExportFile.state == WORKING)
            )
        ).all()
    gone = {row.id: row.path for row in rows if row.path is not None and row.state != READY}
    for path in gone.values():
        files.remove(folder, path)
    if gone:
        with db.writing() as session:
            session.execute(
                update(ExportFile).where(ExportFile.id.in_(gone), ExportFile.state != READY).values(path=None)
            )
    files.remove_orphans(
        folder,
        {row.path for row in rows if row.state == READY},
        {row.holder for row in rows if row.holder is not None},
    )


def begin_anew(session: Session) -> None:
    """A person was erased: files that may hold them are deleted, and those being made are begun again."""
    session.execute(update(ExportFile).where(ExportFile.state == READY).values(state=EXPIRED, error=ERRORS["erased"]))
    again = {"state": WAITING, "holder": None, "lease_until": None, "rows": 0, "attempts": 0}
    session.execute(update(ExportFile).where(ExportFile.state == WORKING).values(**again))

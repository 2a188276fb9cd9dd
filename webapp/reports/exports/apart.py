"""Big files, and workbooks for somebody who waits, are written in a process of their own."""

import tempfile
from pathlib import Path
from typing import IO, Any

import structlog

from webapp.core import apart
from webapp.core.db import Database
from webapp.core.memory import without_collector
from webapp.reports.exports import files, sources, work
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.states import refused
from webapp.reports.exports.wanted import Wanted

log = structlog.get_logger(__name__)
SMALL = 5_000  # rows that are written here: starting a process would take longer


def run(db: Database, folder: Path, export_id: int) -> None:
    """Make a file that was asked for, here or in a child that dies with us."""
    with db.reading() as session:
        found = session.get(ExportFile, export_id)
    if found is None:
        return
    if found.expected <= SMALL:
        work.run(db, folder, export_id)
        return
    status = apart.run(__name__, db, folder, export_id=export_id)
    if status:
        # Its lease runs out and the sweep begins anew.
        log.error("exporting process died", export_id=export_id, exit_code=status)


def at_once(db: Database, folder: Path, wanted: Wanted, rows: int) -> IO[bytes]:
    """The whole file of somebody who waits for it, open and without a name. UserError where it cannot be written."""
    with tempfile.TemporaryDirectory(prefix="recado-export-") as place:
        try:
            if rows <= SMALL:
                _write(db, wanted, Path(place))
            elif apart.run(__name__, db, folder, wanted=wanted.to_json(), place=place):
                raise refused("unexpected")
            return (Path(place) / f"file.{wanted.format}").open("rb")
        except OSError as error:
            log.error("export could not be written", error=str(error))
            raise refused("disk" if error.errno in work.FULL else "unexpected") from error


def work_apart(
    db: Database, folder: Path, export_id: int = 0, wanted: dict[str, Any] | None = None, place: str = ""
) -> None:
    """What the child does."""
    if wanted is None:
        work.run(db, folder, export_id)
    else:
        _write(db, Wanted.from_json(wanted), Path(place))


def _write(db: Database, wanted: Wanted, place: Path) -> None:
    with db.reading() as session, without_collector():
        files.write(sources.rows(session, wanted).chunks, wanted.format, place, files.nothing)

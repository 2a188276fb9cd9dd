"""Big imports run in a process of their own: sending keeps its worker, and the memory of a list ends with the list."""

from pathlib import Path

import structlog

from webapp.contacts import work
from webapp.contacts.models import Import
from webapp.core import apart
from webapp.core.db import Database

log = structlog.get_logger(__name__)

SMALL = 2_000_000  # bytes that a worker reads itself: starting a process would take longer


def run(db: Database, folder: Path, import_id: int) -> None:
    """Do what an import's state asks for, here or, where it is big, in a child that dies with us."""
    with db.reading() as session:
        found = session.get(Import, import_id)
    if found is None:
        return
    if found.total_bytes <= SMALL:
        work.run(db, folder, import_id)
        return
    status = apart.run(__name__, db, folder, import_id=import_id)
    if status:
        # Its lease runs out and the sweep starts another one where it stopped.
        log.error("importing process died", import_id=import_id, exit_code=status)


def work_apart(db: Database, folder: Path, import_id: int) -> None:
    """What the child does."""
    work.run(db, folder, import_id)

"""Big imports run in a process of their own: sending keeps its worker, and the memory of a list ends with the list."""

import ctypes
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import structlog

from webapp.contacts import work
from webapp.contacts.models import Import
from webapp.core.db import Database

log = structlog.get_logger(__name__)

SMALL = 2_000_000  # bytes that a worker reads itself: starting a process would take longer
_PR_SET_PDEATHSIG = 1


def run(db: Database, folder: Path, import_id: int) -> None:
    """Do what an import's state asks for, here or, where it is big, in a child that dies with us."""
    with db.reading() as session:
        found = session.get(Import, import_id)
    if found is None:
        return
    if found.total_bytes <= SMALL:
        work.run(db, folder, import_id)
        return
    child = multiprocessing.get_context("spawn").Process(
        target=_child, args=(db.url, str(folder), import_id, os.getpid()), name=f"import {import_id}", daemon=True
    )
    child.start()
    child.join()
    if child.exitcode:
        # Its lease runs out and the sweep starts another one where it stopped.
        log.error("importing process died", import_id=import_id, exit_code=child.exitcode)


def _child(url: str, folder: str, import_id: int, parent: int) -> None:
    _die_with(parent)
    db = Database(url)
    try:
        work.run(db, Path(folder), import_id)
    finally:
        db.dispose()


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

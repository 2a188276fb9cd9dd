"""Big imports run in a process of their own: sending keeps its worker, and the memory of a list ends with the list."""

import json
import os
import subprocess
import sys
from pathlib import Path

import structlog

from webapp.contacts import work
from webapp.contacts.models import Import
from webapp.core import logs
from webapp.core.db import Database

log = structlog.get_logger(__name__)

SMALL = 2_000_000  # bytes that a worker reads itself: starting a process would take longer

# The child's first deed, before it loads anything: to end with us, however that happens (1 is PR_SET_PDEATHSIG).
CHILD = f"""
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
from {__name__} import main
main()
"""


def run(db: Database, folder: Path, import_id: int) -> None:
    """Do what an import's state asks for, here or, where it is big, in a child that dies with us."""
    with db.reading() as session:
        found = session.get(Import, import_id)
    if found is None:
        return
    if found.total_bytes <= SMALL:
        work.run(db, folder, import_id)
        return
    # Not multiprocessing, which would run the parent's main module again. The URL may hold a password: not in argv.
    told = json.dumps({"url": db.url, "folder": str(folder), "import_id": import_id})
    ended = subprocess.run([sys.executable, "-c", CHILD, str(os.getpid())], input=told, text=True, check=False)
    if ended.returncode:
        # Its lease runs out and the sweep starts another one where it stopped.
        log.error("importing process died", import_id=import_id, exit_code=ended.returncode)


def main() -> None:
    """The child: its task comes on standard input."""
    logs.configure()
    told = json.load(sys.stdin)
    db = Database(told["url"], Path(told["folder"]))
    try:
        work.run(db, Path(told["folder"]), told["import_id"])
    finally:
        db.dispose()

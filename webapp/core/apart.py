"""Work in a process of its own: what reads or writes millions of rows leaves its worker free, and its memory goes."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from webapp.core import logs
from webapp.core.db import Database

# The child's first deed, before it loads anything: to end with us, however that happens (1 is PR_SET_PDEATHSIG).
CHILD = f"""
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
from {__name__} import main
main(sys.argv[2])
"""


def run(module: str, db: Database, folder: Path, **told: Any) -> int:
    """Call `work_apart(db, folder, **told)` of a module in a child that dies with us; its exit status.

    `told` must be plain values.
    """
    # Not multiprocessing, which would run the parent's main module again. The URL may hold a password: not in argv.
    task = json.dumps({"url": db.url, "folder": str(folder), "told": told})
    command = [sys.executable, "-c", CHILD, str(os.getpid()), module]
    return subprocess.run(command, input=task, text=True, check=False).returncode


def main(module: str) -> None:
    """The child: its task comes on standard input."""
    logs.configure()
    task = json.load(sys.stdin)
    folder = Path(task["folder"])
    db = Database(task["url"], folder)
    try:
        import_module(module).work_apart(db, folder, **task["told"])
    finally:
        db.dispose()

"""Files on the disk: written in a place of their own and moved when they are whole, so that no half file is met."""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from webapp.reports.exports.formats import csv_pieces, write_xlsx
from webapp.reports.exports.lines import Line

FOLDER = "exports"
PLACE = ".part"  # how the folders end in which files are being written
ORPHAN = 600  # seconds after which nobody comes back to what no row knows
PIECE = 1 << 18  # bytes sent at once
Progress = Callable[[int], object]  # is told how many rows are written


def write(chunks: Iterable[list[Line]], format: str, place: Path, progress: Progress, *, mode: int = 0o600) -> Path:
    """Write a whole file into a folder and have it on the disk; nothing else may lie in the folder.

    Raises OSError where there is no room, UserError where Excel could not read it, and what `chunks` and `progress` do.
    """
    path = place / f"file.{format}"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), "w+b") as file:
        passed = _told(chunks, progress)
        if format == "csv":
            file.writelines(csv_pieces(passed))
        else:
            write_xlsx(passed, file, place)
        file.flush()
        os.fsync(file.fileno())
    return path


def _told(chunks: Iterable[list[Line]], progress: Progress) -> Iterator[list[Line]]:
    rows = 0
    progress(0)
    for lines in chunks:
        yield lines
        rows += len(lines)
        progress(rows)


@contextmanager
def place_for(folder: Path, holder: str) -> Iterator[Path]:
    """A place for one attempt below the instance folder; it goes with all that is still in it."""
    place = _exports(folder) / f"{holder}{PLACE}"
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _exports(folder: Path) -> Path:
    exports = folder / FOLDER
    exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    return exports


def keep(folder: Path, file: Path) -> str:
    """Move a whole file to where it is handed out, under a name that nobody guesses; the path below the folder."""
    target = _exports(folder) / f"{secrets.token_hex(16)}{file.suffix}"
    file.replace(target)
    return str(target.relative_to(folder))


def remove(folder: Path, path: str) -> None:
    """Delete a kept file; it may be gone already."""
    (folder / path).unlink(missing_ok=True)


def remove_orphans(folder: Path, paths: set[str], holders: set[str]) -> None:
    """Delete what no row knows: whoever wrote it was killed, or was so slow that another one has taken over."""
    oldest = time.time() - ORPHAN
    for path in (folder / FOLDER).glob("*"):
        known = str(path.relative_to(folder)) in paths or path.name.removesuffix(PLACE) in holders
        if known or _age(path) > oldest:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def put(file: Path, target: Path) -> None:
    """Put a whole file where a person wants it: by its name alone, or bit by bit where that is a pipe or device."""
    if target.exists() and not target.is_file():
        with file.open("rb") as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        return
    target = target.resolve()
    if target.exists():
        shutil.copymode(target, file)
    file.replace(target)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """An open file bit by bit; it is closed at the end."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def nothing(*_: Any) -> None:
    """Progress that nobody looks at."""

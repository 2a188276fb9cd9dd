"""The audience of a launch, fixed in files: what is launched is what was read at the launch, whatever changes since.

A launch walks over the contacts once and writes everybody down in the order in which they will leave: one file for
each opening of the sending window, the people left out in a last one. The folder gets its name when all of it is on the
disk, so it is there whole or not at all. From then on a worker that takes over reads the same people in the same order,
and `run.launched_keys` says with which one to go on: nobody twice, nobody missed, though lists grow, shrink or vanish.

A line of a file is a block of people, `[[number, …], [text, …]]`: JSON is quick where it is asked seldom. The files
hold numbers and texts of people; they go as soon as the launch is finished.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, repeat
from pathlib import Path
from typing import IO, Any

from webapp.messages.outbox import NewMessage

FOLDER = "launches"  # below the instance folder
_INDEX = "index.json"
_LEFT_OUT = "left_out"
_BLOCK = 1000  # people


class Spool:
    """The files of one run below the instance folder, shared by all machines of an installation."""

    def __init__(self, instance: Path, run_id: int) -> None:
        self.run_id = run_id
        self.path = instance / FOLDER / str(run_id)

    @property
    def ready(self) -> bool:
        """Whether the audience is fixed."""
        return (self.path / _INDEX).is_file()

    def remove(self) -> None:
        """Delete the files, half-written ones too."""
        for path in (self.path, *self.path.parent.glob(f".{self.run_id}.*.part")):
            shutil.rmtree(path, ignore_errors=True)

    def index(self) -> dict[str, Any]:
        """`total` people from key position `base` on, in `parts` of [file, opening or None, people]."""
        found: dict[str, Any] = json.loads((self.path / _INDEX).read_text(encoding="utf-8"))
        return found

    def rows(self, skip: int) -> Iterator[NewMessage]:
        """The people in their order, without the first `skip`."""
        for name, opening, people in self.index()["parts"]:
            if skip >= people:
                skip -= people
                continue
            not_before = datetime.fromisoformat(opening) if opening else None
            yield from islice(self._part(name, not_before), skip, None)
            skip = 0

    def _part(self, name: str, not_before: datetime | None) -> Iterator[NewMessage]:
        with (self.path / name).open(encoding="utf-8") as file:
            for line in file:
                numbers, texts = json.loads(line)
                if name == _LEFT_OUT:
                    yield from map(NewMessage, numbers, repeat(None), repeat(None), texts)
                else:
                    yield from map(NewMessage, numbers, texts, repeat(not_before))

    def chunks(self, skip: int, size: int) -> Iterator[list[NewMessage]]:
        """The same in lists of at most `size`."""
        rows = self.rows(skip)
        while chunk := list(islice(rows, size)):
            yield chunk


@dataclass(slots=True)
class _Part:
    """A file being written: people with the same opening, or those left out (their reasons stand for texts)."""

    name: str
    opening: datetime | None
    file: IO[str]
    people: int = 0
    numbers: list[int] = field(default_factory=list)  # of the block that is being filled, as are the texts
    texts: list[str | None] = field(default_factory=list)

    def add(self, number: int, text: str | None) -> None:
        self.numbers.append(number)
        self.texts.append(text)
        if len(self.numbers) == _BLOCK:
            self.write()

    def write(self) -> None:
        self.people += len(self.numbers)
        self.file.write(json.dumps([self.numbers, self.texts], ensure_ascii=False) + "\n")
        self.numbers, self.texts = [], []

    def close(self) -> None:
        """Everything on the disk."""
        self.write()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


class SpoolWriter:
    """Writes a spool; `publish` makes it the run's, unless another worker was quicker with the same."""

    def __init__(self, spool: Spool, token: str) -> None:
        self.spool = spool
        self.part = spool.path.with_name(f".{spool.path.name}.{token}.part")
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        self._by_opening: dict[datetime | None, _Part] = {}
        self._left_out: _Part | None = None

    def add(self, number: int, text: str | None, opening: datetime | None) -> None:
        """One person; `opening` is naive UTC, None for the run's own time."""
        part = self._by_opening.get(opening)
        if part is None:
            name = f"{opening:%Y%m%d%H%M%S}" if opening else "0"
            part = self._by_opening[opening] = self._begin(name, opening)
        part.add(number, text)

    def leave_out(self, number: int, reason: str) -> None:
        """One person who gets nothing, and why."""
        if self._left_out is None:
            self._left_out = self._begin(_LEFT_OUT, None)
        self._left_out.add(number, reason)

    def _begin(self, name: str, opening: datetime | None) -> _Part:
        return _Part(name, opening, (self.part / name).open("w", encoding="utf-8", newline="\n"))

    @property
    def _parts(self) -> list[_Part]:
        """In the order in which they leave, the people left out in the last one."""
        parts = sorted(self._by_opening.values(), key=lambda part: part.name)
        return parts if self._left_out is None else [*parts, self._left_out]

    def publish(self, base: int) -> None:
        """Everything on the disk, then the folder's name in one step. `base`: keys of the run used before this."""
        parts, total = [], 0
        for part in self._parts:
            part.close()
            total += part.people
            parts.append([part.name, part.opening.isoformat() if part.opening else None, part.people])
        with (self.part / _INDEX).open("w", encoding="utf-8") as index:
            json.dump({"base": base, "total": total, "parts": parts}, index)
            index.flush()
            os.fsync(index.fileno())
        try:
            self.part.rename(self.spool.path)
        except OSError:  # another worker's folder is there already: its order is the one that counts
            self.abandon()
            if not self.spool.ready:
                raise
        _sync_folder(self.spool.path.parent)

    def abandon(self) -> None:
        """Throw away what was written."""
        for part in self._parts:
            part.file.close()
        shutil.rmtree(self.part, ignore_errors=True)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def spools(instance: Path) -> list[Spool]:
    """Every spool that is there, whole or in parts."""
    folder = instance / FOLDER
    names = {path.name.lstrip(".").partition(".")[0] for path in (folder.iterdir() if folder.is_dir() else ())}
    return [Spool(instance, int(name)) for name in names if name.isdigit()]

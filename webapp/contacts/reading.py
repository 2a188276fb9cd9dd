"""Reading tables as they come: any delimiter, mixed encodings, stray quotation marks, lines without end.

Everything here is pure but for opening the file, and never loses count: a physical row of the table is one row out.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_LINE = 1_000_000  # characters
MAX_COLUMNS = 500
TOO_LONG = "\x00too long"  # NULs are removed from all lines, so none can look like this
HEAD_CHARACTERS = 4_000_000  # of the first rows, however few they are

Row = tuple[int, list[str]]  # the number of the row as a spreadsheet counts it, and its cells


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table is written."""

    encoding: str
    delimiter: str
    has_header: bool
    width: int


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8 are read as Windows-1252, which is what they are where two files were glued together."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", errors="replace"), error.end


codecs.register_error("recado_windows", _as_windows)


class _Counted(io.RawIOBase):
    """A file that knows how many bytes of it were read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        size = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.position += size
        return int(size)


class Table:
    """The rows of a delimited text file, blank ones included. `position` is how many bytes were read so far."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self.shape = path, shape
        self._raw: _Counted | None = None

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._raw.position if self._raw else 0

    def __iter__(self) -> Iterator[Row]:
        errors = "recado_windows" if self.shape.encoding.startswith("utf-8") else "replace"
        with self.path.open("rb", buffering=0) as file:
            self._raw = _Counted(file)
            buffered = io.BufferedReader(self._raw, 1 << 17)
            text = io.TextIOWrapper(buffered, encoding=self.shape.encoding, errors=errors, newline=None)
            yield from enumerate(_records(_lines(text), self.shape), start=1)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines without NULs, none longer than `MAX_LINE`; Excel's `sep=;` is not part of the table."""
    first = True
    while line := text.readline(MAX_LINE):
        if len(line) >= MAX_LINE and line[-1] != "\n":
            while (rest := text.readline(MAX_LINE)) and rest[-1] != "\n":
                pass
            line = TOO_LONG + "\n"
        elif "\0" in line:
            line = line.replace("\0", "")
        if first:
            first = False
            line = line.lstrip("\ufeff")
            if line.strip().lower() in ("sep=;", "sep=,", "sep=|", "sep=\t", "sep="):
                continue
        yield line


def _records(lines: Iterator[str], shape: Shape) -> Iterator[list[str]]:
    recent: list[str] = []  # the physical lines of the record in hand

    def feed() -> Iterator[str]:
        for line in lines:
            recent.append(line)
            yield line

    reader = csv.reader(feed(), delimiter=shape.delimiter, skipinitialspace=shape.delimiter != "\t")
    while True:
        recent.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield from _one_by_one(recent, shape)
            continue
        if len(recent) == 1:
            yield cells
        else:
            yield from _spread(cells, list(recent), shape)


def _spread(cells: list[str], lines: list[str], shape: Shape) -> Iterator[list[str]]:
    """A record over several lines: a value with line breaks, or a stray quotation mark that ate its neighbours."""
    alone = list(_one_by_one(lines, shape))
    whole = [row for row in alone if len(row) == shape.width]
    if len(whole) * 2 > len(alone) or len(cells) != shape.width:
        yield from alone
    else:
        yield cells


def _one_by_one(lines: list[str], shape: Shape) -> Iterator[list[str]]:
    for line in lines:
        bare = line.rstrip("\n")
        if bare.count('"') % 2 == 0:
            try:
                yield next(csv.reader([bare], delimiter=shape.delimiter, skipinitialspace=True), [])
                continue
            except csv.Error:
                pass
        yield [cell.strip().strip('"') for cell in bare.split(shape.delimiter)]


def head(table: Table, count: int) -> list[Row]:
    """The first rows that hold any value."""
    found: list[Row] = []
    characters = 0
    for line, cells in table:
        if any(cell.strip() for cell in cells):
            found.append((line, cells))
            characters += sum(map(len, cells))
            if len(found) == count or characters > HEAD_CHARACTERS:
                break
    return found

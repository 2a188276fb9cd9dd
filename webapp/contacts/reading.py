"""Reading tables as they come: any delimiter, mixed encodings, stray quotation marks, lines without end.

Everything here is pure but for opening the file, and never loses count: a physical row of the table is one row out.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

MAX_LINE = 1_000_000  # characters
MAX_RECORD, MAX_RECORD_LINES = 2_000_000, 500  # characters and lines of one row, with line breaks in its values
MAX_COLUMNS = 500
TOO_LONG = "\x00too long"  # NULs are removed from all lines, so none can look like this
MAX_CELL = 4000  # characters that are kept of a cell: more are a fault wherever they are used
HEAD_CHARACTERS = 4_000_000  # of the first rows, however few they are
BATCH_BYTES = 4_000_000  # of the file that are in memory as rows
BLOCK = 1 << 17  # characters that are read at once where nothing in them needs care
_STEP = 100  # rows between two looks at how far the file is read
HEAD_BYTES = 16_000_000  # in which the first rows must be found

Row = tuple[int, list[str]]  # the number of the row as a spreadsheet counts it, and its cells


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table is written. `width`: 0 while it is not known. `skip`: physical rows above the table."""

    encoding: str
    delimiter: str
    has_header: bool
    width: int
    skip: int = 0


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
            rows = enumerate(_records(_Text(text), self.shape), start=1)
            yield from islice(rows, self.shape.skip, None) if self.shape.skip else rows


class _Text:
    """A text in blocks of whole lines; one that needs care can be read by the line, on into what follows it."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._block, self._size = io.StringIO(), 0
        self.endless = False  # a line was given up, and the rest of it is still to be read over

    def next_block(self) -> str:
        """The next lines, not more than `BLOCK` and a line of `MAX_LINE`; empty at the end."""
        block = self._text.read(BLOCK)
        if block and block[-1] != "\n":
            block += self._text.readline(MAX_LINE)
        self._block = io.StringIO(block)
        self._size = len(block)
        return block

    @property
    def between_blocks(self) -> bool:
        """Whether all of the block was read by the line."""
        return self._block.tell() >= self._size and not self.endless

    def readline(self, most: int) -> str:
        """The next line with its end, or as much of it as asked for."""
        line = self._block.readline(most)
        if line[-1:] == "\n" or len(line) == most:
            return line
        return line + self._text.readline(most - len(line))


def _records(text: _Text, shape: Shape) -> Iterator[list[str]]:
    """The rows: by the block where each of its lines is one, else as carefully as it takes. The first block may begin
    with a mark of its encoding or with Excel's `sep=;`, which is not part of the table."""
    first = True
    while block := text.next_block():
        lines = None if first else _simple_lines(block)
        if lines is not None:
            yield from csv.reader(lines, delimiter=shape.delimiter, skipinitialspace=shape.delimiter != "\t")
        else:
            yield from _careful_records(text, shape, first=first)
        first = False


def _simple_lines(block: str) -> list[str] | None:
    """The lines of a block in which nothing is quoted, hidden or endless; None for any other."""
    if '"' in block or "\0" in block or "\ufeff" in block or block[-1] != "\n":
        return None
    lines = block.split("\n")
    lines.pop()
    return lines if max(map(len, lines)) <= MAX_CELL else None


def _lines(text: _Text, *, first: bool) -> Iterator[str]:
    """Lines without NULs, none longer than `MAX_LINE`."""
    while line := text.readline(MAX_LINE):
        text.endless = len(line) >= MAX_LINE and line[-1] != "\n"
        if text.endless:
            line = TOO_LONG + "\n"
        elif "\0" in line:
            line = line.replace("\0", "")
        if "\ufeff" in line:  # also where files were glued together
            line = line.lstrip("\ufeff")
        if first:
            first = False
            if line.strip().lower() in ("sep=;", "sep=,", "sep=|", "sep=\t", "sep="):
                continue
        yield line
        if text.endless:  # after the yield: who wants the first rows only need not wait for the end of such a line
            while (rest := text.readline(MAX_LINE)) and rest[-1] != "\n":
                pass


def _careful_records(text: _Text, shape: Shape, *, first: bool) -> Iterator[list[str]]:
    """Rows by the line, to the end of the block or of the row that goes on behind it."""
    recent: list[str] = []  # the physical lines of the record in hand
    lines = _lines(text, first=first)

    def feed() -> Iterator[str]:
        size = 0
        for line in lines:
            size = size + len(line) if recent else len(line)
            recent.append(line)
            if len(recent) > 1 and (len(recent) > MAX_RECORD_LINES or size > MAX_RECORD):
                raise csv.Error("a quotation mark that nobody closes")
            yield line

    def reader_of_rest() -> Iterator[list[str]]:
        return csv.reader(feed(), delimiter=shape.delimiter, skipinitialspace=shape.delimiter != "\t")

    reader = reader_of_rest()
    while not text.between_blocks:
        recent.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield from _slim_if_known(_one_by_one(recent, shape), shape)
            reader = reader_of_rest()
            continue
        if len(recent) == 1:
            if len(cells) == 1 and shape.delimiter in cells[0] and shape.width != 1:
                cells = next(csv.reader(cells, delimiter=shape.delimiter), cells)  # a whole line in quotation marks
            yield _slim(cells) if shape.width and len(recent[0]) > MAX_CELL else cells
        else:
            yield from _slim_if_known(_spread(cells, list(recent), shape), shape)


def _spread(cells: list[str], lines: list[str], shape: Shape) -> Iterator[list[str]]:
    """A record over several lines: a value with line breaks, or a stray quotation mark that ate its neighbours."""
    alone = list(_one_by_one(lines, shape))
    whole = [row for row in alone if len(row) == shape.width]
    if len(whole) * 2 > len(alone) or len(cells) != shape.width:
        yield from alone
    else:
        yield cells


def _slim_if_known(rows: Iterator[list[str]], shape: Shape) -> Iterator[list[str]]:
    return map(_slim, rows) if shape.width else rows


def _slim(cells: list[str]) -> list[str]:
    """A row of a very long line with what counts of it: lines of a million characters must not add up in memory."""
    if len(cells) > 2 * MAX_COLUMNS:
        beyond = next((cell for cell in cells[MAX_COLUMNS:] if cell.strip()), None)
        cells = cells[:MAX_COLUMNS] if beyond is None else [*cells[:MAX_COLUMNS], beyond]
    return [cell if len(cell) <= MAX_CELL else cell.strip()[:MAX_CELL] for cell in cells]


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
    """The first rows that hold any value, of those in the first megabytes."""
    found: list[Row] = []
    characters = 0
    for line, cells in table:
        if any(cell.strip() for cell in cells):
            found.append((line, cells))
            characters += len(cells) + sum(map(len, cells))
        if cells == [TOO_LONG] or len(found) == count or characters > HEAD_CHARACTERS or table.position > HEAD_BYTES:
            break
    return found


def batch(rows: Iterator[Row], table: Table, most: int) -> list[Row]:
    """The next rows, at most `most`, and not more of the file at once than memory should hold."""
    found: list[Row] = []
    end = table.position + BATCH_BYTES
    while len(found) < most and table.position < end:
        before = len(found)
        found.extend(islice(rows, min(_STEP, most - before)))
        if len(found) == before:
            break
    return found

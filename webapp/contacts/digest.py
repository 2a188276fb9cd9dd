"""From rows of a file to people: pure, quick, and every row ends in exactly one of the counts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from typing import NamedTuple

from webapp.contacts.columns import Mapping
from webapp.contacts.numbers import Numbers
from webapp.contacts.reading import TOO_LONG, Row
from webapp.core import phone
from webapp.core.text import fold_word

MAX_NAME = 200
MAX_VALUE = 1000
KEPT_OF_A_ROW = 40  # cells of a wrong row that are kept to be shown and downloaded
KEPT_OF_A_CELL = 300


class Person(NamedTuple):
    """Somebody as they will be stored; `fields` is JSON."""

    number: int
    kind: str
    name: str
    name_key: str
    fields: str


_person = tuple.__new__  # what a named tuple does itself, without taking its parts one by one


class Fault(NamedTuple):
    """A row that could not be used; `reason` is a key of `faults.ROW`."""

    line: int
    column: str
    value: str
    reason: str
    row: list[str]


@dataclass(slots=True)
class Chunk:
    """What some rows came to: rows = people + repeats + faults."""

    rows: int = 0
    people: list[Person] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    repeats: list[Fault] = field(default_factory=list)  # rows whose number stood further up in the file
    landlines: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    repaired: int = 0  # rows with a repair worth mentioning
    ways: Counter[tuple[str, ...]] = field(default_factory=Counter)  # repairs of a row → such rows


def search_key(name: str) -> str:
    """A name as it is searched: `José D'Ávila` → `jose d avila`."""
    if name.isascii() and "  " not in name and name.replace(" ", "").isalnum():
        return name.lower()
    return fold_word(name)[:MAX_NAME]


def filled(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows that hold any value: the others are no rows."""
    return (row for row in rows if row[1] and (row[1][0].strip() or any(cell.strip() for cell in row[1])))


class Digester:
    """Turns rows into chunks, remembering the numbers it has seen in the file."""

    def __init__(self, mapping: Mapping) -> None:
        number = mapping.of_role("number")
        assert number is not None, "a file without a number column is refused before"
        ddd, name = mapping.of_role("ddd"), mapping.of_role("name")
        self._number = number.index
        self._number_label = number.label
        self._ddd = ddd.index if ddd else None
        self._name = name.index if name else None
        self._keys = [(column.index, f"{_quoted(column.key)}: ") for column in mapping.fields]
        self._labels = [(column.index, column.label) for column in mapping.fields]
        self._whole = "{" + ", ".join(key.replace("%", "%%") + "%s" for _, key in self._keys) + "}"
        self._width = mapping.width
        self._seen = Numbers()

    def digest(self, rows: Sequence[Row]) -> Chunk:
        """What these rows of the file come to; rows without any value were left out before (`filled`)."""
        chunk = Chunk(rows=len(rows))
        people: list[Person] = []
        ways: list[tuple[str, ...]] = []  # of the people, as are the rows
        theirs: list[Row] = []
        for row in rows:
            found = self._read(*row)
            if isinstance(found, Fault):
                chunk.faults.append(found)
            else:
                people.append(found[0])
                ways.append(found[1])
                theirs.append(row)
        for place in reversed(self._seen.add([person.number for person in people])):
            line, cells = theirs[place]
            chunk.repeats.append(_fault(line, self._number_label, cells[self._number], "duplicate", cells))
            del people[place], ways[place]
        chunk.repeats.reverse()
        chunk.people = people
        self._count(chunk, ways)
        return chunk

    def _count(self, chunk: Chunk, ways: Sequence[tuple[str, ...]]) -> None:
        chunk.landlines = [person.kind for person in chunk.people].count("landline")
        chunk.ways.update(ways)
        for repairs, count in chunk.ways.items():
            chunk.repairs.update(dict.fromkeys(repairs, count))
            if not phone.COSMETIC.issuperset(repairs):
                chunk.repaired += count

    def _read(self, line: int, cells: list[str]) -> tuple[Person, tuple[str, ...]] | Fault:
        """A row by itself: somebody and how their number was repaired, or what is wrong."""
        size = len(cells)
        if (size > self._width or cells[0] == TOO_LONG) and (reason := self._shape_fault(cells)):
            return _fault(line, "", cells[0], reason, cells)
        text = cells[self._number] if self._number < size else ""
        kind: str = "mobile"
        if self._ddd is None and (quick := phone.mobile(text)):
            number, repairs = quick
        else:
            found = self._parse(text, cells)
            if isinstance(found, phone.Bad):
                return _fault(line, self._number_label, text, found.reason, cells)
            number, kind, repairs = found
        fields = self._fields_of(cells, size)
        if len(fields) > MAX_VALUE and (long := self._too_long(cells)):
            return _fault(line, *long, "cell_too_long", cells)
        name = cells[self._name].strip()[:MAX_NAME] if self._name is not None and self._name < size else ""
        return _person(Person, (number, kind, name, search_key(name), fields)), repairs

    def _fields_of(self, cells: list[str], size: int) -> str:
        """The filled fields of a row as JSON, put together by hand: an encoder takes longer than all the rest."""
        if size >= self._width and all(values := [cells[index].strip() for index, _ in self._keys]):
            return self._whole % tuple(map(_quoted, values))
        return (
            "{"
            + ", ".join(
                [key + _quoted(value) for index, key in self._keys if index < size and (value := cells[index].strip())]
            )
            + "}"
        )

    def _too_long(self, cells: list[str]) -> tuple[str, str] | None:
        """Label and value of the first field that is too long to keep."""
        for index, label in self._labels:
            if index < len(cells) and len(cells[index].strip()) > MAX_VALUE:
                return label, cells[index]
        return None

    def _parse(self, text: str, cells: list[str]) -> phone.Parsed | phone.Bad:
        if self._ddd is not None and self._ddd < len(cells):
            ddd = cells[self._ddd].strip(" ()").lstrip("0").removesuffix(".0")
            digits = sum(character.isdigit() for character in text)
            if ddd.isdigit() and digits in (8, 9):
                return phone.parse(f"{ddd} {text.strip()}")
        return phone.parse(text)

    def _shape_fault(self, cells: list[str]) -> str | None:
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            return "too_many_cells"
        return "line_too_long" if cells[0] == TOO_LONG else None


def _fault(line: int, column: str, value: str, reason: str, cells: list[str]) -> Fault:
    kept = ["" if cell == TOO_LONG else cell[:KEPT_OF_A_CELL] for cell in cells[:KEPT_OF_A_ROW]]
    return Fault(line, column[:120], kept[0] if cells[0] == TOO_LONG else value[:KEPT_OF_A_CELL], reason, kept)

"""From rows of a file to people: pure, quick, and every row ends in exactly one of the counts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from webapp.contacts.columns import Mapping
from webapp.contacts.reading import TOO_LONG, Row
from webapp.core import phone
from webapp.core.text import fold_word

MAX_NAME = 200
MAX_VALUE = 1000
_KEPT_OF_A_ROW = 40  # cells of a wrong row that are kept to be shown and downloaded
_KEPT_OF_A_CELL = 300


class Person(NamedTuple):
    """Somebody as they will be stored; `fields` is JSON."""

    number: int
    kind: str
    name: str
    name_key: str
    fields: str


class Fault(NamedTuple):
    """A row that could not be used; `reason` is a key of `faults.ROW`."""

    line: int
    column: str
    value: str
    reason: str
    row: list[str]


@dataclass(slots=True)
class Chunk:
    """What some rows came to: rows = people + duplicates + faults."""

    rows: int = 0
    people: list[Person] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    duplicates: int = 0
    landlines: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    repaired: int = 0  # rows with a repair worth mentioning


def search_key(name: str) -> str:
    """A name as it is searched: `José D'Ávila` → `jose d avila`."""
    return name.lower() if name.isascii() and name.replace(" ", "").isalnum() else fold_word(name)


def filled(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows that hold any value: the others are no rows."""
    return (row for row in rows if any(row[1]) and any(cell.strip() for cell in row[1]))


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
        self._fields = [(column.index, column.key, column.label) for column in mapping.fields]
        self._width = mapping.width
        self._seen: set[int] = set()

    def digest(self, rows: Sequence[Row]) -> Chunk:
        """What these rows of the file come to; rows without any value were left out before (`filled`)."""
        chunk = Chunk(rows=len(rows))
        for line, cells in rows:
            self._take(chunk, line, cells)
        return chunk

    def _take(self, chunk: Chunk, line: int, cells: list[str]) -> None:
        reason = self._shape_fault(cells)
        if reason:
            chunk.faults.append(_fault(line, "", cells[0], reason, cells))
            return
        text = cells[self._number] if self._number < len(cells) else ""
        found = self._parse(text, cells)
        if isinstance(found, phone.Bad):
            chunk.faults.append(_fault(line, self._number_label, text, found.reason, cells))
            return
        values = {
            key: value for index, key, _ in self._fields if index < len(cells) and (value := cells[index].strip())
        }
        if long := next((key for key, value in values.items() if len(value) > MAX_VALUE), None):
            label = next(label for _, key, label in self._fields if key == long)
            chunk.faults.append(_fault(line, label, values[long], "cell_too_long", cells))
            return
        if found.number in self._seen:
            chunk.duplicates += 1
            return
        self._seen.add(found.number)
        self._count(chunk, found)
        name = cells[self._name].strip()[:MAX_NAME] if self._name is not None and self._name < len(cells) else ""
        fields = json.dumps(values, ensure_ascii=False) if values else "{}"
        chunk.people.append(Person(found.number, found.kind, name, search_key(name)[:MAX_NAME], fields))

    def _parse(self, text: str, cells: list[str]) -> phone.Parsed | phone.Bad:
        if self._ddd is not None and self._ddd < len(cells):
            ddd = cells[self._ddd].strip().lstrip("0").removesuffix(".0")
            digits = sum(character.isdigit() for character in text)
            if ddd.isdigit() and digits in (8, 9):
                return phone.parse(f"{ddd} {text.strip()}")
        return phone.parse(text)

    def _shape_fault(self, cells: list[str]) -> str | None:
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            return "too_many_cells"
        return "line_too_long" if cells[0] == TOO_LONG else None

    def _count(self, chunk: Chunk, found: phone.Parsed) -> None:
        if found.kind == "landline":
            chunk.landlines += 1
        if found.repairs:
            chunk.repairs.update(found.repairs)
            if not phone.COSMETIC.issuperset(found.repairs):
                chunk.repaired += 1


def _fault(line: int, column: str, value: str, reason: str, cells: list[str]) -> Fault:
    kept = ["" if cell == TOO_LONG else cell[:_KEPT_OF_A_CELL] for cell in cells[:_KEPT_OF_A_ROW]]
    return Fault(line, column[:120], kept[0] if cells[0] == TOO_LONG else value[:_KEPT_OF_A_CELL], reason, kept)

"""What of a file may be written down: whoever was erased on request is counted, and nothing of them is stored."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from webapp.contacts.digest import Chunk, Fault, Person
from webapp.core import phone
from webapp.optouts import erased


class Storable(NamedTuple):
    """The people, wrong rows and repeated rows of a chunk that may be stored; `erased` people are left out."""

    people: Sequence[Person]
    faults: Sequence[Fault]
    repeats: Sequence[Fault]
    erased: int


def storable(session: Session, chunk: Chunk) -> Storable:
    """Sort out whoever was erased; where nobody ever was, one small question is all this costs."""
    stones = erased.load(session)
    if stones is None:
        return Storable(chunk.people, chunk.faults, chunk.repeats, 0)
    gone = stones.suppressed(person.number for person in chunk.people)
    people = [person for person in chunk.people if person.number not in gone] if gone else chunk.people

    def others(rows: Iterable[Fault]) -> list[Fault]:
        return [row for row in rows if not stones.suppressed(numbers_in(row.row))]

    return Storable(people, others(chunk.faults), others(chunk.repeats), len(gone))


def numbers_in(cells: Sequence[str]) -> set[int]:
    """Every phone number that a row may hold, an area code in a cell of its own included."""
    areas = {cell.strip().lstrip("0").removesuffix(".0") for cell in cells}
    areas = {area for area in areas if len(area) == 2 and area.isdigit()}
    found = set()
    for cell in cells:
        digits = sum(character.isdigit() for character in cell)
        if digits < 8:
            continue
        for text in (cell, *(f"{area} {cell.strip()}" for area in areas if digits < 10)):
            parsed = phone.parse(text)
            if isinstance(parsed, phone.Parsed):
                found.add(parsed.number)
    return found

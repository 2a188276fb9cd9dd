"""A file of numbers that must not be written to ("Não Me Ligue" and the like), read in one go."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from webapp.contacts import faults, sheets, sniffing
from webapp.contacts.columns import guess
from webapp.contacts.digest import filled
from webapp.contacts.reading import Table
from webapp.core import phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.optouts import service as optouts

MAX_ROWS = 200_000  # what a request may wait for


class Suppressed(NamedTuple):
    """What a file came to: rows = added + known + wrong."""

    rows: int
    added: int
    known: int
    wrong: int


def read_numbers(path: Path) -> tuple[list[int], int]:
    """The numbers of a file and how many rows held none; UserError for no table, no numbers, too many rows."""
    if path.stat().st_size and sniffing.is_sheet(path):
        source, path = path, path.with_suffix(".rows.csv")
        try:
            sheets.to_csv(source, path)
            return _numbers(path)
        finally:
            path.unlink(missing_ok=True)
    return _numbers(path)


def _numbers(path: Path) -> tuple[list[int], int]:
    shape = sniffing.sniff_csv(path)
    mapping = guess(sniffing.sample(path, shape), has_header=shape.has_header, width=shape.width)
    column = mapping.of_role("number")
    if column is None:
        raise faults.refused("no_numbers")
    rows = filled(Table(path, shape))
    if shape.has_header:
        next(rows, None)
    numbers: list[int] = []
    wrong = 0
    for _, cells in islice(rows, MAX_ROWS + 1):
        found = phone.parse(cells[column.index] if column.index < len(cells) else "")
        if isinstance(found, phone.Parsed):
            numbers.append(found.number)
        else:
            wrong += 1
    if len(numbers) + wrong > MAX_ROWS:
        raise UserError(N_("At most 200,000 numbers at once. Cut the file into parts and upload one after the other."))
    return numbers, wrong


def suppress(session: Session, path: Path, *, reason: str, person_id: int | None) -> Suppressed:
    """Opt out everybody in a file. Messages that wait for them are left out when their batch leaves."""
    numbers, wrong = read_numbers(path)
    added = optouts.add_many(session, numbers, origin="import", reason=reason, person_id=person_id)
    return Suppressed(len(numbers) + wrong, len(added), len(numbers) - len(added), wrong)

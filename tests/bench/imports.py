"""How long a list takes from its file to the database, beside a reader that stores nothing: `python -m
tests.bench.imports`.

The import is the real one, `recado contacts import` without its command line: the file kept, looked at, read, its
numbers understood, its people and its wrong rows written with their counts, a commit each chunk. The plain reader is
what one writes first: `csv` and, on every row, `phonenumbers`. It has the same rows as CSV, whatever we are given.
"""

import argparse
import csv
import random
import resource
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import phonenumbers
import xlsxwriter
from sqlalchemy import func, select

from tests.bench.ground import DATABASES, Ground, Wrong, apart, ground, peak_memory, told
from webapp.contacts.commands import run_import_command
from webapp.contacts.models import Contact
from webapp.core.db import Database
from webapp.core.phone import DDDS
from webapp.core.settings import Settings

HEADER = ("Nome", "Celular", "Cidade", "Último pedido", "Código")
_NAMES = ("Ana", "Bruno", "Carla", "Diego", "Elisa", "Fábio", "Gabriela", "Heitor", "João", "Karina", "Luís", "Márcia")
_SURNAMES = ("Souza", "Lima", "Dias", "Reis", "Melo", "Nunes", "Rocha", "Alves", "Castro", "Gonçalves", "Araújo", "Sá")
_CITIES = ("São Paulo", "Rio de Janeiro", "Belo Horizonte", "Santos", "Bauru", "Florianópolis", "Recife", "Goiânia")
_WAYS = ("{0}{1}{2}", "({0}) {1}-{2}", "+55 {0} {1}-{2}", "55{0}{1}{2}", "{0} {1}{2}", "0{0}{1}{2}", "{0} {1}-{2}")
REPEATED, WRONG = 100, 200  # one row of so many
Row = tuple[str, ...]


class Case(NamedTuple):
    """A kind of file, and what its import must reach: times the plain reader, and MB at its most."""

    kind: str
    columns: int
    ratio: float
    memory: int


CASES = (Case("csv", 4, 1.2, 200), Case("xlsx", 3, 0.8, 450), Case("xlsx", 5, 0.8, 700))


class Taken(NamedTuple):
    """What one import took: seconds, and MB at its most in a process that did nothing else, or in one of its children."""

    seconds: float
    memory: float


def rows(count: int) -> Iterator[Row]:
    """Rows as real lists have them: mobiles in seven spellings, one in 100 there twice, one in 200 cut short."""
    dice, codes = random.Random(11), sorted(DDDS)
    earlier = ""
    for place in range(count):
        area, first = codes[place % len(codes)], place // len(codes) * 1_000_003 % 40_000_000
        parts = area, f"9{first // 10_000 + 6000}", f"{first % 10_000:04}"
        number = dice.choice(_WAYS).format(*parts)
        if place % WRONG == 1:
            number = dice.choice(_WAYS).format(*parts[:2], "").rstrip("-")
        elif place % REPEATED == REPEATED - 1:
            number = earlier
        else:
            earlier = number
        name = f"{dice.choice(_NAMES)} {dice.choice(_SURNAMES)} {dice.choice(_SURNAMES)}"
        yield name, number, dice.choice(_CITIES), f"{place % 28 + 1:02}/0{place % 9 + 1}/2026", f"C{place:07}"


def wanted(count: int) -> dict[str, int]:
    """The counts that a right import of so many rows has."""
    repeated, wrong = count // REPEATED, (count + WRONG - 2) // WRONG
    return {"rows": count, "imported": count - repeated - wrong, "duplicates": repeated, "rejected": wrong}


def write_csv(path: Path, table: Iterable[Row]) -> None:
    """A list as Excel in Brazil saves it, but in UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(table)


def write_xlsx(path: Path, table: Iterable[Row]) -> None:
    """The same as a workbook; every number that is only digits is a number there, as Excel makes it one."""
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet()
    for line, row in enumerate(table):
        for place, cell in enumerate(row):
            if cell.isdecimal() and cell[0] != "0":
                sheet.write_number(line, place, int(cell))
            else:
                sheet.write_string(line, place, cell)
    book.close()


def ours(settings: Settings, path: Path, count: int) -> Taken:
    """Import a file into a new list. Raises Wrong where it did not come to what it holds."""
    db = Database(settings.database_url)
    began = time.perf_counter()
    report = run_import_command(db, settings, path, "Clientes")
    seconds = time.perf_counter() - began
    with db.reading() as session:
        stored = session.scalar(select(func.count()).select_from(Contact))
    db.dispose()
    if stored != report["imported"] or not report.items() >= wanted(count).items():
        raise Wrong(f"{report}, {stored} people stored; should be {wanted(count)}")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Taken(seconds, max(peak_memory(), children))


def plain(path: Path) -> float:
    """Seconds that reading a CSV takes with `phonenumbers` asked about every row."""
    began = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter=";")
        next(reader)
        for row in reader:
            try:
                found = phonenumbers.parse(row[1], "BR")
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(found):
                phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    return time.perf_counter() - began


def measure(on: Ground, count: int, rounds: int, case: Case) -> None:
    """Import and plain reader in turn, some rounds; print what they took."""
    as_csv = on.folder / f"{case.columns}.csv"
    write_csv(as_csv, table(count, case.columns))
    path = as_csv.with_suffix(f".{case.kind}")
    if case.kind == "xlsx":
        write_xlsx(path, table(count, case.columns))
    imports: list[Taken] = []
    readings: list[float] = []
    for _ in range(rounds):
        with on.installation() as settings:
            imports.append(apart(ours, settings, path, count))
        readings.append(apart(plain, as_csv))
    print(f"{count:,} rows, {case.columns} columns, {case.kind.upper()}, {path.stat().st_size / 1e6:.0f} MB")
    print(told("import, read to stored", count, [taken.seconds for taken in imports]))
    print(told("csv + phonenumbers on every row", count, readings))
    ratio = median(readings) / median(taken.seconds for taken in imports)
    memory = max(taken.memory for taken in imports)
    print(f"  {ratio:.2f} times the plain reader (at least {case.ratio}), {memory:.0f} MB (at most {case.memory})")


def table(count: int, columns: int) -> Iterator[Row]:
    """A header and its rows."""
    yield HEADER[:columns]
    yield from (row[:columns] for row in rows(count))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ground(given.database) as on:
        print(f"import on {given.database}, {given.rounds} rounds in turn, medians")
        for case in CASES:
            measure(on, given.rows, given.rounds, case)


if __name__ == "__main__":
    main()

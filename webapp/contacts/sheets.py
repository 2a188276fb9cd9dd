"""Spreadsheets (XLSX, ODS, XLS) become a delimited text once; from there on every list goes the same way."""

import csv
import zipfile
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from webapp.contacts import faults

ENCODING, DELIMITER = "utf-8", ";"
# A sheet of a million rows packs about 10:1; a bomb packs 1000:1.
MAX_UNPACKED = 2_000_000_000
MAX_RATIO = 200
HARMLESS_UNPACKED = 50_000_000


def to_csv(source: Path, target: Path) -> int:
    """Write the first sheet that has rows as UTF-8 with `;`, rows on the lines they had; returns how many.

    UserError where the workbook is a bomb, damaged, locked, or has no rows.
    """
    _refuse_bombs(source)
    try:
        book = CalamineWorkbook.from_path(str(source))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.height:
                first = sheet.start[0] if sheet.start else 0
                return _write(sheet.iter_rows(), target, blank_rows=first)
    except (CalamineError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise faults.refused("bad_sheet") from error
    raise faults.refused("empty")


def _write(rows: Iterable[list[Any]], target: Path, *, blank_rows: int) -> int:
    count = 0
    with target.open("w", encoding=ENCODING, newline="") as file:
        file.write("\r\n" * blank_rows)
        writer = csv.writer(file, delimiter=DELIMITER)
        for row in rows:
            # A line break inside a cell would make a row of the sheet two lines of the text.
            writer.writerow([" ".join(_text(cell).split("\n")) for cell in row])
            count += 1
    return count


def _refuse_bombs(source: Path) -> None:
    if not zipfile.is_zipfile(source):
        return  # an old XLS: its size on disk is its size
    try:
        with zipfile.ZipFile(source) as archive:
            sizes = [(item.file_size, item.compress_size) for item in archive.infolist()]
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise faults.refused("bad_sheet") from error
    unpacked, packed = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    if unpacked > MAX_UNPACKED or (unpacked > HARMLESS_UNPACKED and unpacked > packed * MAX_RATIO):
        raise faults.refused("bomb")
    if not any(name.startswith(("xl/", "content.xml")) for name in names):
        raise faults.refused("not_a_table", kind="ZIP")


def _text(cell: Any) -> str:
    """A cell as a person sees it: whole numbers without decimals, dates as in Brazil."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell.replace("\0", "").replace("\r", "")
    if isinstance(cell, bool):
        return "sim" if cell else "não"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.strftime("%d/%m/%Y" if cell.time() == time() else "%d/%m/%Y %H:%M")
    if isinstance(cell, date):
        return cell.strftime("%d/%m/%Y")
    if isinstance(cell, time):
        return cell.strftime("%H:%M")
    return str(cell)

"""Lines as CSV and as XLSX, never more of them in memory than some thousand."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from webapp.reports.exports.lines import COLUMNS, Line
from webapp.reports.exports.states import refused

SHEET_ROWS = 1_048_576  # of one XLSX sheet, the header included
_WIDE = {"name", "reason"}


def csv_pieces(chunks: Iterable[list[Line]]) -> Iterator[bytes]:
    """A CSV file in pieces: BOM, `;`, CRLF, as Excel in Brazil opens it with a double click."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf" + buffer.getvalue().encode()
    for lines in chunks:
        buffer.seek(0)
        buffer.truncate()
        writer.writerows(lines)
        yield buffer.getvalue().encode()


def write_xlsx(chunks: Iterable[list[Line]], target: IO[bytes], folder: Path, sheet_rows: int = SHEET_ROWS) -> None:
    """An XLSX file with every cell as text; a further sheet starts where one is full.

    Sheets grow in files of `folder` first: 0.6 GB for a million lines. Raises OSError where there is no room for them,
    UserError where Excel could not open the result.
    """
    options: dict[str, Any] = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": str(folder),
    }  # fmt: skip
    book = xlsxwriter.Workbook(target, options)
    bold = book.add_format({"bold": True})
    sheet, row = _sheet(book, bold), 1
    for lines in chunks:
        for line in lines:
            if row == sheet_rows:
                sheet, row = _sheet(book, bold), 1
            for column, value in enumerate(line):
                if value:
                    sheet.write_string(row, column, value)
            row += 1
    try:
        book.close()
    except FileSizeError as error:
        raise refused("too_big") from error
    except FileCreateError as error:
        raise error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error)) from error


def _sheet(book: Any, bold: Any) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(COLUMNS):
        sheet.set_column(column, column, 40 if name in _WIDE else 18)
        sheet.write_string(0, column, name, bold)
    return sheet

"""Files for Excel in Brazil: `;`, UTF-8 with its mark, nothing that a spreadsheet would calculate."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_GUARDED = re.compile(r"'+[=+\-@\t\r\0]").match


def safe(value: object) -> str:
    """A cell that a spreadsheet takes for text: what would begin a formula gets a `'` (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def reversible(value: object) -> str:
    """The same for files that come back: `restored` gives exactly what went in.

    What looks guarded already gets one `'` more, or nobody could tell it from what was guarded here.
    """
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULA) or _GUARDED(text) else text


def restored(text: str) -> str:
    """A cell as it was before `reversible`."""
    return text[1:] if text[:1] == "'" and _GUARDED(text) else text


def csv_lines(
    header: Sequence[str], rows: Iterable[Sequence[object]], cell: Callable[[object], str] = safe
) -> Iterator[str]:
    """The file in pieces of some hundred rows, the first with the byte order mark. `cell` guards each value."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow([cell(text) for text in header])
    for count, row in enumerate(rows, start=1):
        writer.writerow([cell(value) for value in row])
        if count % 500 == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()

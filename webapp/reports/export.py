"""Messages as files: CSV for Brazilian spreadsheets and XLSX, in as much memory as a few thousand rows take."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.csvfile import safe
from webapp.gateway import codes
from webapp.messages import reference
from webapp.messages.models import Message, Run
from webapp.messages.states import REASONS, RowState
from webapp.reports import browsing
from webapp.reports.standing import seen_state

COLUMNS = ("reference", "number", "name", "state", "status", "reason", "carrier", "sent_at", "status_at", "credits")
CHUNK = 5000
SHEET_ROWS = 1_048_576  # of one XLSX sheet, the header included
Translate = Callable[[str], str]
Line = tuple[str, ...]


class Style(NamedTuple):
    """How values are written: the reader's zone, and a translator of msgids into the reader's language."""

    zone: ZoneInfo
    translate: Translate


def of_run(session: Session, run: Run, style: Style, now: datetime) -> Iterator[list[Line]]:
    """A campaign's people in the order of their keys, in chunks; each chunk is read by a query of its own."""
    after = run.first_key - 1
    while True:
        query = select(Message).where(Message.run_id == run.id, Message.id > after).order_by(Message.id).limit(CHUNK)
        messages = list(session.scalars(query))
        if not messages:
            return
        after = messages[-1].id
        names = browsing.names_of(session, [message.number for message in messages])
        pending = [message for message in messages if message.state == RowState.PENDING]
        batches = browsing.batches_of(session, pending)
        lines = []
        for message in messages:
            state = seen_state(message, batches.get(message.id), run, now)
            lines.append(_line(message, run, names.get(message.number, ""), state, style))
        yield lines
        session.expunge_all()
        session.rollback()  # a slow download must not hold a snapshot open


def of_rows(pages: Iterable[list[browsing.Row]], style: Style) -> Iterator[list[Line]]:
    """What the delivery browser shows, with the same columns."""
    for rows in pages:
        lines = []
        for row in rows:
            state = RowState.ACCEPTED if row.standing.key == "status" else row.standing.key
            lines.append(_line(row.message, row.run, row.name, str(state), style))
        yield lines


def _line(message: Message, run: Run | None, name: str, state: str, style: Style) -> Line:
    key = reference.encode(run.token, message.id) if run else message.reference or ""
    accepted = message.state == RowState.ACCEPTED
    return (
        safe(key),
        str(message.number) if message.number > 0 else "",  # a person who was erased
        safe(name),
        state,
        _status(message.status),
        safe(reason(message, style.translate)),
        safe(message.carrier or ""),
        _moment(message.at if accepted else None, style.zone),
        _moment(message.status_at, style.zone),
        "" if message.credits is None else str(message.credits),
    )


def _status(code: str | None) -> str:
    # A known code is a number ("-4"), not text that could be a formula; scripts read it as the gateway wrote it.
    return code or "" if code is None or code in codes.STATUSES else safe(code)


def reason(message: Message, translate: Translate) -> str:
    """Why it did not arrive, in plain words: the code first where the gateway gave one."""
    if message.state == RowState.REFUSED and message.reason:
        return f"{message.reason} {translate(codes.response(message.reason).explanation)}"
    if message.state == RowState.ACCEPTED:
        return translate(codes.status(message.status).label) if message.status in codes.UNDELIVERED else ""
    words = REASONS.get(message.reason or "")
    return translate(words) if words else message.reason or ""


def _moment(value: datetime | None, zone: ZoneInfo) -> str:
    return clock.aware(value).astimezone(zone).strftime("%d/%m/%Y %H:%M") if value else ""


def as_csv(chunks: Iterable[list[Line]]) -> Iterator[bytes]:
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


def write_xlsx(chunks: Iterable[list[Line]], target: Path | IO[bytes], sheet_rows: int = SHEET_ROWS) -> None:
    """An XLSX file with every cell as text; a further sheet starts where one is full."""
    options: dict[str, Any] = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(target if not isinstance(target, Path) else str(target), options)
    sheet, row = _sheet(book), 1
    for lines in chunks:
        for line in lines:
            if row == sheet_rows:
                sheet, row = _sheet(book), 1
            for column, value in enumerate(line):
                if value:
                    sheet.write_string(row, column, value)
            row += 1
    book.close()


def _sheet(book: Any) -> Any:
    sheet = book.add_worksheet()
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(COLUMNS):
        sheet.set_column(column, column, 40 if name in {"name", "reason"} else 18)
        sheet.write_string(0, column, name, bold)
    return sheet


def xlsx_pieces(chunks: Iterable[list[Line]]) -> Iterator[bytes]:
    """An XLSX file in pieces, by way of a temporary file: its table of contents stands at the end."""
    with tempfile.TemporaryFile() as file:
        write_xlsx(chunks, file)
        file.seek(0)
        while piece := file.read(1 << 16):
            yield piece

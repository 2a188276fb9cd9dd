"""A workbook, or what plays one (a web page, an address book), becomes a delimited text: in a process of its own, with
an end to its memory, time and output.

Run by its path, not imported: it needs nothing of the rest, so that it starts at once. A workbook of 5 kB can ask for
400 GB (two cells in opposite corners of the sheet), and the reader, which is no Python, ends its process then.
Arguments: the parent's id, the workbook, the text to write. Answer on standard output: `{"rows", "sheet"}` or
`{"refused"}`, a key of `faults.FILE`.
"""

import csv
import ctypes
import errno
import json
import os
import quopri
import re
import resource
import signal
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

ENCODING, DELIMITER = "utf-8", ";"
MAX_MEMORY, MAX_OUTPUT, MAX_SECONDS = 4 << 30, 4 << 30, 900
# A sheet of a million rows packs about 10:1; a bomb packs 1000:1.
MAX_UNPACKED = 2_000_000_000
MAX_RATIO = 200
HARMLESS_UNPACKED = 50_000_000
LOOKED_AT = 200  # rows of a sheet in which a phone number should stand
LOOK = 4096  # bytes that tell what a file is
_ZIP, _OLD = (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0"
_PAGE = re.compile(
    r"(?is)<!doctype\s+html|<(?:html|head|meta|body|style|table)\b|<!--|<\?xml.{0,300}?<(?:html|\?mso|(?:ss:)?workbook)\b"
)
_CARD = re.compile(r"(?i)begin:vcard\b")
_OTHERS = {"word/": "Word", "ppt/": "PowerPoint", "visio/": "Visio", "META-INF/MANIFEST.MF": "Java"}
_OLD_OTHERS = {"WordDocument": "Word", "PowerPoint Document": "PowerPoint", "__properties_version1.0": "Outlook"}


class Refused(Exception):
    """No list can be made of this workbook; the arguments are those of `faults.refused`."""


def kind_of(start: bytes) -> str | None:
    """What has to be unpacked, by the first bytes of a file: zip, old (the container of XLS), page or card."""
    if start.startswith(_ZIP):
        return "zip"
    if start.startswith(_OLD):
        return "old"
    text_ = start.decode(encoding_of(start), errors="replace").lstrip("\ufeff \t\r\n")
    return "page" if _PAGE.match(text_) else "card" if _CARD.match(text_) else None


def encoding_of(start: bytes) -> str:
    """The encoding of a page or an address book by its first bytes."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        start[: start.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def main(parent: int, source: Path, target: Path) -> dict[str, Any]:
    """Convert within the limits; what to answer."""
    _bound(parent)
    try:
        return _convert(source, target)
    except Refused as refused:
        return {"refused": refused.args[0], **({"kind": refused.args[1]} if len(refused.args) > 1 else {})}
    except MemoryError:
        return {"refused": "bomb"}
    except OSError as error:
        if error.errno == errno.EFBIG:
            return {"refused": "bomb"}
        return {"refused": "disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "bad_sheet"}
    except (CalamineError, ValueError, zipfile.BadZipFile) as error:
        return {"refused": "locked" if "assword" in str(error) else "bad_sheet"}


def _bound(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: to end with whoever waits for us
        if os.getppid() != parent:
            os._exit(1)
    memory = min(MAX_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for what, limit in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, MAX_OUTPUT), (resource.RLIMIT_CPU, MAX_SECONDS),
    ):  # fmt: skip
        resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _convert(source: Path, target: Path) -> dict[str, Any]:
    with source.open("rb") as file:
        start = file.read(1 << 20)
    kind = kind_of(start)
    if kind in ("page", "card"):
        with source.open(encoding=encoding_of(start), errors="replace", newline=None) as lines:
            rows = _write(_rows_of_page(lines) if kind == "page" else _rows_of_cards(lines), target, blank_rows=0)
        if not rows:
            raise Refused("web_page" if kind == "page" else "empty")
        return {"rows": rows, "sheet": ""}
    if kind == "zip":
        _refuse_other_zips(source)
    else:
        _refuse_other_files(source)
    book = CalamineWorkbook.from_path(str(source))
    name, sheet = _choose(book)
    first = sheet.start[0] if sheet.start else 0
    rows = _write(sheet.iter_rows(), target, blank_rows=first)
    return {"rows": rows, "sheet": name if len(book.sheet_names) > 1 else ""}


def _refuse_other_zips(source: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        items = archive.infolist()
    names = [item.filename for item in items]
    for start, kind in _OTHERS.items():
        if any(name.startswith(start) for name in names):
            raise Refused("not_a_table", kind)
    if any(name.endswith(".iwa") for name in names):
        raise Refused("numbers_app")
    if not any(name.startswith(("xl/", "content.xml")) for name in names):
        raise Refused("zipped")
    unpacked, packed = sum(item.file_size for item in items), sum(item.compress_size for item in items)
    if unpacked > MAX_UNPACKED or (unpacked > HARMLESS_UNPACKED and unpacked > packed * MAX_RATIO):
        raise Refused("bomb")


def _refuse_other_files(source: Path) -> None:
    """What else is kept in the container of the old XLS: locked workbooks, Word, mails."""
    with source.open("rb") as file:
        content = file.read(1 << 20)
        file.seek(max(0, source.stat().st_size - (1 << 20)))
        content += file.read()
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise Refused("locked")
    for name, kind in _OLD_OTHERS.items():
        if name.encode("utf-16-le") in content:
            raise Refused("not_a_table", kind)


def _choose(book: CalamineWorkbook) -> tuple[str, Any]:
    """The first sheet to be seen that holds a phone number; without any, the first that holds anything."""
    sheets = [found for found in book.sheets_metadata if found.typ == SheetTypeEnum.WorkSheet]
    fallback: tuple[str, Any] | None = None
    for found in sorted(sheets, key=lambda one: one.visible != SheetVisibleEnum.Visible):
        sheet = book.get_sheet_by_name(found.name)
        if not sheet.height:
            continue
        if any(_may_be_number(cell) for row in islice(sheet.iter_rows(), LOOKED_AT) for cell in row):
            return found.name, sheet
        fallback = fallback or (found.name, sheet)
    if fallback is None:
        raise Refused("empty")
    return fallback


def _may_be_number(cell: Any) -> bool:
    if isinstance(cell, str):
        return 8 <= sum(character.isdigit() for character in cell) <= 20
    return isinstance(cell, float) and cell.is_integer() and 10**7 < cell < 10**15


class _Page(HTMLParser):
    """The rows of the tables of a web page, and of the XML that Excel 2003 wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._row: list[str] | None = None
        self._in_cell, self._silent, self._type = False, False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("tr", "row"):
            self._end_row()
            self._row = []
        elif tag in ("td", "th", "cell") and self._row is not None:
            place = given.get("ss:index") or ""
            while place.isdecimal() and len(self._row) + 1 < min(int(place), 1000):
                self._row.append("")
            self._row.append("")
            self._in_cell = tag != "cell"
            span = given.get("colspan") or ""
            self._span = min(int(span), 1000) - 1 if span.isdecimal() and int(span) > 1 else 0
        elif tag in ("data", "ss:data"):
            self._in_cell, self._type = True, given.get("ss:type") or ""
        elif tag in ("br", "p", "div") and self._in_cell:
            self.handle_data(" ")
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "row", "table"):
            self._end_row()
        elif tag in ("td", "th", "data", "ss:data"):
            self._in_cell = False
            if self._row and tag in ("td", "th"):
                self._row += [""] * self._span
                self._span = 0
        self._silent = False

    def handle_data(self, data: str) -> None:
        if self._row and self._in_cell and not self._silent:
            if self._type == "DateTime" and (day := re.match(r"(\d{4})-(\d\d)-(\d\d)T00:00", data)):
                data = f"{day[3]}/{day[2]}/{day[1]}"
            self._row[-1] += data

    def _end_row(self) -> None:
        if self._row:
            self.rows.append([" ".join(cell.split()) for cell in self._row])
        self._row, self._in_cell, self._type, self._span = None, False, "", 0

    _span = 0


def _rows_of_page(lines: Iterable[str]) -> Iterator[list[str]]:
    page = _Page()
    for line in lines:
        page.feed(line)
        yield from page.rows
        page.rows.clear()
    page.close()
    page._end_row()
    yield from page.rows


_CARD_HEADER = ["Nome", "Celular", "Telefone 2", "Telefone 3", "E-mail", "Empresa"]


def _rows_of_cards(lines: Iterable[str]) -> Iterator[list[str]]:
    """One row for each card of an address book, its mobile first."""
    yield _CARD_HEADER
    found: dict[str, list[str]] = {}
    for line in _unfolded(lines):
        head, _, value = line.partition(":")
        name, *more = head.upper().rsplit(".", 1)[-1].split(";")
        if "QUOTED-PRINTABLE" in head.upper():
            value = quopri.decodestring(value.encode("utf-8", "replace")).decode("utf-8", "replace")
        if name == "END":
            phones = [*found.get("CELL", []), *found.get("TEL", []), "", "", ""][:3]
            full = found.get("FN") or [" ".join(reversed([p for p in found.get("N", [""])[0].split(";")[:2] if p]))]
            yield [full[0], *phones, *(found.get(key, [""])[0] for key in ("EMAIL", "ORG"))]
            found = {}
        elif value.strip():
            mobile = name == "TEL" and any("CELL" in one for one in more)
            found.setdefault("CELL" if mobile else name, []).append(_unescaped(value))


def _unfolded(lines: Iterable[str]) -> Iterator[str]:
    held = ""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if held.endswith("=") and "QUOTED-PRINTABLE" in held.upper():
            held = held[:-1] + line
        elif line[:1] in (" ", "\t"):
            held += line[1:]
        else:
            yield held
            held = line
    yield held


def _unescaped(value: str) -> str:
    return " ".join(re.sub(r"\\([,;:\\])", r"\1", value.replace("\\n", " ").replace("\\N", " ")).split())


def _write(rows: Iterable[list[Any]], target: Path, *, blank_rows: int) -> int:
    count = 0
    with target.open("w", encoding=ENCODING, errors="replace", newline="") as file:
        file.write("\r\n" * blank_rows)
        writer = csv.writer(file, delimiter=DELIMITER)
        for row in rows:
            # A line break inside a cell would make a row of the sheet two lines of the text.
            writer.writerow([" ".join(text(cell).split("\n")) for cell in row])
            count += 1
    return count


def text(cell: Any) -> str:
    """A cell as a person in Brazil sees it: whole numbers without decimals, a decimal comma, the day first."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell.replace("\0", "").replace("\r", "")
    if isinstance(cell, bool):
        return "sim" if cell else "não"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell).replace(".", ",")
    if isinstance(cell, datetime):
        return cell.strftime("%d/%m/%Y" if cell.time() == time() else "%d/%m/%Y %H:%M")
    if isinstance(cell, date):
        return cell.strftime("%d/%m/%Y")
    if isinstance(cell, time):
        return cell.strftime("%H:%M")
    return str(cell)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))))

"""What a file is: its kind, encoding, delimiter and header, guessed from its beginning and shown to be changed."""

import codecs
import csv
import re
from collections import Counter
from pathlib import Path

from webapp.contacts import faults, unpacking
from webapp.contacts.columns import looks_like_header, rows_above_header
from webapp.contacts.reading import HEAD_BYTES as READ_AT_MOST
from webapp.contacts.reading import MAX_COLUMNS, TOO_LONG, Row, Shape, Table, head

HEAD_BYTES = 256 * 1024
SAMPLE_ROWS = 200
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252",
    "mac-roman": "Mac Roman",
    "cp850": "MS-DOS (850)",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
}
_ONE_BYTE = ("cp1252", "mac-roman", "cp850")  # the likeliest first: it wins where several fit
_ACCENTED = "áàâãéêíóôõúüçÁÀÂÃÉÊÍÓÔÕÚÜÇºª"
DELIMITERS = {";": ";", ",": ",", "\t": "Tab", "|": "|"}

_KINDS = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"MZ", "EXE"),
    (b"\x7fELF", "ELF"),
    (b"RIFF", "WebP/WAV"),
    (b"ID3", "MP3"),
    (b"OggS", "Ogg"),
    (b"{\\rtf", "RTF"),
    (b"SQLite format 3", "SQLite"),
)
# What begins like this is text, but no table.
_OTHER_TEXTS = (
    (re.compile(r"<\?xml|<[a-z][\w:-]*[ >/]", re.IGNORECASE), "xml"),
    (re.compile(r'[\[{]\s*(?:\{\s*)?"[^"]{0,100}"\s*:|\[\s*\[\s*"'), "json"),
    (re.compile(r"(?:insert\s+into|create\s+table)\s", re.IGNORECASE), "sql"),
    (re.compile(r"\u200e?\[\d\d?/\d\d?/\d{2,4},? \d\d:\d\d(?::\d\d)?\] |\d\d?/\d\d?/\d{2,4},? \d\d:\d\d - "), "chat"),
)


def is_sheet(path: Path) -> bool:
    """Whether a file must be unpacked into a table first, whatever its name says: a workbook, a web page that plays
    one, an address book."""
    with path.open("rb") as file:
        return unpacking.kind_of(file.read(unpacking.LOOK)) is not None


def refuse_what_is_no_table(start: bytes) -> None:
    """UserError for an empty file, a picture, a PDF, machine code."""
    if not start.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise faults.refused("empty" if len(start) < HEAD_BYTES else "blank_start")
    for magic, kind in _KINDS:
        if start.startswith(magic) and not (magic == b"MZ" and start[:64].isascii() and b"\0" not in start[:64]):
            raise faults.refused("not_a_table", kind=kind)


def refuse_other_texts(start: str) -> None:
    """UserError for JSON, SQL, a conversation: texts that may hold numbers, but not in a table."""
    start = start.lstrip("\ufeff \t\r\n")
    for pattern, key in _OTHER_TEXTS:
        if pattern.match(start):
            raise faults.refused(key)


def find_encoding(start: bytes) -> str:
    """The encoding of a text by its byte order mark, its zeros, or whether it is valid UTF-8; UserError for no text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros_even, zeros_odd = start[::2].count(0), start[1::2].count(0)
    half = max(1, len(start) // 2)
    if zeros_odd > half * 0.4 > zeros_even * 4:
        return "utf-16-le"
    if zeros_even > half * 0.4 > zeros_odd * 4:
        return "utf-16-be"
    control = sum(start.count(code) for code in (*range(1, 9), *range(14, 27), *range(28, 32)))
    if control + max(0, zeros_even + zeros_odd - 64) > len(start) * 0.02 + 2:
        raise faults.refused("no_text")
    return "utf-8" if _is_utf8(start) else _one_byte_encoding(start)


def _one_byte_encoding(start: bytes) -> str:
    """Windows-1252, unless the accents are letters of Portuguese only as an old Mac or MS-DOS wrote them."""
    accents = bytes(code for code in start if code > 127)[:10_000]
    letters = {name: sum(accents.decode(name, "replace").count(c) for c in _ACCENTED) for name in _ONE_BYTE}
    return max(_ONE_BYTE, key=lambda name: letters[name])


def _is_utf8(start: bytes) -> bool:
    """Mostly UTF-8: a few stray bytes do not turn every accent of a file into two letters."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(start)  # a character cut off at the end is not an error
    bad = text.count("\ufffd")
    good = sum(1 for character in text if character > "\x7f") - bad
    return bad == 0 or good > bad * 4


def find_delimiter(lines: list[str]) -> str:
    """The sign that cuts most lines into the same number of cells, at least two."""
    best, best_score = ";", 0.0
    for delimiter in DELIMITERS:
        widths: Counter[int] = Counter()
        for line in lines:
            try:
                widths[len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), []))] += 1
            except csv.Error:
                widths[1] += 1
        width, share = widths.most_common(1)[0] if widths else (1, 0)
        # A column more is worth less than a line more: "1,50" in each line must not beat the real separator.
        score = share / max(1, len(lines)) + min(width, 20) / 100 if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def sniff_csv(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Shape:
    """The shape of a delimited text; what is given is taken for granted. UserError where there is no table in it."""
    with path.open("rb") as file:
        start = file.read(HEAD_BYTES)
    refuse_what_is_no_table(start)
    encoding = encoding or find_encoding(start)
    refuse_other_texts(start[:4000].decode(encoding, errors="replace"))
    if delimiter is None:
        delimiter = _delimiter_of(path, encoding, start)
    rows = sample(path, Shape(encoding, delimiter, has_header=False, width=0))
    if not rows:
        raise faults.refused("empty" if path.stat().st_size < READ_AT_MOST else "blank_start")
    if rows[0][1][:1] == [TOO_LONG]:
        raise faults.refused("first_line_too_long")
    above = rows_above_header(rows)
    skip = rows[above][0] - 1 if above else 0
    rows = rows[above:]
    width = _width(rows)
    if width > MAX_COLUMNS:
        raise faults.refused("too_many_columns", count=width, limit=MAX_COLUMNS)
    return Shape(encoding, delimiter, has_header=looks_like_header(rows), width=width, skip=skip)


def _delimiter_of(path: Path, encoding: str, start: bytes) -> str:
    if match := re.match(r"\ufeff?sep=([;,|\t])", start[:64].decode(encoding, errors="replace")):
        return match[1]
    raw = sample(path, Shape(encoding, "\x1f", has_header=False, width=0))  # a sign that no table contains: whole lines
    return find_delimiter([cells[0] for _, cells in raw[:50] if cells])


def sample(path: Path, shape: Shape) -> list[Row]:
    """The first rows that hold any value; UserError where the encoding cannot be read."""
    try:
        return head(Table(path, shape), SAMPLE_ROWS)
    except (UnicodeError, LookupError) as error:
        raise faults.refused("encoding") from error


def _width(rows: list[Row]) -> int:
    """How many columns: those of the header, or of the usual row where the header is shorter."""
    usual = Counter(_filled_width(cells) for _, cells in rows[1:]).most_common(1)
    return max(_filled_width(rows[0][1]), usual[0][0] if usual else 0, 1)


def _filled_width(cells: list[str]) -> int:
    """How many cells a row has without the blank ones at its end."""
    size = len(cells)
    while size and not cells[size - 1].strip():
        size -= 1
    return size

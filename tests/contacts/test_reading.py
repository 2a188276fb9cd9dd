"""Reading by the block and reading by the line come to the same, whatever the bytes are."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webapp.contacts import reading
from webapp.contacts.reading import Row, Shape, Table

CELLS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='\ufeff"') | st.sampled_from(" ;,'|"), max_size=8
)
# What files are made of, in pieces that cut each other in two at the end of a block.
PIECES = st.sampled_from(
    ("Ana;11987654321;Santos\n", "Bruno;1\r\n", "\n", ";;\n", "\r", '"', '"a\nb";c\n', '"a""b";1\n', "\0", "\ufeff", "x" * 300)
)  # fmt: skip
ALIKE = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def read(path: Path, monkeypatch: pytest.MonkeyPatch, *, block: int, width: int = 3, **limits: int) -> list[Row]:
    with monkeypatch.context() as patch:
        for name, value in {"BLOCK": block, **limits}.items():
            patch.setattr(reading, name, value)
        return list(Table(path, Shape("utf-8", ";", has_header=False, width=width)))


@settings(max_examples=150, **ALIKE)
@given(pieces=st.lists(PIECES, max_size=40), block=st.integers(1, 60), width=st.integers(0, 4))
def test_blocks_of_any_size_read_as_one_does(
    path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[str], block: int, width: int
) -> None:
    path.write_bytes("".join(pieces).encode())
    limits = {"MAX_LINE": 200, "MAX_CELL": 100, "width": width}
    by_the_line = read(path, monkeypatch, block=1 << 20, **limits)
    assert read(path, monkeypatch, block=block, **limits) == by_the_line
    assert [number for number, _ in by_the_line] == list(range(1, len(by_the_line) + 1))


@settings(max_examples=100, **ALIKE)
@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=30), block=st.integers(1, 80), quoted=st.booleans()
)
def test_a_table_comes_back_cell_by_cell(
    path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], block: int, quoted: bool
) -> None:
    written = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(written, delimiter=";", quoting=quoting).writerows([["id", *row] for row in rows])
    path.write_text(written.getvalue(), encoding="utf-8", newline="")
    found = [cells[1:] for _, cells in read(path, monkeypatch, block=block, width=0)]
    # Blanks behind a separator are none, unless they stand in quotation marks, as a separator in a cell makes them.
    kept = [[cell if quoted or ";" in cell else cell.lstrip(" ") for cell in row] for row in rows]
    assert found == kept


@settings(max_examples=150, **ALIKE)
@given(content=st.binary(max_size=400), encoding=st.sampled_from(("utf-8", "cp1252", "utf-16", "utf-16-le")))
def test_no_bytes_make_it_crash_or_hang(path: Path, content: bytes, encoding: str) -> None:
    path.write_bytes(content)
    try:
        rows = list(Table(path, Shape(encoding, ";", has_header=False, width=2)))
    except UnicodeError:
        assert encoding == "utf-16"  # a text of two bytes a character that says neither in which order nor holds one
        return
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))


def test_a_line_without_end_is_one_row_and_what_follows_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("a;b;c\n" + "x" * 5000 + "\nd;e;f\n" + "y;" * 3000)
    for block in (10, 1000, 1 << 17):
        rows = read(path, monkeypatch, block=block, MAX_LINE=1000)
        assert [cells[0] for _, cells in rows] == ["a", reading.TOO_LONG, "d", reading.TOO_LONG]

"""A downloaded file of wrong rows that comes back mended: an ordinary file, but for five columns that we put before.

What a spreadsheet would calculate was guarded when the file was written (`core.csvfile`); here the guard comes off.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from webapp.contacts.reading import Row
from webapp.core.csvfile import restored
from webapp.core.i18n import N_
from webapp.core.text import fold

HEADER = (N_("Line"), N_("Column"), N_("Value"), N_("Reason"), N_("What to do"))
WIDTH = len(HEADER)
# The same in every language, folded; written out because reading a catalogue takes longer than reading a small list.
_WORDS = (
    {"line", "linha"},
    {"column", "coluna"},
    {"value", "valor"},
    {"reason", "motivo"},
    {"what_to_do", "o_que_fazer"},
)
T = TypeVar("T")


def is_again(labels: Sequence[str]) -> bool:
    """Whether a header is that of such a file: our five columns, then those of the list."""
    ours = zip(labels[:WIDTH], _WORDS, strict=False)
    return len(labels) > WIDTH and all(fold(label) in words for label, words in ours)


def own(labels: Sequence[str], cells: Sequence[T]) -> Sequence[T]:
    """Of cells below that header, those of the list itself: our five are left out where they are there."""
    return cells[WIDTH:] if is_again(labels) else cells


def without_guards(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with every cell as it was before it was guarded."""
    return ((line, [restored(cell) for cell in cells]) for line, cells in rows)

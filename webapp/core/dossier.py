"""What a part of the product holds of one person, in a form that a page, a printed sheet and a file can show."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Value = str | int | bool | datetime | None | dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of data: `key` and the columns' names are for the file, `title` and their labels are msgids.

    `total` is how many there are, `rows` the first of them (none, where only the count was asked). `words` gives msgids
    for the codes of a column, to be read by people; the file keeps the codes.
    """

    key: str
    title: str
    columns: tuple[tuple[str, str], ...]
    total: int
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    words: dict[str, dict[str, str]] = field(default_factory=dict)

    def as_dicts(self) -> list[dict[str, Value]]:
        """The rows by the columns' names."""
        names = [name for name, _ in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def word(self, place: int, value: Value) -> str | None:
        """The msgid of a value in the column at a place; None where the value speaks for itself."""
        known = self.words.get(self.columns[place][0], {})
        return known.get(value) if isinstance(value, str) else None

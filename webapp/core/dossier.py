"""What a part of the product holds of one person, in a form that a page, a printed sheet and a file can show."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Value = str | int | bool | datetime | None | dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of data: `key` and the columns' names are for the file, `title` and their labels are msgids.

    `total` is how many there are, `rows` the first of them (none, where only the count was asked).
    """

    key: str
    title: str
    columns: tuple[tuple[str, str], ...]
    total: int
    rows: list[tuple[Value, ...]] = field(default_factory=list)

    def as_dicts(self) -> list[dict[str, Value]]:
        """The rows by the columns' names."""
        names = [name for name, _ in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

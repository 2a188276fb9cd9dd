"""Keyset pages: the next page starts behind the last row seen, so the ten-thousandth costs what the first does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page and where the next one starts (`None` at the end)."""

    rows: Sequence[T]
    next: str | None

    def __bool__(self) -> bool:
        return bool(self.rows)


def page_of(rows: Sequence[T], size: int, cursor: Callable[[T], str]) -> Page[T]:
    """Cut a query's `size + 1` rows to a page; the extra row only tells that there is more."""
    shown = rows[:size]
    return Page(shown, cursor(shown[-1]) if len(rows) > size and shown else None)

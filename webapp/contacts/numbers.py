"""The numbers of a file that were read already: millions of them in 16 to 32 bytes each, where a set takes 66."""

import secrets
from array import array
from collections.abc import Iterable, Sequence

_FIRST_SIZE = 1 << 12


class Numbers:
    """A set of whole numbers above zero that can only grow."""

    def __init__(self) -> None:
        self._count = 0
        self._slots = _empty(_FIRST_SIZE)

    def __len__(self) -> int:
        return self._count

    def add(self, numbers: Sequence[int]) -> list[int]:
        """Take numbers in; returns the places, in the sequence, of those that had been taken before."""
        while (self._count + len(numbers)) * 2 > len(self._slots):
            self._grow()
        repeated = _put(self._slots, numbers)
        self._count += len(numbers) - len(repeated)
        return repeated

    def _grow(self) -> None:
        grown = _empty(len(self._slots) * 2)
        _put(grown, filter(None, self._slots))
        self._slots = grown


def _empty(least: int) -> "array[int]":
    """Free slots. How many is drawn, so that nobody can write a file whose numbers all want the same one."""
    size = least + secrets.randbelow(least // 8)
    while size % 2 == 0 or size % 5 == 0:  # what telephone numbers have in common would crowd them
        size += 1
    return array("q", bytes(8 * size))


def _put(slots: "array[int]", numbers: Iterable[int]) -> list[int]:
    size, repeated = len(slots), []
    for place, number in enumerate(numbers):
        at = number % size
        while there := slots[at]:
            if there == number:
                repeated.append(place)
                break
            at = at + 1 if at + 1 < size else 0
        else:
            slots[at] = number
    return repeated

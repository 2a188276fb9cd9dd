"""Honest shares: who could not have been confirmed does not count against anybody.

Oi and Sercomtel never say what the handset did with an SMS. Messages that end at such an operator (*silent*) are shown
apart and kept out of the delivered rate's denominator.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.gateway import codes

# (service type, carrier, status, messages, credits); '' where a row has none
Cell = tuple[int | None, str, str, int, int]


@dataclass(slots=True)
class Tally:
    """What became of accepted messages. `moving` may still change; `silent` ended where no handset answers."""

    delivered: int = 0
    undelivered: int = 0
    moving: int = 0
    silent: int = 0
    credits: int = 0

    @property
    def sent(self) -> int:
        """Everything the gateway accepted."""
        return self.delivered + self.undelivered + self.moving + self.silent

    @property
    def answerable(self) -> int:
        """The honest denominator: messages of which a handset's word can be expected."""
        return self.sent - self.silent

    @property
    def rate(self) -> float | None:
        """Delivered of the answerable, None where there are none."""
        return self.delivered / self.answerable if self.answerable else None

    def add(self, cell: Cell) -> None:
        """Count one counter's rows."""
        kind, carrier, status, n, credits = cell
        self.credits += credits
        if status in codes.DELIVERED:
            self.delivered += n
        elif status in codes.UNDELIVERED:
            self.undelivered += n
        elif is_silent(kind, carrier, status):
            self.silent += n
        else:
            self.moving += n


def is_silent(kind: int | None, carrier: str, status: str) -> bool:
    """Whether a message ended at an operator that never tells more."""
    return status == "0" and codes.is_final(status, carrier, kind)


def tally(cells: Iterable[Cell]) -> Tally:
    """All of them in one."""
    total = Tally()
    for cell in cells:
        total.add(cell)
    return total

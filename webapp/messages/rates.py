"""Honest shares: who could not have been confirmed counts for nobody and against nobody.

Oi and Sercomtel never say what the handset did with an SMS. Their messages end at the operator (*silent*), are shown
apart, and stay out of the delivered rate altogether: neither side of the fraction can be known there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.gateway import codes

# (service type, carrier, status, messages, credits); '' where a row has none
Cell = tuple[int | None, str, str, int, int]


@dataclass(slots=True)
class Tally:
    """What became of accepted messages. `moving` may still change; `silent` ended where no handset answers.

    `apart` are all SMS of carriers without handset receipts, whatever became of them.
    """

    delivered: int = 0
    undelivered: int = 0
    moving: int = 0
    silent: int = 0
    credits: int = 0
    apart: int = 0
    confirmed: int = 0  # delivered, of those not apart

    @property
    def sent(self) -> int:
        """Everything the gateway accepted."""
        return self.delivered + self.undelivered + self.moving + self.silent

    @property
    def answerable(self) -> int:
        """The honest denominator: messages of which a handset's word can be expected."""
        return self.sent - self.apart

    @property
    def rate(self) -> float | None:
        """Confirmed of the answerable, None where there are none."""
        return self.confirmed / self.answerable if self.answerable else None

    def add(self, cell: Cell) -> None:
        """Count one counter's rows."""
        kind, carrier, status, n, credits = cell
        apart = never_confirms(kind, carrier)
        self.credits += credits
        self.apart += n if apart else 0
        if status in codes.DELIVERED:
            self.delivered += n
            self.confirmed += 0 if apart else n
        elif status in codes.UNDELIVERED:
            self.undelivered += n
        elif status == "0" and apart:
            self.silent += n
        else:
            self.moving += n


def never_confirms(kind: int | None, carrier: str) -> bool:
    """Whether an SMS through this carrier never gets the handset's word."""
    return kind in codes.SMS_TYPES and codes.without_handset_receipts(carrier)


def is_silent(kind: int | None, carrier: str, status: str) -> bool:
    """Whether a message ended at an operator that never tells more."""
    return status == "0" and never_confirms(kind, carrier)


def tally(cells: Iterable[Cell]) -> Tally:
    """All of them in one."""
    total = Tally()
    for cell in cells:
        total.add(cell)
    return total

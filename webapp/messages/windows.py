"""How long a window of `mt_date` is: an hour at first, half where an answer is late, torn or huge, and slowly back.

Each type remembers what its answers allow: a million messages a day do not fit into windows of an hour.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from webapp.messages.models import WindowSize

LARGEST, SMALLEST = timedelta(hours=1), timedelta(minutes=1)
LARGE, SMALL = 40_000, 10_000  # rows of one answer: more, and the next window is half as long; fewer is easy
EASY = 4  # answers of few rows in a row, after which a window may be twice as long


@dataclass(slots=True)
class Size:
    """The length of the next window of a type."""

    type: int
    length: timedelta = LARGEST
    easy: int = 0

    def failed(self, asked: timedelta) -> bool:
        """No answer came to a window so long: the next is half of it. False where that would be too short."""
        if asked / 2 < SMALLEST:
            return False
        self.length, self.easy = asked / 2, 0
        return True

    def answered(self, asked: timedelta, rows: int) -> None:
        """An answer of so many rows came to a window so long."""
        if rows > LARGE:
            self.length, self.easy = max(asked / 2, SMALLEST), 0
        elif rows >= SMALL:
            self.easy = 0
        elif asked == self.length < LARGEST:
            self.easy += 1
            if self.easy >= EASY:
                self.length, self.easy = min(self.length * 2, LARGEST), 0


def read(session: Session, type: int) -> Size:
    """What is remembered of a type."""
    kept = session.get(WindowSize, type)
    return Size(type, timedelta(seconds=kept.seconds), kept.easy) if kept else Size(type)


def remember(session: Session, size: Size) -> None:
    """Keep it, for all workers; only sizes whose answers came are worth it."""
    kept = session.get(WindowSize, size.type) or WindowSize(type=size.type)
    kept.seconds, kept.easy = round(size.length.total_seconds()), size.easy
    session.add(kept)

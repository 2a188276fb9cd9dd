"""How long a search may go on, and how many rows it looks at in one question meanwhile."""

import time
from datetime import datetime

STEP_SECONDS = 0.04  # that one question should take at most
SHORTEST, LONGEST = 1000, 20_000  # rows looked at in one question
Position = tuple[datetime, int]  # a row's moment and key: a search goes on behind it


class Patience:
    """Time for one search: so many seconds, or None for as long as it takes."""

    def __init__(self, seconds: float | None) -> None:
        self._ends = None if seconds is None else time.monotonic() + seconds
        self._asked = time.monotonic()
        self.length = LONGEST if seconds is None else SHORTEST

    def is_up(self) -> bool:
        """Whether the time is up. Until it is, the next question is as long as the one just answered allows."""
        now = time.monotonic()
        if self._ends is None:
            return False
        fits = int(self.length * STEP_SECONDS / max(now - self._asked, 0.001))
        self.length = max(SHORTEST, min(self.length * 4, fits, LONGEST))
        self._asked = now
        return now >= self._ends

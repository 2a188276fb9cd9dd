"""The sandbox's own time, so that a test or a trainer can let hours pass in a moment."""

import time
from datetime import UTC, datetime, tzinfo
from threading import Lock

from webapp.core.clock import GATEWAY_ZONE

NEVER = 1e15  # a moment in seconds that does not come, for what stays as it is


class Clock:
    """Seconds since 1970, moved by `advance` and stopped by `freeze`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._offset = 0.0
        self._frozen: float | None = None

    def now(self) -> float:
        """This moment as seconds since 1970."""
        with self._lock:
            return time.time() + self._offset if self._frozen is None else self._frozen

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass at once; negative ones turn the clock back."""
        with self._lock:
            self._offset += seconds
            if self._frozen is not None:
                self._frozen += seconds

    def freeze(self, frozen: bool = True) -> None:
        """Stop the clock, which then moves by `advance` only, or let it run on from where it stands."""
        with self._lock:
            reading = time.time() + self._offset
            if frozen and self._frozen is None:
                self._frozen = reading
            elif not frozen and self._frozen is not None:
                self._offset += self._frozen - reading
                self._frozen = None

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        with self._lock:
            return self._frozen is not None


def wire_date(moment: float, zone: tzinfo = GATEWAY_ZONE) -> str:
    """A moment the way the gateway writes it: `2020-09-28 20:30:20`, in the zone given."""
    return datetime.fromtimestamp(int(moment), zone).strftime("%Y-%m-%d %H:%M:%S")


def iso_date(moment: float) -> str:
    """A moment as ISO 8601 in UTC, for the control API."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")

"""Whose turn it is to compute among the senders of one worker.

Python runs one thread at a time anyway, and by itself changes over every few milliseconds: batches that are worked at
together are all done late together, and then nobody waits for the gateway. Whoever finishes one batch before the next
is begun keeps more calls under way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, local


class Turn:
    """Held with `with`; `lent` gives it to the others for as long as its holder only waits."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._here = local()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._here.mine = True

    def __exit__(self, *_: object) -> None:
        self._here.mine = False
        self._lock.release()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Nothing happens to a thread that does not hold it."""
        if not getattr(self._here, "mine", False):
            yield
            return
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

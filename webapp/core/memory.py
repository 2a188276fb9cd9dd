"""Memory: when nobody needs to look for garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """For work over very many rows: they are tuples and strings without cycles, so what nobody needs goes by itself.

    Looking for cycles among them takes a quarter of the time of an import and more than that of a launch.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()

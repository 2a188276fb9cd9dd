"""Until when something is somebody's, or when it is due again, by a clock that may be set back.

A lease is written as a moment: now + its length. Where the clock is then set back by an hour, that moment lies an hour
further away than anybody ever meant, and the work of a worker that is gone would rest for that hour. So a moment that
is further away than its full length can make it was written by another clock, and counts as over. The worker that
wrote it may still be at work: everything that is leased is safe to be done twice.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_

SLACK = timedelta(seconds=5)  # clocks that are kept right are set back by milliseconds; that takes nobody's lease


def is_over(until: datetime, now: datetime, length: timedelta) -> bool:
    """Whether a moment that lay at most `length` ahead when it was written has come. All by the same clock."""
    return until <= now or until > now + length + SLACK


def over(until: Any, now: datetime, length: timedelta) -> ColumnElement[bool]:
    """The same as a condition on a column; not true where it is NULL."""
    return or_(until <= now, until > now + length + SLACK)

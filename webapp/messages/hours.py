"""What still waits for a last word, told from the days' counters: in which hours, of which types, how many.

Counting messages would mean to walk over all of a month; the counters say the same with a few thousand rows.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.gateway import codes
from webapp.messages import counters
from webapp.messages.models import DayCount

UNHEARD = frozenset({"", *(code for code, row in codes.STATUSES.items() if row.level is codes.Level.PREPARING)})
OTHER_KIND = -1  # the counters' type of messages whose type nobody told us: of other systems, nearly all SMS
# An hour in which more than so many, and than that share, have no operator's word was not told about.
UNTOLD_LEAST, UNTOLD_SHARE = 20, 0.02


@dataclass(slots=True)
class Hour:
    """Accepted messages of one type in one hour; times are naive UTC, `end` is not part of it.

    `open`: no last word yet. `unheard`: not even the operator's.
    """

    start: datetime
    end: datetime
    type: int
    total: int = 0
    open: int = 0
    unheard: int = 0

    @property
    def untold(self) -> bool:
        """Whether nobody told what became of it: callbacks bring the operator's word of every message at once."""
        return self.unheard > max(UNTOLD_LEAST, self.total * UNTOLD_SHARE)


def between(session: Session, since: datetime, until: datetime) -> list[Hour]:
    """Hours with messages that reach into a period (naive UTC), each type apart, the oldest first."""
    first, last = counters.day_and_hour(since)[0], counters.day_and_hour(until)[0]
    columns = DayCount.__table__.c
    rows = session.connection().execute(
        select(columns.day, columns.hour, columns.type, columns.carrier, columns.status, columns.n).where(
            columns.day >= first, columns.day <= last, columns.n > 0
        )
    )
    found: dict[tuple[date, int, int], Hour] = {}
    final: dict[tuple[str, str, int], bool] = {}
    for day, hour, kind, carrier, status, n in rows:
        key = day, hour, kind
        if key not in found:
            found[key] = Hour(*counters.hour_span(day, hour), kind)
        here = found[key]
        here.total += n
        told = carrier, status, kind
        if told not in final:
            final[told] = codes.is_final(status or None, carrier, 0 if kind == OTHER_KIND else kind)
        if not final[told]:
            here.open += n
            here.unheard += n if status in UNHEARD else 0
    return sorted((one for one in found.values() if one.end > since and one.start < until), key=lambda one: one.start)

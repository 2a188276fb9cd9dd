"""The keys of a view's next hits. A search looks at more and more rows, until it has enough or its time is up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select, tuple_, union_all
from sqlalchemy.orm import Session

from webapp.messages.models import Message
from webapp.reports import hits, keyed, streams
from webapp.reports.filters import MessageFilter
from webapp.reports.patience import Patience, Position
from webapp.reports.people import numbers_of
from webapp.reports.streams import Conditions, Lead

Fits = Callable[[Any], list[ColumnElement[bool]]]  # conditions on whatever has the columns of `Message`


@dataclass(frozen=True, slots=True)
class Seen:
    """The hits found, and the row after which the search goes on (None: there is nothing more).

    `cut_short`: the time was up, and not the page full.
    """

    hits: list[Position]
    behind: Position | None
    cut_short: bool = False


def search(
    session: Session, wanted: MessageFilter, behind: Position | None, most: int, seconds: float | None = None
) -> Seen:
    """Up to `most` hits behind a row, the newest first; `seconds` None looks at everything.

    Messages of certain people and of a campaign, answers, tests and what waits here come in the order of their keys,
    all others by their moments.
    """
    patience = Patience(seconds)
    numbers = numbers_of(session, wanted)
    if numbers is not None:
        found, stopped = keyed.of_people(session, wanted, numbers, behind, most), None
    elif wanted.status in {"pending", "unknown"}:
        found, stopped = keyed.waiting(session, wanted, behind, most, patience)
    elif wanted.campaign is not None:
        found, stopped = keyed.of_campaign(session, wanted, behind, most, patience)
    elif wanted.source in streams.KINDS:
        found, stopped = keyed.singles(session, wanted, behind, most, patience)
    else:
        found, stopped = _by_moment(session, wanted, behind, most, patience)
    if stopped is not None:
        return Seen(found, stopped, cut_short=True)
    return Seen(found, found[-1] if len(found) >= most else None)


def _by_moment(
    session: Session, wanted: MessageFilter, behind: Position | None, most: int, patience: Patience
) -> keyed.Found:
    lead = _lead(session, wanted)
    others = sorted(streams.dimensions(wanted) - {lead.dimension})

    def fits(row: Any) -> list[ColumnElement[bool]]:
        return [streams.conditions(wanted, name, row) for name in others]

    found: list[Position] = []
    if not others:
        whole = _Stretches(lead, (wanted.since, wanted.until), None)
        rows = session.execute(whole.hits(session, behind, most).limit(most))
        return [(at, key) for at, key in rows], None
    is_up = False
    for span in hits.spans(session, wanted, behind[0] if behind else None):
        if is_up and span[1] is not None:
            return found, (span[1], 0)
        stretches, last = _Stretches(lead, span, fits), behind
        while True:
            query = stretches.hits(session, last, patience.length).limit(most - len(found))
            found += [(at, key) for at, key in session.execute(query)]
            if len(found) >= most:
                return found, None
            last = stretches.last(session, last, patience.length)
            is_up = patience.is_up()
            if last is None:
                break
            if is_up:
                return found, last
    return found, None


def _lead(session: Session, wanted: MessageFilter) -> Lead:
    """The way with the fewest rows.

    The status of most messages has no index of its own. Its rows are those of all carriers, which leaves out at least
    the newest, of which nothing was heard yet.
    """
    ways = {way.dimension: way for way in streams.leads(wanted)}
    if "source" in ways:
        return ways["source"]
    if ways:
        return ways[hits.rarest(session, wanted, list(ways))] if len(ways) > 1 else ways.popitem()[1]
    carriers = hits.carriers(session, wanted) if wanted.status else []
    if carriers and "" not in carriers and len(carriers) <= streams.MOST_STRETCHES:
        return Lead("", tuple(streams.through(carrier) for carrier in carriers))
    return Lead("", ((),))


class _Stretches:
    """Rows of one lead within a span of time, its stretches merged into one order."""

    def __init__(self, lead: Lead, span: hits.Span, fits: Fits | None) -> None:
        self._lead, self._span, self._fits = lead, span, fits

    def hits(self, session: Session, behind: Position | None, length: int) -> Select[Any]:
        """Moment and key of the hits among the next `length` rows."""
        if self._fits is None:
            return self._rows(behind, length, ())
        return streams.fitting(session, lambda columns: self._rows(behind, length, columns), self._fits)

    def last(self, session: Session, behind: Position | None, length: int) -> Position | None:
        """The last of those rows; None where there are fewer."""
        rows = self._rows(behind, length, ()).subquery("passed")
        ordered = select(rows.c.at, rows.c.id).order_by(rows.c.at.desc(), rows.c.id.desc())
        found = session.execute(ordered.offset(length - 1).limit(1)).first()
        return (found[0], found[1]) if found else None

    def _rows(self, behind: Position | None, length: int, columns: tuple[Any, ...]) -> Select[Any]:
        parts = [self._part(where, behind, columns).limit(length) for where in self._lead.stretches]
        if len(parts) == 1:
            return parts[0]
        merged = union_all(*[select(part.subquery()) for part in parts]).subquery("merged")
        return select(*merged.c).order_by(merged.c.at.desc(), merged.c.id.desc()).limit(length)

    def _part(self, where: Conditions, behind: Position | None, columns: tuple[Any, ...]) -> Select[Any]:
        since, until = self._span
        query = select(Message.at, Message.id, *columns).where(*where)
        if since is not None:
            query = query.where(Message.at >= since)
        if until is not None:
            query = query.where(Message.at < until)
        if behind is not None:
            query = query.where(tuple_(Message.at, Message.id) < behind)
        return query.order_by(Message.at.desc(), Message.id.desc())

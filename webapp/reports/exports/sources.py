"""Where the rows of a file come from: a campaign's people by ranges of their keys, the messages of a view by its keys.

Each chunk is read by questions of its own, which end before it is handed out: a slow download holds no snapshot open.
So every row is as it stood when its chunk was read. Nobody is missed or written twice all the same: a campaign's keys
are its own, and those of a view are fixed by one statement before its first row is read.
"""

import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.contacts.models import Contact
from webapp.core import clock
from webapp.core.csvfile import safe
from webapp.core.db import each, one_of
from webapp.core.i18n import translate
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import RowState
from webapp.reports import campaign as campaigns
from webapp.reports import matching
from webapp.reports.exports.lines import Around, Chunk, Line, Lines, Style
from webapp.reports.exports.wanted import Wanted
from webapp.reports.standing import pending_state

CHUNK = 10_000  # rows read at once
# Columns of tables, not of classes: a million rows shall not pass through what makes objects.
_MESSAGE, _CONTACT, _RUN = Message.__table__.c, Contact.__table__.c, Run.__table__.c


@dataclass(frozen=True, slots=True)
class Rows:
    """What goes into a file: how many lines there will be, and the lines in chunks."""

    total: int
    chunks: Iterator[list[Line]]


def rows(session: Session, wanted: Wanted) -> Rows:
    """The rows of a file. Raises NotFound for a campaign that does not exist."""
    style = Style(wanted.clock, partial(_plain, wanted.locale))
    if wanted.campaign_id is None:
        return _of_view(session, wanted, style)
    _, run = campaigns.find(session, wanted.campaign_id)
    return Rows(run.total, _of_run(session, run, style))


def _plain(locale: str, msgid: str) -> str:
    return translate(msgid, locale)


def _of_run(session: Session, run: Run, style: Style) -> Iterator[list[Line]]:
    lines, run_id, last = Lines(style), run.id, run.last_key
    for first in range(run.first_key, last + 1, CHUNK):
        mine = _MESSAGE.id.between(first, min(first + CHUNK - 1, last))
        query = _columns(session).where(_MESSAGE.run_id == run_id, mine).order_by(_MESSAGE.id)
        yield from _told(session, lines, session.execute(query).all())


def _of_view(session: Session, wanted: Wanted, style: Style) -> Rows:
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the generator closes it
    try:
        total = _write_keys(session, wanted, file)
    except BaseException:
        file.close()
        raise
    return Rows(total, _by_key(session, file, style))


def _write_keys(session: Session, wanted: Wanted, file: IO[bytes]) -> int:
    """The keys of a view, eight bytes each, into a file: there may be more of them than memory should hold."""
    total = 0
    query = matching.keys(session, wanted.filter).execution_options(yield_per=CHUNK)
    for part in session.scalars(query).partitions():
        array("q", part).tofile(file)
        total += len(part)
    session.rollback()
    file.seek(0)
    return total


def _by_key(session: Session, file: IO[bytes], style: Style) -> Iterator[list[Line]]:
    lines = Lines(style)
    with file:
        while part := file.read(CHUNK * 8):
            keys = array("q", part).tolist()
            first, last = min(keys), max(keys)
            close = last - first < 2 * len(keys)  # neighbours: one stretch of the table is read quicker than each alone
            these = _MESSAGE.id.between(first, last) if close else one_of(session, _MESSAGE.id, keys)
            query = _columns(session).where(these)
            found = {row[0]: row for row in session.execute(query).all()}
            yield from _told(session, lines, [found[key] for key in keys if key in found])


def _columns(session: Session) -> Any:
    minute = _minute(session)
    own = _MESSAGE
    return select(
        own.id, own.run_id, own.number, own.state, own.reason, own.status, own.carrier, minute(own.at),
        minute(own.status_at), own.credits, own.reference,
    )  # fmt: skip


def _minute(session: Session) -> Callable[[Any], Any]:
    """A moment as text up to its minute: cheaper than a datetime, and most of them repeat."""
    if session.get_bind().dialect.name == "postgresql":
        return lambda column: func.to_char(column, "YYYY-MM-DD HH24:MI")
    return lambda column: func.substr(column, 1, 16)


def _told(session: Session, lines: Lines, found: Sequence[Any]) -> Iterator[list[Line]]:
    """The lines of rows of the database; the transaction ends before they are handed out."""
    if found:
        chunk = Chunk(*zip(*found, strict=True))
        around = Around(names_of(session, chunk.numbers), _tokens(session, chunk.runs), _pending(session, chunk))
        session.expunge_all()
        session.rollback()
        yield lines.of(chunk, around)


def names_of(session: Session, numbers: Sequence[int]) -> dict[int, str]:
    """What the lists call people, safe for a spreadsheet: the name in the newest list that has one."""
    people = sorted(number for number in set(numbers) if number > 0)
    own, number = _CONTACT, each(session, people)
    newest = select(own.name).where(own.number == number, own.name != "").order_by(own.id.desc()).limit(1)
    # One look into the index for each: asked for all at once, PostgreSQL would read the whole table for every chunk.
    found = session.execute(select(number, newest.scalar_subquery())).all()
    return {number: safe(name) for number, name in found if name is not None}


def _tokens(session: Session, runs: Sequence[int | None]) -> dict[int, str]:
    wanted = [run for run in set(runs) if run is not None]
    query = select(_RUN.id, _RUN.token).where(one_of(session, _RUN.id, wanted))
    return {row.id: row.token for row in session.execute(query)} if wanted else {}


def _pending(session: Session, chunk: Chunk) -> dict[int, str]:
    """How the pending messages of a chunk look from outside, by key: their batches tell."""
    waiting = [
        (key, run)
        for key, run, state in zip(chunk.keys, chunk.runs, chunk.states, strict=True)
        if state == RowState.PENDING and run is not None
    ]
    if not waiting:
        return {}
    now = clock.now()
    mine = sorted({run for _, run in waiting})
    runs = {run.id: run for run in session.scalars(select(Run).where(one_of(session, Run.id, mine)))}
    first, last = min(waiting)[0], max(waiting)[0]
    near = (
        select(Batch)
        .where(one_of(session, Batch.run_id, mine), Batch.first_key <= last, Batch.last_key >= first)
        .order_by(Batch.first_key)
    )
    batches = session.scalars(near).all()
    starts = [batch.first_key for batch in batches]
    seen = {}
    for key, run_id in waiting:
        place = bisect_right(starts, key) - 1
        batch = batches[place] if place >= 0 and batches[place].last_key >= key else None
        seen[key] = pending_state(batch, runs[run_id], now)
    return seen

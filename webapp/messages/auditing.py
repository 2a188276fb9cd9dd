"""A period asked about from end to end: what the gateway says is taken in, and compared with what was held.

Windows are of every type, for here messages of other systems are found, too. What counts as a difference:

- *missed*: a status that no callback told. Mended by taking it in; counted two minutes later (`inquiries.judge`), as
  a callback may be on its way while the gateway is asked.
- *ahead*: the gateway says less than we heard before. Left as it is: a status only moves forward.
- *missing*: accepted, but neither in the windows' answers nor known by its reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import one_of
from webapp.gateway import codes
from webapp.gateway.errors import LookupFailed
from webapp.gateway.wire import Receipt as Told
from webapp.messages import inquiries, reference
from webapp.messages.ages import AHEAD
from webapp.messages.asker import Asker, Window
from webapp.messages.hours import OTHER_KIND
from webapp.messages.models import Inquiry, Message, Receipt, Run
from webapp.messages.states import RowState

log = structlog.get_logger(__name__)
CONFIRMED = 1000  # messages that a window lacks are asked about one by one, as many of them as this
CHUNK = 5000


@dataclass(slots=True)
class _Seen:
    """Keys of ours that the last window's answer had, and those that it should have had: they may be in the next."""

    keys: frozenset[int] = frozenset()
    lacking: frozenset[int] = frozenset()

    def lacked(self, keys: frozenset[int], expected: frozenset[int]) -> frozenset[int]:
        """The next window's keys, and those it was expected to have; returns what neither of the last two had."""
        due = self.lacking - keys
        self.lacking = expected - keys - self.keys
        return due


def ask(asker: Asker, inquiry_id: int, now: datetime) -> None:
    """Ask about what is left of an inquiry's period. Raises LeaveOff, GatewayError; what was read until then stays."""
    db = asker.services.db
    with db.reading() as session:
        one = session.get_one(Inquiry, inquiry_id)
    at = one.reached if one.reached is not None else one.since - AHEAD
    seen, calls = _Seen(), 0
    for window in asker.windows(OTHER_KIND, at, min(one.until, now) + AHEAD):
        counts = _take(asker, one, window, seen, now)
        counts["calls"], calls = asker.done.asked - calls, asker.done.asked
        with db.writing(durable=False) as session:
            kept = session.get_one(Inquiry, inquiry_id)
            kept.reached, kept.problem = window.end, None
            for name, n in counts.items():
                setattr(kept, name, getattr(kept, name) + n)
    missing = _confirm(asker, seen.lacking)
    with db.writing(durable=False) as session:
        one = session.get_one(Inquiry, inquiry_id)
        one.missing += missing
        one.calls += asker.done.asked - calls
        inquiries.end(one, max(now, clock.now()))


def _take(asker: Asker, one: Inquiry, window: Window, seen: _Seen, now: datetime) -> dict[str, int]:
    """Take a window's rows in and compare; what it adds to the inquiry's counts."""
    if window.rows is None:
        return {"skipped": 1}
    news = asker.done.new + asker.done.changed
    keys = asker.take(window.rows, "mt_date")
    with asker.services.db.reading() as session:
        ahead = _ahead(session, keys - seen.keys, window.rows, window.called_at)
        expected = _expected(session, one, window, now) if one.kind == inquiries.AUDIT else frozenset[int]()
    counts = {
        "rows": len(window.rows), "ours": len(keys - seen.keys), "others": max(len(window.rows) - len(keys), 0),
        "news": asker.done.new + asker.done.changed - news, "ahead": ahead,
    }  # fmt: skip
    counts["missing"] = _confirm(asker, seen.lacked(keys, expected))
    seen.keys = keys
    return counts


def _ahead(session: Session, keys: frozenset[int], rows: Sequence[Told], called_at: datetime) -> int:
    """Messages of which we hold more than the gateway says, and did not hear it only while it was being asked."""
    told: dict[int, int] = {}
    for row in rows:
        decoded = reference.decode(row.reference)
        if decoded and decoded[1] in keys and row.status in codes.STATUSES:
            told[decoded[1]] = max(codes.rank(row.status), told.get(decoded[1], -1))
    further: list[int] = []
    wanted = sorted(told)
    for at in range(0, len(wanted), CHUNK):
        held = session.execute(
            select(Message.id, Message.status).where(one_of(session, Message.id, wanted[at : at + CHUNK]))
        )
        further += [key for key, status in held if codes.rank(status) > told[key]]
    just_heard: set[int] = set()
    for at in range(0, len(further), CHUNK):
        just_heard |= set(
            session.scalars(
                select(Receipt.message_id)
                .where(one_of(session, Receipt.message_id, further[at : at + CHUNK]), Receipt.heard_at >= called_at)
                .distinct()
            )
        )
    return len(set(further) - just_heard)


def _expected(session: Session, one: Inquiry, window: Window, now: datetime) -> frozenset[int]:
    """The messages of ours that a window should have. One that is scheduled may be invisible until its time."""
    start, end = max(window.start, one.since), min(window.end, one.until)
    if start >= end:
        return frozenset()
    held = (
        select(Message.id)
        .join(Run, Run.id == Message.run_id)
        .where(Message.at >= start, Message.at < end, Message.state == RowState.ACCEPTED)
        .where(Run.deliver_at.is_(None) | (Run.deliver_at < now - AHEAD))
    )
    return frozenset(session.scalars(held))


def _confirm(asker: Asker, keys: frozenset[int]) -> int:
    """Ask by reference about messages that windows lack: how many of them the gateway does not know at all."""
    if not keys:
        return 0
    if len(keys) > CONFIRMED:
        log.warning("the gateway's windows lack messages of ours", messages=len(keys), asked_about=CONFIRMED)
    chosen = sorted(keys)[:CONFIRMED]
    with asker.services.db.reading() as session:
        rows = session.execute(
            select(Message.id, Run.token).join(Run, Run.id == Message.run_id).where(one_of(session, Message.id, chosen))
        )
        references = [reference.encode(token, key) for key, token in rows]
    known, skipped = set[int](), asker.done.skipped
    try:
        for found in asker.references(references):
            known |= asker.take(found, "mt_id")
    except LookupFailed as error:
        log.warning("messages that a window lacks could not be asked about", messages=len(chosen), detail=error.detail)
        return 0
    return max(len(set(chosen) - known) - (asker.done.skipped - skipped), 0)

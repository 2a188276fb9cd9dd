"""Erasing a person, who asked for it: a job that waits for what is under way and may be killed anywhere.

The tombstone comes first, in the transaction of the click: from then on nothing of before is taken in. A round erases
everything but messages that are leaving or may have left, since the gateway is asked about those by reference and
number; launches and imports under way still have the person in their files. Where there are such, a sweep makes another
round later; the last one takes the number out of the request itself.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from webapp.accounts import audit
from webapp.admin import parts
from webapp.admin.models import Erasure
from webapp.campaigns.privacy import launches_with
from webapp.contacts import privacy as contacts
from webapp.contacts.models import Contact
from webapp.core import clock, leases
from webapp.core.db import Database, insert_for, moment
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.spelling import mentions
from webapp.core.text import fold_word, tidy
from webapp.inbox.models import Conversation
from webapp.messages.privacy import open_messages
from webapp.optouts import erased
from webapp.optouts import privacy as optouts
from webapp.reports.exports import work as exports

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=120)
REASON_LIMIT = 300  # characters
OPEN = ("requested", "waiting")


def request(session: Session, number: int, reason: str, person_id: int | None) -> tuple[Erasure, bool]:
    """Set the tombstone and open an erasure; the one under way where there is one, and whether it is new.

    The job is to be started after the commit. UserError without a reason, or with one that says who it is.
    """
    why = clean_reason(session, number, reason)
    now = clock.now()
    mark = erased.mark_of(session, number)
    row = {
        "mark": mark, "open_mark": mark, "number": number, "state": "requested", "reason": why, "requested_at": now,
        "requested_by": person_id, "waits": {}, "counts": {},
    }  # fmt: skip
    insert = insert_for(session, Erasure).values(**row).on_conflict_do_nothing(index_elements=["open_mark"])
    made = session.execute(insert.returning(Erasure.id)).all()
    if made:
        erased.keep(session, number, now)
        optouts.hold_back(session, number)
    return session.scalars(select(Erasure).where(Erasure.open_mark == mark)).one(), bool(made)


def clean_reason(session: Session, number: int, reason: str) -> str:
    """A reason as it is kept, which is for ever: UserError for none, and for one with the person's number or name."""
    why = tidy(reason).strip()[:REASON_LIMIT]
    if len(why) < 3:
        raise UserError(N_("Write why: the day and the way of the request, or its number."), field="reason")
    words = set(fold_word(why).split())
    named = any(words.issuperset(fold_word(name).split()[:1]) for name in _names(session, number) if fold_word(name))
    if named or mentions(why, number):
        raise UserError(N_("The reason stays: write it without the person's name or number."), field="reason")
    return why


def _names(session: Session, number: int) -> Iterator[str]:
    yield from session.scalars(select(Contact.name).where(Contact.number == number))
    yield from session.scalars(select(Conversation.name).where(Conversation.number == number))


def carry_out(db: Database, folder: Path, erasure_id: int) -> None:
    """The job: one round, and the end where nothing is left to wait for. Does nothing where another worker is at it."""
    found = db.retrying(lambda session: _claim(session, erasure_id))
    if found is None or found.number is None:
        return
    number, until = found.number, found.requested_at
    with db.reading() as session:
        uploads = contacts.waiting_uploads(session, folder, number, until)
    db.retrying(lambda session: _round(session, folder, erasure_id, uploads))
    # Only now: what begins after the round does not find the person any more.
    waits = {"launches": launches_with(folder, number)}
    with db.reading() as session:
        waits["files"] = contacts.at_work(session, folder, number, until)
        again = contacts.waiting_uploads(session, folder, number, until)
    db.retrying(lambda session: _finish(session, folder, erasure_id, again, waits))


def _claim(session: Session, erasure_id: int) -> Erasure | None:
    now = moment(session)
    free = or_(Erasure.lease_until.is_(None), leases.over(Erasure.lease_until, now, LEASE))
    taken = session.execute(
        update(Erasure)
        .where(Erasure.id == erasure_id, Erasure.state.in_(OPEN), free)
        .values(lease_until=now + LEASE)
        .returning(Erasure.id)
    ).all()
    return session.get_one(Erasure, erasure_id, populate_existing=True) if taken else None


def _round(session: Session, folder: Path, erasure_id: int, uploads: list[int]) -> Erasure | None:
    """Erase what can be erased now; None where another worker has come to the end."""
    found = session.get(Erasure, erasure_id, with_for_update=True)
    if found is None or found.number is None:
        return None
    gone = parts.forget(session, folder, found.number, found.requested_at, uploads)
    optouts.hold_back(session, found.number)
    session.refresh(found)
    found.counts = dict(Counter(found.counts) + Counter(gone))
    session.flush()
    return found


def _finish(session: Session, folder: Path, erasure_id: int, uploads: list[int], waits: dict[str, int]) -> None:
    found = _round(session, folder, erasure_id, uploads)
    if found is None:
        return
    assert found.number is not None
    waits = {**waits, "messages": open_messages(session, found.number)}
    found.waits = {kind: n for kind, n in waits.items() if n}
    found.lease_until = None
    if found.waits:
        found.state = "waiting"
        log.info("an erasure waits", erasure=erasure_id, **found.waits)
        return
    optouts.forget_person(session, found.number)
    exports.begin_anew(session)
    found.state, found.number, found.open_mark, found.done_at = "done", None, None, clock.now()
    audit.record(
        session, "privacy.erased", f"erasure {erasure_id}", actor="worker", person=found.mark, counts=found.counts
    )
    log.info("a person was erased", erasure=erasure_id)


def unfinished(session: Session) -> list[int]:
    """Erasures that are not done: what the sweep starts again."""
    return list(session.scalars(select(Erasure.id).where(Erasure.state.in_(OPEN)).order_by(Erasure.id)))


def latest(session: Session, size: int = 20) -> list[Erasure]:
    """The newest erasures; open ones are never crowded out."""
    rows = session.scalars(select(Erasure).order_by(Erasure.done_at.is_not(None), Erasure.id.desc()).limit(size))
    return list(rows)


def open_of(session: Session, number: int) -> Erasure | None:
    """The erasure of a person that is under way."""
    return session.scalar(select(Erasure).where(Erasure.number == number, Erasure.state.in_(OPEN)))

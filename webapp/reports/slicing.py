"""People of a part of a campaign are put into a list of their own; for another try a draft is made for them, too.

The click writes a row and makes the empty list; the job walks the campaign's messages by key, some thousands a
transaction, each with its count. It may be killed anywhere and run again: a step is bound to the key it started from.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from webapp.campaigns import retrying
from webapp.campaigns.models import Campaign
from webapp.contacts import gathering
from webapp.contacts import service as contacts
from webapp.contacts.models import ContactList
from webapp.core import clock, leases
from webapp.core.db import Database, insert_for, moment
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.settings import Settings
from webapp.gateway.codes import DIALECTS
from webapp.messages.models import Message, Run
from webapp.messages.states import RunState
from webapp.optouts import erased
from webapp.optouts import queries as optouts
from webapp.optouts.models import EVERY_CHANNEL
from webapp.reports import slices
from webapp.reports.models import CampaignExtract
from webapp.reports.slices import Part

log = structlog.get_logger(__name__)

WINDOW = 5_000  # keys looked at in one transaction: receipts wait no longer for their turn
AT_ONCE = 5_000  # people of a campaign up to which nobody needs a progress bar
LEASE = timedelta(seconds=60)
LATE = timedelta(seconds=5)  # work that waits longer than that lost its wake-up
LIST, RETRY = "list", "retry"


class Lost(Exception):
    """Another worker is at it."""


class Wish(NamedTuple):
    """What somebody pressed. `press` names the form: its second press finds what the first has begun."""

    part: Part
    deed: str
    name: str
    press: str
    person_id: int | None


def begin(session: Session, campaign: Campaign, run: Run, wish: Wish) -> tuple[CampaignExtract, bool]:
    """Ask for a list of a part's people, with the deed `RETRY` for a draft, too: (the row, whether it is new).

    UserError for a name that is taken, while the campaign is being written down, and for a form made for another part.
    """
    row = {
        "campaign_id": campaign.id, "press": wish.press, "part": wish.part.kind, "value": wish.part.value,
        "deed": wish.deed, "name": " ".join(wish.name.split())[:120], "state": "working", "found": 0, "added": 0,
        "opted_out": 0, "erased": 0, "after_key": run.first_key - 1, "created_at": clock.now(),
        "created_by": wish.person_id, "lease_until": moment(session),
    }  # fmt: skip
    statement = insert_for(session, CampaignExtract).values(**row).on_conflict_do_nothing()
    fresh = session.execute(statement.returning(CampaignExtract.id)).first() is not None
    found = session.scalars(select(CampaignExtract).where(CampaignExtract.press == wish.press)).one()
    if not fresh:
        if (found.campaign_id, found.part, found.value, found.deed) != (campaign.id, *wish.part, wish.deed):
            raise UserError(N_("This form was used before. Open it again."))
        return found, False
    if run.state == RunState.LAUNCHING:
        raise UserError(N_("The campaign is still being prepared. Try again in a moment."))
    found.list_id = contacts.new_list(session, wish.name, wish.person_id).id
    session.flush()
    return found, True


def suggested_name(session: Session, campaign: Campaign, words: str, limit: int = 110) -> str:
    """A name that no list has, of the campaign's and the part's."""
    room = limit - len(words) - 3
    return gathering.free_name(session, f"{campaign.name[: max(room, 20)].rstrip()} – {words}"[:limit])


def carry_out(db: Database, settings: Settings, extract_id: int) -> None:
    """The job. Does nothing where another worker is at it, or where it is done."""
    if not _claim(db, extract_id):
        return
    try:
        while not _step(db, settings, extract_id):
            pass
    except Lost:
        log.info("extract lost to another worker", extract=extract_id)


def _claim(db: Database, extract_id: int) -> bool:
    with db.writing(durable=False) as session:
        now = moment(session)
        taken = session.execute(
            update(CampaignExtract)
            .where(CampaignExtract.id == extract_id, CampaignExtract.state == "working", _is_free(now))
            .values(lease_until=now + LEASE)
            .returning(CampaignExtract.id)
        ).all()
    return bool(taken)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(CampaignExtract.lease_until.is_(None), leases.over(CampaignExtract.lease_until, now, LEASE))


def _step(db: Database, settings: Settings, extract_id: int) -> bool:
    """Look at the next keys, in one transaction; True at the end."""
    with db.writing(durable=False) as session:  # what power takes, its row's count goes with: it is done again
        found = session.get_one(CampaignExtract, extract_id)
        campaign = session.get_one(Campaign, found.campaign_id)
        run = session.get_one(Run, campaign.run_id)
        if found.state != "working":
            return True
        made = session.get(ContactList, found.list_id)
        if made is None or made.archived_at is not None:
            return _close(session, found, found.after_key, "failed")
        upto = min(found.after_key + WINDOW, run.last_key)
        numbers = list(session.scalars(_people(found, run, upto)))
        counted = _put(session, settings, found, campaign, numbers)
        if upto < run.last_key:
            _advance(session, found, found.after_key, after_key=upto, **counted)
            return False
        return _finish(session, settings, found, campaign, upto, counted)


def _people(found: CampaignExtract, run: Run, upto: int) -> Any:
    part = Part(found.part, found.value)
    chosen = slices.again(part, run.id) if found.deed == RETRY else slices.people(part, run.id)
    span = Message.id.between(found.after_key + 1, upto)
    return select(Message.number).where(span, Message.run_id == run.id, chosen).order_by(Message.id)


def _put(
    session: Session, settings: Settings, found: CampaignExtract, campaign: Campaign, numbers: Sequence[int]
) -> dict[str, int]:
    """Put these people into the list; the new counts. Who was erased is in no list; who left gets no other try."""
    assert found.list_id is not None
    there = [number for number in numbers if number > 0]  # below zero: the row of somebody who was erased
    gone = erased.suppressed(session, there)
    keep = [number for number in there if number not in gone]
    kind = DIALECTS[settings.gateway_dialect].types.get(campaign.type)
    medium = kind.medium if kind and found.deed == RETRY else EVERY_CHANNEL
    out = optouts.recorded(session, keep, medium)
    if found.deed == RETRY:
        keep = [number for number in keep if number not in out]
    gathering.gather(session, found.list_id, keep, campaign.lists)
    return {
        "found": found.found + len(numbers),
        "added": found.added + len(keep),
        "opted_out": found.opted_out + len(out),
        "erased": found.erased + len(numbers) - len(there) + len(gone),
    }


def _finish(
    session: Session, settings: Settings, found: CampaignExtract, campaign: Campaign, upto: int, counted: dict[str, int]
) -> bool:
    assert found.list_id is not None
    if not counted["added"]:
        _close(session, found, upto, "nobody", **counted)
        contacts.delete_list(session, found.list_id)
        return True
    if found.deed == RETRY:
        draft = retrying.draft_again(
            session, campaign, found.list_id, name=found.name, person_id=found.created_by, instance=settings.instance
        )
        counted = {**counted, "draft_id": draft.id}
    return _close(session, found, upto, "done", **counted)


def _close(session: Session, found: CampaignExtract, upto: int, state: str, /, **values: Any) -> bool:
    _advance(
        session,
        found,
        found.after_key,
        after_key=upto,
        state=state,
        lease_until=None,
        finished_at=clock.now(),
        **values,
    )
    return True


def _advance(session: Session, found: CampaignExtract, before: int, /, **values: Any) -> None:
    """Write progress, provided that nobody else has gone on meanwhile; `Lost` otherwise."""
    values.setdefault("lease_until", moment(session) + LEASE)
    moved = session.execute(
        update(CampaignExtract)
        .where(CampaignExtract.id == found.id, CampaignExtract.state == "working", CampaignExtract.after_key == before)
        .values(**values)
        .returning(CampaignExtract.id)
    ).all()
    if not moved:
        raise Lost


def waiting(session: Session) -> list[int]:
    """Rows that have something to do and that nobody is at."""
    free = _is_free(moment(session) - LATE)
    return list(session.scalars(select(CampaignExtract.id).where(CampaignExtract.state == "working", free)))


def filling(session: Session, list_id: int) -> str | None:
    """The name of a list that is being filled: nobody deletes it meanwhile."""
    wanted = select(CampaignExtract.name).where(CampaignExtract.state == "working", CampaignExtract.list_id == list_id)
    return session.scalar(wanted.limit(1))


def share(found: CampaignExtract, run: Run) -> float:
    """How far the walk has come, from 0 to 1."""
    return min(max((found.after_key - run.first_key + 1) / (run.last_key - run.first_key + 1), 0.0), 1.0)

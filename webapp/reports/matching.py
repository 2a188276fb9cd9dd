"""Which messages a view of the delivery browser means, as conditions on their rows."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.core.db import one_of
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import BatchState, RowState
from webapp.reports import people
from webapp.reports.filters import MessageFilter
from webapp.reports.standing import GROUPS

KINDS = {"replies": "reply", "tests": "test"}  # of runs, by the choices of the browser


def keys(session: Session, wanted: MessageFilter) -> Select[Any]:
    """The keys of a view's messages in the browser's order, the newest first: one statement sees one moment."""
    query = select(Message.__table__.c.id).where(*conditions(session, wanted))  # no objects: there may be millions
    if wanted.source in KINDS:
        query = query.join(Run, Run.id == Message.run_id).where(Run.kind == KINDS[wanted.source])
    along_keys = wanted.campaign is not None or people.numbers_of(session, wanted) is not None
    return query.order_by(Message.id.desc()) if along_keys else query.order_by(Message.at.desc(), Message.id.desc())


def conditions(session: Session, wanted: MessageFilter) -> list[ColumnElement[bool]]:
    """What the messages of a view have in common, but for the kind of their run."""
    found = period(wanted)
    numbers = people.numbers_of(session, wanted)
    if numbers is not None:
        found.append(one_of(session, Message.number, numbers))
    elif wanted.digits:
        found += [Message.number > 0, Message.number % 10 ** len(wanted.digits) == int(wanted.digits)]
    if wanted.campaign is not None:
        found.append(Message.run_id == run_of(session, wanted.campaign))
    if wanted.type is not None:
        found.append(Message.type == wanted.type)
    if wanted.carrier:
        found.append(Message.carrier == wanted.carrier)
    if wanted.source == "outside":
        found.append(Message.run_id.is_(None))
    if wanted.status:
        found.append(_status(wanted.status))
    return found


def run_of(session: Session, campaign_id: int) -> int:
    """The run of a campaign; 0, which no run has, where there is none."""
    return session.scalar(select(Campaign.run_id).where(Campaign.id == campaign_id)) or 0


def period(wanted: MessageFilter) -> list[ColumnElement[bool]]:
    """From when until when."""
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(Message.at >= wanted.since)
    if wanted.until is not None:
        found.append(Message.at < wanted.until)
    return found


def _status(name: str) -> ColumnElement[bool]:
    group = GROUPS.get(name)
    if group is None:
        return and_(Message.state == RowState.ACCEPTED, Message.status == name)
    ways: list[ColumnElement[bool]] = []
    if group.states:
        ways.append(Message.state.in_(group.states))
    if group.statuses:
        heard: ColumnElement[bool] = Message.status.in_(group.statuses)
        heard = or_(heard, Message.status.is_(None)) if group.unheard else heard
        ways.append(and_(Message.state == RowState.ACCEPTED, heard))
    chosen = or_(*ways)
    if name in {"unknown", "pending"}:
        unknown = (
            select(Batch.id)
            .where(Batch.run_id == Message.run_id, Batch.state == BatchState.UNKNOWN)
            .where(Batch.first_key <= Message.id, Batch.last_key >= Message.id)
            .exists()
        )
        return and_(chosen, unknown if name == "unknown" else ~unknown)
    return chosen

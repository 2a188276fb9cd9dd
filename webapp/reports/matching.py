"""Which messages a view of the delivery browser means, all of them in one question: what files are made from."""

from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.core.db import one_of
from webapp.messages.models import Message
from webapp.reports import people, streams
from webapp.reports.filters import MessageFilter


def keys(session: Session, wanted: MessageFilter) -> Select[Any]:
    """The keys of a view's messages in the browser's order, the newest first: one statement sees one moment."""
    query = select(Message.__table__.c.id).where(*conditions(session, wanted))  # no objects: there may be millions
    along_keys = wanted.campaign is not None or people.numbers_of(session, wanted) is not None
    return query.order_by(Message.id.desc()) if along_keys else query.order_by(Message.at.desc(), Message.id.desc())


def conditions(session: Session, wanted: MessageFilter) -> list[ColumnElement[bool]]:
    """What the messages of a view have in common."""
    found, others = period(wanted), streams.dimensions(wanted)
    numbers = people.numbers_of(session, wanted)
    if numbers is not None:
        found.append(one_of(session, Message.number, numbers))
        others.discard("digits")
    if wanted.campaign is not None:
        found.append(Message.run_id == run_of(session, wanted.campaign))
    return found + [streams.conditions(wanted, name, Message) for name in sorted(others)]


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

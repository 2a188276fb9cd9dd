"""All tries of one campaign: whoever one of them has reached, or may still reach, is left out of the others.

They name the run of the first try (`Campaign.retry_of`). What counts is what is known when the other one is launched.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from webapp.campaigns.models import Campaign
from webapp.core.db import one_of
from webapp.core.errors import UserError
from webapp.gateway.codes import UNDELIVERED
from webapp.messages.models import Message, Run
from webapp.messages.states import RowState, RunState

REACHED = "reached"  # the reason of whoever is left out, a key of `messages.states.REASONS`


def is_reached(retry_of: int, number: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """A condition on a column of numbers: a try of that campaign has reached the person, or may still do so."""
    sent = aliased(Message)
    return select(sent.id).where(sent.number == number, *_reaches(sent, retry_of)).exists()


def reached(session: Session, retry_of: int, numbers: Sequence[int]) -> set[int]:
    """Those of the numbers whom a try of that campaign has reached, or may still reach."""
    query = select(Message.number).where(one_of(session, Message.number, numbers), *_reaches(Message, retry_of))
    return set(session.scalars(query))


def _reaches(sent: type[Message], retry_of: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    other = aliased(Campaign)
    tries = select(other.run_id).where(other.retry_of == retry_of, other.run_id.is_not(None))
    heard_nothing_bad = or_(sent.status.is_(None), sent.status.not_in(UNDELIVERED))
    on_its_way = or_(sent.state == RowState.PENDING, and_(sent.state == RowState.ACCEPTED, heard_nothing_bad))
    return on_its_way, or_(sent.run_id == retry_of, sent.run_id.in_(tries))


def check_alone(session: Session, campaign: Campaign) -> None:
    """UserError while another try is being launched: whom that one is for is not written down yet."""
    if campaign.retry_of is None:
        return
    launching = (
        select(Run.name)
        .join(Campaign, Campaign.run_id == Run.id)
        .where(or_(Campaign.retry_of == campaign.retry_of, Campaign.run_id == campaign.retry_of))
        .where(Campaign.id != campaign.id, Run.state == RunState.LAUNCHING)
    )
    if name := session.scalar(launching.limit(1)):
        raise UserError("“%(name)s”, another try for the same people, is being launched. Wait a moment.", name=name)

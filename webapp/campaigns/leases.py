"""Whose turn it is to work on a campaign: one column says until when a worker is at it, by the database's clock.

`lease_until` in the past but not None means work that waits: it was asked for and nobody has come, or whoever came is
gone. A sweep asks again.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, update

from webapp.campaigns.models import Campaign
from webapp.core import leases
from webapp.core.db import Database, moment

LEASE = timedelta(seconds=30)  # renewed with every chunk; a killed worker's launch goes on after it
LATE = timedelta(seconds=5)  # work that waits longer than that lost its wake-up


def claim(db: Database, campaign_id: int) -> bool:
    """Take the work on a campaign (a count or a launch). False where there is none, or another worker is at it."""
    with db.writing(durable=False) as session:
        now = moment(session)
        taken = session.execute(
            update(Campaign)
            .where(Campaign.id == campaign_id, leases.over(Campaign.lease_until, now, LEASE))
            .values(lease_until=now + LEASE)
        )
        return bool(taken.rowcount)  # type: ignore[attr-defined]


def is_waiting(now: datetime) -> ColumnElement[bool]:
    """Work that was asked for and that nobody has taken for a while, as a condition. `now` by the database's clock."""
    return leases.over(Campaign.lease_until, now - LATE, LEASE + LATE)


def hold(db: Database, campaign_id: int) -> None:
    """Say that the work goes on."""
    with db.writing(durable=False) as session:
        session.execute(update(Campaign).where(Campaign.id == campaign_id).values(lease_until=moment(session) + LEASE))

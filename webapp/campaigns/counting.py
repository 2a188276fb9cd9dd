"""The exact count as a job: asked for by a step's save or by the review page, carried out by a worker, never twice."""

from datetime import datetime

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.campaigns.audience import Selection, rows_of, walk
from webapp.campaigns.forecast import Forecast, key_of
from webapp.campaigns.launch import renderer_of
from webapp.campaigns.leases import LEASE, claim, is_waiting
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.db import Database, moment
from webapp.core.settings import Settings

log = structlog.get_logger(__name__)


def begin(session: Session, campaign: Campaign) -> None:
    """Ask for the exact count of a draft; start the job `campaigns.count` after the commit."""
    rows = rows_of(session, campaign.lists)
    campaign.forecast = {"key": key_of(session, campaign), "state": "counting", "done": 0, "of": rows}
    campaign.lease_until = moment(session)


def carry_out(db: Database, settings: Settings, campaign_id: int) -> None:
    """The job. A draft that is changed meanwhile makes it stop: the change asked for a count of its own."""
    if not claim(db, campaign_id):
        return
    try:
        with db.reading() as session:
            campaign = session.get_one(Campaign, campaign_id)
            if campaign.run_id is None and campaign.forecast and campaign.forecast["state"] == "counting":
                _count(db, session, settings, campaign)
    except Exception:
        log.exception("count failed", campaign=campaign_id)
        with db.writing(durable=False) as session:
            failed = session.get(Campaign, campaign_id)
            if failed is not None and failed.run_id is None and failed.forecast:
                failed.forecast = {**failed.forecast, "state": "failed"}
                failed.lease_until = None


def _count(db: Database, session: Session, settings: Settings, campaign: Campaign) -> None:
    assert campaign.forecast is not None
    progress, renderer, found = dict(campaign.forecast), renderer_of(settings, campaign), Forecast()
    for chunk in walk(session, Selection.of(campaign), renderer.service, wanted=renderer.fields):
        found.add(chunk, renderer)
        progress["done"] = found.count.rows
        if not _save(db, campaign.id, progress, finished=False):
            return
    progress.update(state="done", at=clock.now().isoformat(), of=found.count.rows, result=found.to_json())
    _save(db, campaign.id, progress, finished=True)


def _save(db: Database, campaign_id: int, progress: dict[str, object], *, finished: bool) -> bool:
    """Keep the progress while the draft is still the one that is being counted."""
    with db.writing(durable=False) as session:
        campaign = session.get(Campaign, campaign_id, with_for_update=True)
        current = campaign.forecast if campaign is not None and campaign.run_id is None else None
        if campaign is None or not current or current["key"] != progress["key"]:
            return False
        session.execute(
            update(Campaign)
            .where(Campaign.id == campaign_id)
            .values(forecast=dict(progress), lease_until=None if finished else moment(session) + LEASE)
        )
    return True


def waiting(session: Session, now: datetime) -> list[int]:
    """Drafts whose count has no worker. `now` by the database's clock."""
    return list(session.scalars(select(Campaign.id).where(Campaign.run_id.is_(None), is_waiting(now))))

"""What has to be there for somebody to be killed at a chosen point, and time that passes quickly.

Nothing here is made up: campaigns are sent, answers get lost, senders have died. Only what would come about by itself,
some seconds later, is brought about now.
"""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tests.crash.marketing import Marketing
from tests.crash.points import Need
from tests.crash.weather import Weather
from webapp.campaigns.models import Campaign
from webapp.core.db import moment
from webapp.core.jobs import Tick
from webapp.core.web import Services
from webapp.gateway.models import Account
from webapp.messages.models import Batch, Dispatch, Run
from webapp.messages.states import BatchState, RunState

STOCK = 8  # batches to send that there are to be at any time
LOOK_SECONDS = 0.1  # between two looks at what there is
HURRY_SECONDS = 1.0
SOON = timedelta(seconds=1)
COLD = 1.0  # seconds after a sender's death, when its call is surely over, too
LONG_AGO = timedelta(minutes=3)  # by anybody's clock


@dataclass
class Stage:
    """One installation's work, as much as is needed."""

    services: Services
    weather: Weather
    marketing: Marketing
    dead: dict[str, float] = field(default_factory=dict)  # `host:pid:` of who was killed, and when
    looked: float = 0.0
    hurried: float = 0.0

    def keep_supplied(self, needs: Collection[Need]) -> None:
        """Look now and then, and bring about what somebody waits for."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        with self.services.db.reading() as session:
            batches = _by_state(session)
            coming = self.marketing.busy + len(_untouched_launches(session, moment(session)))
        if coming < (2 if Need.LAUNCH in needs else 1) and (Need.LAUNCH in needs or batches["queued"] < STOCK):
            self.marketing.launch()
        if Need.DOUBT in needs and not batches[BatchState.UNKNOWN] and not self.weather.box.faults():
            self.weather.lose("lost", {})
        self.release(keep=0 if Need.LOSS in needs else 1)
        self.hurry()

    def has_losses(self) -> bool:
        """Whether a batch is in the hand of somebody who is dead."""
        with self.services.db.reading() as session:
            return bool(self._lost(session))

    def _lost(self, session: Session) -> list[int]:
        long_dead = {name for name, when in self.dead.items() if time.monotonic() - when > COLD}
        held = session.execute(select(Batch.id, Batch.worker).where(Batch.state == BatchState.SENDING))
        return [batch for batch, worker in held if worker and worker.rpartition(":")[0] in long_dead]

    def release(self, keep: int) -> None:
        """The leases of the dead run out: nobody waits for the full time of them all, they would hold up the living."""
        with self.services.db.reading() as session:
            lost = self._lost(session)[keep:]
        if lost:
            with self.services.db.writing(durable=False) as session:
                over = moment(session) - LONG_AGO
                session.execute(
                    update(Batch).where(Batch.id.in_(lost), Batch.state == BatchState.SENDING).values(lease_until=over)
                )

    def hurry(self) -> None:
        """A rest after the gateway was busy is over, what was stopped is looked at, launches that wait are taken up."""
        if time.monotonic() - self.hurried < HURRY_SECONDS:
            return
        self.hurried = time.monotonic()
        with self.services.db.reading() as session:
            now = moment(session)
            rests = session.scalar(select(Dispatch.id).where(Dispatch.free_at > now + SOON))
            stopped = session.scalar(select(Account.id).where(Account.stopped_code.is_not(None)))
            waiting = _untouched_launches(session, now - SOON)
        due = [*(["gateway.probe"] if stopped else []), *(["campaigns.sweep"] if waiting else [])]
        if rests or due:
            with self.services.db.writing(durable=False) as session:
                session.execute(update(Dispatch).where(Dispatch.free_at > now).values(free_at=now))
                session.execute(update(Tick).where(Tick.name.in_(due)).values(due_at=now))
                session.execute(
                    update(Campaign)
                    .where(Campaign.id.in_(waiting), Campaign.lease_until <= now)
                    .values(lease_until=now - LONG_AGO)
                )

    def everybody_is_dead(self) -> None:
        """So nothing is in anybody's hand any more, however long they had meant to hold it."""
        self.dead = dict.fromkeys(self.dead, 0.0)
        self.release(keep=0)
        with self.services.db.writing() as session:
            now = moment(session)
            session.execute(update(Tick).values(due_at=now))
            session.execute(
                update(Campaign).where(Campaign.lease_until.is_not(None)).values(lease_until=now - LONG_AGO)
            )


def _by_state(session: Session) -> Counter[str]:
    return Counter(dict(session.execute(select(Batch.state, func.count()).group_by(Batch.state)).all()))


def _untouched_launches(session: Session, since: datetime) -> Sequence[int]:
    """Campaigns that were to be launched at that moment already, and that no worker is at."""
    return session.scalars(
        select(Campaign.id)
        .join(Run, Run.id == Campaign.run_id)
        .where(Run.state == RunState.LAUNCHING, Campaign.lease_until <= since)
    ).all()

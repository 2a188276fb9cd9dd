"""What became of one campaign, from its counters: the funnel, the reasons, the carriers, the credits, the answers."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.models import Campaign
from webapp.core.errors import NotFound
from webapp.inbox.models import Inbound
from webapp.messages import queries
from webapp.messages.models import Run
from webapp.messages.queries import Counts
from webapp.messages.rates import Tally
from webapp.messages.states import RowState
from webapp.reports.standing import LOOK_ORDER, Standing, look_of, of_reason, of_status


@dataclass(frozen=True, slots=True)
class Slice:
    """People of a campaign to whom the same happened. `code` is the gateway's; `filter` opens them in the browser."""

    standing: Standing
    n: int
    code: str
    filter: str


@dataclass(slots=True)
class Report:
    """One launched campaign in figures."""

    campaign: Campaign
    run: Run
    author: str
    state: str
    counts: Counts
    tally: Tally = field(default_factory=Tally)
    carriers: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    looks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LOOK_ORDER, 0))
    slices: list[Slice] = field(default_factory=list)
    debited: int = 0
    replies: int = 0
    optouts: int = 0

    @property
    def by_carrier(self) -> list[tuple[str, Tally]]:
        """Carriers, the busiest first."""
        return sorted(self.carriers.items(), key=lambda item: -item[1].sent)

    @property
    def forecast(self) -> int:
        """Credits that were expected for those handed over so far: the launch's forecast by their share."""
        whole = self.counts.recipients
        return round(self.run.forecast * self.counts.accepted / whole) if whole else 0

    @property
    def drift(self) -> float | None:
        """Debited beyond (or below, negative) the forecast, as a share of it; None while there is nothing to say."""
        return (self.debited - self.forecast) / self.forecast if self.forecast and self.debited else None

    @property
    def reply_rate(self) -> float | None:
        """People who answered, of those handed over."""
        return self.replies / self.counts.accepted if self.counts.accepted else None


def find(session: Session, campaign_id: int) -> tuple[Campaign, Run]:
    """A launched campaign; NotFound where there is none, or only a draft."""
    campaign = session.get(Campaign, campaign_id)
    if campaign is None or campaign.run_id is None:
        raise NotFound("There is no launched campaign with the number %(id)s.", id=campaign_id)
    return campaign, session.get_one(Run, campaign.run_id)


def report(session: Session, campaign_id: int, now: datetime) -> Report:
    """The report as it stands at a moment (naive UTC)."""
    campaign, run = find(session, campaign_id)
    author = session.get(Person, run.created_by) if run.created_by else None
    made = Report(
        campaign=campaign,
        run=run,
        author=author.name if author else "",
        state=queries.public_state(run, now),
        counts=queries.counts(session, run, now),
    )
    slices: dict[tuple[str, str], int] = defaultdict(int)
    for row in queries.breakdown(session, run.id):
        made.debited += row.credits
        if row.state != RowState.ACCEPTED:
            slices[row.state, row.reason] += row.n
            continue
        cell = (run.type, row.carrier, row.status, row.n, row.credits)
        made.tally.add(cell)
        made.carriers[row.carrier].add(cell)
        made.looks[look_of(row.status)] += row.n
        slices["status", row.status] += row.n
    made.slices = _slices(slices)
    made.replies, made.optouts = answers(session, run.id)
    return made


def _slices(found: dict[tuple[str, str], int]) -> list[Slice]:
    made = []
    for (kind, value), n in sorted(found.items(), key=lambda item: -item[1]):
        if kind == "status":
            how = of_status(value, None, None) if value else of_reason(RowState.ACCEPTED, None)
            made.append(Slice(how, n, value, value or "waiting"))
        elif kind == RowState.PENDING:
            made.append(Slice(of_reason(kind, None), n, "", "pending"))
        else:
            made.append(Slice(of_reason(kind, value), n, value if kind == RowState.REFUSED else "", str(kind)))
    return made


def answers(session: Session, run_id: int) -> tuple[int, int]:
    """People who answered a run, and those of them who opted out by it."""
    people = func.count(func.distinct(Inbound.number))
    replied = session.scalar(select(people).where(Inbound.run_id == run_id)) or 0
    left = session.scalar(select(people).where(Inbound.run_id == run_id, Inbound.opted_out)) or 0
    return replied, left

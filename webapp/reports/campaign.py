"""What became of one campaign, from its counters: the funnel, the reasons, the carriers, the credits, the answers."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.models import Campaign
from webapp.core.errors import NotFound
from webapp.inbox import queries as inbox
from webapp.inbox.models import Conversation
from webapp.messages import queries
from webapp.messages.models import Run, RunCount
from webapp.messages.queries import Counts
from webapp.messages.rates import Tally
from webapp.messages.states import RowState
from webapp.reports import slices
from webapp.reports.models import CampaignExtract
from webapp.reports.slices import Answers, Part, Sizes
from webapp.reports.standing import LOOK_ORDER, Standing, look_of, of_reason


@dataclass(frozen=True, slots=True)
class Slice:
    """People of a campaign to whom the same happened. `code` is the gateway's; `filter` opens them in the browser.

    `part` names them for a list or another try, None while they may still move; `again` of them may be tried again.
    """

    standing: Standing
    n: int
    code: str
    filter: str
    part: Part | None = None
    again: int = 0


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
    rows: list[RunCount] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)

    @property
    def replies(self) -> int:
        """People who answered."""
        return self.answers.replied

    @property
    def optouts(self) -> int:
        """People who opted out by their answer."""
        return self.answers.left

    def sizes(self, kind: str, value: str = "") -> Sizes:
        """How many people a part has, and how many of them may be tried again."""
        return slices.sizes(Part(kind, value), self.rows, self.answers)

    @property
    def split(self) -> list[tuple[str, int]]:
        """Everybody in the audience, each in exactly one place: (key of the page's words, people)."""
        counts, tally = self.counts, self.tally
        return [
            ("delivered", tally.delivered), ("silent", tally.silent), ("moving", tally.moving),
            ("undelivered", tally.undelivered), ("refused", counts.refused), ("waiting", counts.waiting),
            ("cancelled", counts.cancelled), ("expired", counts.expired), ("suppressed", counts.suppressed),
        ]  # fmt: skip

    @property
    def worst(self) -> Slice | None:
        """Why the message did not reach most of those whom it did not reach."""
        lost = (RowState.REFUSED, "status")
        bad = [one for one in self.slices if one.standing.look in {"failed", "blocked"} and one.standing.key in lost]
        return max(bad, key=lambda one: one.n, default=None)

    @property
    def per_message(self) -> float | None:
        """Credits debited for each accepted message, None before anything was."""
        return self.debited / self.counts.accepted if self.debited and self.counts.accepted else None

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
        rows=queries.breakdown(session, run.id),
    )
    cut: dict[Part | None, list[RunCount]] = defaultdict(list)
    for row in made.rows:
        made.debited += row.credits
        cut[slices.of_count(row)].append(row)
        if row.state == RowState.ACCEPTED:
            cell = (run.type, row.carrier, row.status, row.n, row.credits)
            made.tally.add(cell)
            made.carriers[row.carrier].add(cell)
            made.looks[look_of(row.status)] += row.n
    made.slices = [_slice(part, rows) for part, rows in cut.items()]
    made.slices.sort(key=lambda one: -one.n)
    made.answers = slices.answers(session, run.id)
    return made


def _slice(part: Part | None, rows: list[RunCount]) -> Slice:
    n = sum(row.n for row in rows)
    if part is None:
        return Slice(of_reason(RowState.PENDING, None), n, "", "pending")
    how, again = slices.standing(part), slices.sizes(part, rows, Answers()).again
    if part.kind == "status":
        return Slice(how, n, part.value, part.value or "waiting", part, again)
    return Slice(how, n, part.value if part.kind == RowState.REFUSED else "", str(part.kind), part, again)


class Voice(NamedTuple):
    """One answer to a campaign: who, in the words of the lists, what, and the key of the conversation."""

    name: str
    number: int
    text: str
    at: datetime
    conversation: str | None


def latest_answers(session: Session, run_id: int, most: int = 4) -> list[Voice]:
    """What people answered last."""
    rows = inbox.replies_to(session, run_id, most)
    wanted = select(Conversation).where(Conversation.number.in_([row.number for row in rows]))
    threads = {thread.number: thread for thread in session.scalars(wanted)} if rows else {}
    return [
        Voice(thread.name if thread else "", row.number, row.text, row.at, thread.key if thread else None)
        for row in rows
        for thread in [threads.get(row.number)]
    ]


def extracts(session: Session, campaign_id: int, most: int = 10) -> list[CampaignExtract]:
    """Lists and drafts that were made of a campaign's people, the latest first."""
    wanted = select(CampaignExtract).where(
        CampaignExtract.campaign_id == campaign_id, CampaignExtract.state != "nobody"
    )
    return list(session.scalars(wanted.order_by(CampaignExtract.id.desc()).limit(most)))


def first_try(session: Session, campaign: Campaign) -> Campaign | None:
    """The campaign of which this one is another try."""
    if campaign.retry_of is None:
        return None
    return session.scalar(select(Campaign).where(Campaign.run_id == campaign.retry_of))

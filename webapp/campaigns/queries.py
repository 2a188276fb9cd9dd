"""Campaigns for pages: the list, how each stands, why messages did not arrive, what happened when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, contains_eager
from sqlalchemy.sql.elements import ColumnElement

from webapp.accounts.models import Audit, Person
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.i18n import N_
from webapp.core.paging import Page, page_of
from webapp.gateway import codes
from webapp.messages import queries as messages
from webapp.messages.models import Batch, Run, RunCount
from webapp.messages.queries import Counts
from webapp.messages.rates import Tally, tally
from webapp.messages.states import REASONS, BatchState, RowState, RunState

PAGE = 25
# What to do about people who were left out, by the reason.
ADVICE = {
    "optout": N_("Nothing to do: their wish counts."),
    "landline": N_("Reach them with a voice message, or ask for a mobile number."),
    "recent": N_("Nothing to do: after the days of rest they get campaigns again."),
    "missing_field": N_("Fill the field in the list, or write a fallback for it in the message."),
    "too_long": N_("Shorten the text, or what the list has in its fields."),
    "empty": N_("Write something around the fields, so that the text is never empty."),
    "too_late": N_("Send it again with a later time, if it is still worth it."),
}
TAKEN = ("campaign.export", "campaign.statement")  # files that somebody took: the audit's, no part of what happened
STATES = ("draft", "scheduled", "launching", "running", "paused", "finished", "cancelled")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The list's filters, as they stand in its URL."""

    state: str = ""
    type: int | None = None
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.state or self.text or self.type is not None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a campaign has come, from counters alone. `state` is the contract's word."""

    state: str
    total: int = 0
    left: int = 0  # accepted, refused, or kept back for good: nothing is to happen with these before they leave
    accepted: int = 0
    delivered: int = 0
    undelivered: int = 0
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the list."""

    campaign: Campaign
    standing: Standing


def page(session: Session, wanted: Wanted, after: int | None, now: datetime | None = None) -> Page[Listed]:
    """Campaigns, the newest first. `after` is the `next` of the page before."""
    now = now or clock.now()
    query = (
        select(Campaign)
        .outerjoin(Run, Run.id == Campaign.run_id)
        .options(contains_eager(Campaign.run))
        .order_by(Campaign.id.desc())
        .limit(PAGE + 1)
    )
    if wanted.state in STATES:
        query = query.where(_in_state(wanted.state, now))
    if wanted.type is not None:
        query = query.where(Campaign.type == wanted.type)
    if wanted.text:
        query = query.where(
            or_(
                Campaign.name.icontains(wanted.text, autoescape=True),
                Campaign.text.icontains(wanted.text, autoescape=True),
            )
        )
    if after is not None:
        query = query.where(Campaign.id < after)
    rows = session.scalars(query).all()
    found = standings(session, rows[:PAGE], now)
    listed = [Listed(row, found.get(row.id, Standing("draft"))) for row in rows]
    return page_of(listed, PAGE, lambda row: str(row.campaign.id))


def _in_state(state: str, now: datetime) -> ColumnElement[bool]:
    if state == "draft":
        return Campaign.run_id.is_(None)
    to_come = and_(Run.state == RunState.RUNNING, Run.served == 0, Run.not_before > now)
    if state == "scheduled":
        return to_come
    if state == "running":
        return and_(Run.state == RunState.RUNNING, ~to_come)
    return Run.state == state


def standings(session: Session, campaigns: Sequence[Campaign], now: datetime) -> dict[int, Standing]:
    """How these campaigns stand, by id: one question over the counters, however many they are."""
    runs = {campaign.run.id: campaign for campaign in campaigns if campaign.run is not None}
    query = (
        select(RunCount.run_id, RunCount.state, RunCount.status, func.sum(RunCount.n))
        .where(RunCount.run_id.in_(runs))
        .group_by(RunCount.run_id, RunCount.state, RunCount.status)
    )
    sums: dict[int, dict[str, int]] = {run_id: dict.fromkeys(("left", "ok", "good", "bad"), 0) for run_id in runs}
    for run_id, state, status, n in session.execute(query):
        found = sums[run_id]
        if state != RowState.PENDING:
            found["left"] += n
        if state == RowState.ACCEPTED:
            found["ok"] += n
            found["good"] += n if status in codes.DELIVERED else 0
            found["bad"] += n if status in codes.UNDELIVERED else 0
    return {campaign.id: _standing(campaign.run, sums[run_id], now) for run_id, campaign in runs.items()}


def _standing(run: Run | None, found: dict[str, int], now: datetime) -> Standing:
    assert run is not None
    waits = found["left"] < run.total and run.state not in (RunState.CANCELLED, RunState.FINISHED)
    return Standing(
        messages.public_state(run, now), run.total, found["left"], found["ok"], found["good"], found["bad"], waits
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """People whom the message did not reach, for one reason. Words are msgids; `code` is raw, for support."""

    kind: str  # "refused", "undelivered", "suppressed" or "expired"
    words: str
    advice: str
    code: str
    people: int


@dataclass(frozen=True, slots=True)
class Report:
    """A launched campaign as its page shows it."""

    counts: Counts
    tally: Tally  # of the accepted: what could be confirmed, and what could not
    failures: list[Failure]
    by_carrier: list[tuple[str, int, int]]  # carrier, accepted, delivered


def report(session: Session, run: Run, now: datetime | None = None) -> Report:
    """Everything of a run that its page shows, from counters."""
    rows = messages.breakdown(session, run.id)
    accepted = [row for row in rows if row.state == RowState.ACCEPTED]
    found = tally((run.type, row.carrier, row.status, row.n, row.credits) for row in accepted)
    carriers: dict[str, list[int]] = {}
    for row in accepted:
        sums = carriers.setdefault(row.carrier, [0, 0])
        sums[0] += row.n
        sums[1] += row.n if row.status in codes.DELIVERED else 0
    by_carrier = sorted(((name, n, good) for name, (n, good) in carriers.items() if name), key=lambda c: -c[1])
    return Report(messages.counts(session, run, now), found, _failures(rows), by_carrier)


def next_opening(session: Session, run_id: int) -> datetime | None:
    """When the next batch of a run may leave (naive UTC), None where none waits."""
    waits = select(func.min(Batch.not_before)).where(Batch.run_id == run_id, Batch.state == BatchState.QUEUED)
    return session.scalar(waits.where(Batch.pending > 0))


def _failures(rows: Sequence[RunCount]) -> list[Failure]:
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.state == RowState.ACCEPTED and row.status in codes.UNDELIVERED:
            key = ("undelivered", row.status)
        elif row.state in (RowState.REFUSED, RowState.SUPPRESSED, RowState.EXPIRED):
            key = (str(row.state), row.reason)
        else:
            continue
        found[key] = found.get(key, 0) + row.n
    made = [_failure(kind, code, n) for (kind, code), n in found.items() if n]
    return sorted(made, key=lambda failure: -failure.people)


def _failure(kind: str, code: str, people: int) -> Failure:
    if kind == "undelivered":
        status = codes.status(code)
        return Failure(kind, status.label, status.advice, code, people)
    if kind == "refused":
        answer = codes.response(code)
        return Failure(kind, answer.explanation, answer.advice, code, people)
    return Failure(kind, REASONS.get(code, code), ADVICE.get(code, ""), "", people)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a campaign; `action` is the audit's word, `who` a person's name or ""."""

    at: datetime
    action: str
    who: str
    detail: dict[str, object]


def timeline(session: Session, campaign: Campaign) -> list[Event]:
    """What people did with a campaign, and when it ended, oldest first."""
    rows = session.execute(
        select(Audit, Person.name)
        .outerjoin(Person, Person.id == Audit.person_id)
        .where(Audit.subject == f"campaign {campaign.id}", Audit.action.startswith("campaign."))
        .where(Audit.action.not_in(TAKEN))
        .order_by(Audit.id)
        .limit(200)
    )
    events = [Event(audit.at, audit.action, name or "", audit.detail) for audit, name in rows]
    if campaign.run is not None and campaign.run.finished_at is not None:
        events.append(Event(campaign.run.finished_at, "campaign.finished", "", {}))
    return sorted(events, key=lambda event: event.at)


# How many replies a run got: registered by the inbox, which knows. None while nobody has.
count_replies: Callable[[Session, int], int] | None = None


def tell_replies(counter: Callable[[Session, int], int]) -> None:
    """Let the campaign's page show replies; `counter` takes a session and a run's id."""
    global count_replies
    count_replies = counter


def launching_from(session: Session, list_id: int) -> str | None:
    """The name of a campaign that is just being launched from a list; one that was launched needs it no more."""
    launching = select(Campaign).join(Run, Run.id == Campaign.run_id).where(Run.state == RunState.LAUNCHING)
    for campaign in session.scalars(launching):
        if list_id in campaign.lists or list_id in campaign.excluded_lists:
            return campaign.name
    return None

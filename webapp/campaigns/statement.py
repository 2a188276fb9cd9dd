"""A campaign's statement: everybody of its audience in exactly one place, and what it took to get there.

The page that refreshes shows the equation by the counters. The statement that is kept or printed counts the messages
themselves, row by row, and says whether the counters agree. No phone number is in it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.models import Campaign
from webapp.core.i18n import N_
from webapp.gateway import codes
from webapp.messages import queries as messages
from webapp.messages.models import Batch, Message, Run
from webapp.messages.queries import Counts
from webapp.messages.states import OPEN_BATCHES, REASONS, BatchState, RowState, RunState, is_over

NO_REASON = N_("No reason was noted.")


@dataclass(frozen=True, slots=True)
class Equation:
    """Audience = accepted + refused + left out + cancelled + expired + waiting + unknown; people in each."""

    audience: int
    accepted: int = 0
    refused: int = 0
    suppressed: int = 0
    cancelled: int = 0
    expired: int = 0
    held: int = 0
    queued: int = 0
    sending: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, counts: Counts) -> "Equation":
        """By the counters of a run."""
        given = {field.name: getattr(counts, field.name) for field in fields(cls) if field.name != "audience"}
        return cls(audience=counts.total, **given)

    @property
    def waiting(self) -> int:
        """Still here, or leaving at this moment."""
        return self.held + self.queued + self.sending

    @property
    def terms(self) -> list[tuple[str, int]]:
        """The right side: (key, people). *Waiting* is a term only while somebody waits, *unknown* always."""
        shown = [(key, getattr(self, key)) for key in ("accepted", "refused", "suppressed", "cancelled", "expired")]
        return [*shown, *([("waiting", self.waiting)] if self.waiting else []), ("unknown", self.unknown)]

    @property
    def difference(self) -> int:
        """People of the audience that no term has; below zero: people too many."""
        return self.audience - sum(people for _, people in self.terms)

    @property
    def adds_up(self) -> bool:
        """Whether both sides are equal."""
        return self.difference == 0

    @property
    def settled(self) -> bool:
        """Whether both sides are equal and stay so: nobody waits, no outcome is unknown."""
        return self.adds_up and not self.waiting and not self.unknown


@dataclass(frozen=True, slots=True)
class Part:
    """People of one term, for one reason. `code` is the gateway's or ours; `words` is a msgid."""

    code: str
    words: str
    people: int


@dataclass(frozen=True, slots=True)
class Batches:
    """How the messages travelled: calls planned, those made more than once, those whose outcome had to be asked for."""

    total: int
    again: int
    asked: int


class Disagreement(NamedTuple):
    """A figure that the rows and the page's counters tell differently. `words` is the reason's msgid, or ""."""

    key: str
    reason: str
    words: str
    rows: int
    counters: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One launched campaign, as it stood at one moment. Times are naive UTC, `author` is "" for a command."""

    campaign: Campaign
    run: Run
    state: str
    author: str
    equation: Equation
    refused: list[Part]
    suppressed: list[Part]
    expired: list[Part]
    delivered: int
    undelivered: int
    credits: int
    first_accepted: datetime | None
    last_accepted: datetime | None
    batches: Batches
    rows: int
    stray: int  # waiting rows that no open batch would ever send
    disagreements: list[Disagreement]
    counted_at: datetime

    @property
    def sound(self) -> bool:
        """Whether nothing of it contradicts anything else, so far."""
        return self.equation.adds_up and not self.stray and not self.disagreements

    @property
    def final(self) -> bool:
        """Whether it is sound and will stay so."""
        return self.sound and self.equation.settled and is_over(self.run)


class _Cell(NamedTuple):
    state: str
    reason: str
    people: int
    credits: int
    delivered: int
    undelivered: int
    first: datetime | None = None
    last: datetime | None = None


def statement(session: Session, campaign: Campaign, run: Run, now: datetime) -> Statement:
    """Count a launched campaign row by row. Give a session of one moment (`Database.still`), `now` naive UTC."""
    cells = _counted_rows(session, run)
    equation, stray = _equation(session, run, cells, now)
    counters = _counted_before(session, run.id)
    by_counters = Equation.of(messages.counts(session, run, now))
    accepted = [cell for cell in cells if cell.state == RowState.ACCEPTED]
    author = session.get(Person, run.created_by) if run.created_by else None
    return Statement(
        campaign=campaign, run=run, state=messages.public_state(run, now), author=author.name if author else "",
        equation=equation, refused=_parts(cells, RowState.REFUSED), suppressed=_parts(cells, RowState.SUPPRESSED),
        expired=_parts(cells, RowState.EXPIRED), delivered=sum(cell.delivered for cell in accepted),
        undelivered=sum(cell.undelivered for cell in accepted), credits=sum(cell.credits for cell in cells),
        first_accepted=min((cell.first for cell in accepted if cell.first), default=None),
        last_accepted=max((cell.last for cell in accepted if cell.last), default=None),
        batches=_batches(session, run.id), rows=sum(cell.people for cell in cells), stray=stray,
        disagreements=_disagreements(_figures(equation, cells), _figures(by_counters, counters)), counted_at=now,
    )  # fmt: skip


def _counted_rows(session: Session, run: Run) -> list[_Cell]:
    """The run's messages themselves, one pass over them: about a second for a million."""
    good, bad = Message.status.in_(sorted(codes.DELIVERED)), Message.status.in_(sorted(codes.UNDELIVERED))
    query = (
        select(
            Message.state,
            Message.reason,
            func.count(),
            func.coalesce(func.sum(Message.credits), 0),
            func.sum(case((good, 1), else_=0)),
            func.sum(case((bad, 1), else_=0)),
            func.min(Message.at),
            func.max(Message.at),
        )
        .where(Message.id.between(run.first_key, run.last_key), Message.run_id == run.id)
        .group_by(Message.state, Message.reason)
    )
    return [
        _Cell(state, _reason(state, reason), people, int(spent), int(delivered), int(undelivered), first, last)
        for state, reason, people, spent, delivered, undelivered, first, last in session.execute(query)
    ]


def _counted_before(session: Session, run_id: int) -> list[_Cell]:
    """The same by the counters that the page shows."""
    return [
        _Cell(
            row.state, _reason(row.state, row.reason), row.n, row.credits,
            row.n if row.status in codes.DELIVERED else 0, row.n if row.status in codes.UNDELIVERED else 0,
        )
        for row in messages.breakdown(session, run_id)
    ]  # fmt: skip


def _reason(state: str, reason: str | None) -> str:
    return "" if state == RowState.PENDING else reason or ""  # a waiting row may carry a refusal that is doubted


def _equation(session: Session, run: Run, cells: Sequence[_Cell], now: datetime) -> tuple[Equation, int]:
    """The equation by the rows, and how many waiting rows are in no batch that would send them."""
    states: Counter[str] = Counter()
    for cell in cells:
        states[cell.state] += cell.people
    pending = states[RowState.PENDING]
    held: Counter[str] = _waiting_rows(session, run, now) if pending else Counter()
    stray = pending - held.total()
    unwritten = messages.unwritten(run)
    equation = Equation(
        audience=run.total, accepted=states[RowState.ACCEPTED], refused=states[RowState.REFUSED],
        suppressed=states[RowState.SUPPRESSED], cancelled=states[RowState.CANCELLED],
        expired=states[RowState.EXPIRED], held=held["held"] + stray + unwritten, queued=held["queued"],
        sending=held["sending"], unknown=held["unknown"],
    )  # fmt: skip
    return equation, stray


def _waiting_rows(session: Session, run: Run, now: datetime) -> Counter[str]:
    """Rows that wait, by what their batch does: held, queued, sending, unknown."""
    query = (
        select(Batch.state, func.count(), func.sum(case((Batch.not_before <= now, 1), else_=0)))
        .select_from(Batch)
        .join(Message, Message.id.between(Batch.first_key, Batch.last_key))
        .where(Batch.run_id == run.id, Batch.state.in_(OPEN_BATCHES))
        .where(Message.run_id == run.id, Message.state == RowState.PENDING)
        .group_by(Batch.state)
    )
    resting = run.state != RunState.RUNNING or run.not_before > now
    found: Counter[str] = Counter()
    for state, people, due in session.execute(query):
        if state == BatchState.QUEUED:
            found["queued"] = 0 if resting else int(due)
            found["held"] += people - found["queued"]
        else:
            found[state] += people
    return found


def _parts(cells: Sequence[_Cell], state: RowState) -> list[Part]:
    sums: Counter[str] = Counter()
    for cell in cells:
        if cell.state == state:
            sums[cell.reason] += cell.people
    return [Part(reason, _words(state, reason), people) for reason, people in sums.most_common()]


def _words(state: str, reason: str) -> str:
    if state == RowState.REFUSED:
        return codes.response(reason).explanation
    return REASONS.get(reason) or reason or NO_REASON


def _batches(session: Session, run_id: int) -> Batches:
    asked = Batch.doubts > 0
    query = select(
        func.count(),
        func.coalesce(func.sum(case((Batch.attempts > 1, 1), else_=0)), 0),
        func.coalesce(func.sum(case((asked, 1), else_=0)), 0),
    ).where(Batch.run_id == run_id)
    total, again, doubted = session.execute(query).one()
    return Batches(total, int(again), int(doubted))


_SPLIT = (RowState.REFUSED, RowState.SUPPRESSED, RowState.EXPIRED)  # states whose reasons the statement lists
Figures = dict[tuple[str, str], int]


def _figures(equation: Equation, cells: Sequence[_Cell]) -> Figures:
    """Every figure that both ways of counting tell, by (term, reason)."""
    plain = ("accepted", "cancelled", "held", "queued", "sending", "unknown")
    found: Figures = {(key, ""): getattr(equation, key) for key in plain}
    for cell in cells:
        if cell.state in _SPLIT:
            key = (str(cell.state), cell.reason)
            found[key] = found.get(key, 0) + cell.people
    accepted = [cell for cell in cells if cell.state == RowState.ACCEPTED]
    found["delivered", ""] = sum(cell.delivered for cell in accepted)
    found["undelivered", ""] = sum(cell.undelivered for cell in accepted)
    found["credits", ""] = sum(cell.credits for cell in cells)
    return found


def _disagreements(rows: Figures, counters: Figures) -> list[Disagreement]:
    return [
        Disagreement(key, reason, _words(key, reason) if reason else "", rows.get((key, reason), 0), n)
        for key, reason in dict.fromkeys([*rows, *counters])
        if (n := counters.get((key, reason), 0)) != rows.get((key, reason), 0)
    ]

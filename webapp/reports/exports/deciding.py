"""How many rows a file will have. The counters tell: beyond some thousand nothing here counts messages one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from webapp.messages.counters import day_and_hour
from webapp.messages.models import DayCount, Message, Run, RunCount
from webapp.messages.states import RowState
from webapp.reports import campaign as campaigns
from webapp.reports import matching, streams
from webapp.reports.exports.wanted import Wanted
from webapp.reports.filters import MessageFilter
from webapp.reports.standing import GROUPS

LIMIT = 50_000  # rows that are sent while they are read; above that a worker makes the file
LOOKED_AT = 1_000_000  # rows among which a few are looked for while somebody waits


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of a file, about, and how many are looked at to find them."""

    rows: int
    looked_at: int

    @property
    def is_big(self) -> bool:
        """Whether a worker makes it."""
        return self.rows > LIMIT or self.looked_at > LOOKED_AT


def size(session: Session, wanted: Wanted) -> Size:
    """How big a file will be. Raises NotFound for a campaign that does not exist."""
    if wanted.campaign_id is not None:
        _, run = campaigns.find(session, wanted.campaign_id)
        return Size(run.total, run.total)
    view = wanted.filter
    if view.number is not None or view.people:  # a person gets some hundred messages, not thousands
        return Size(0, 0)
    if view.campaign is not None:
        found = session.get(Run, matching.run_of(session, view.campaign))
        total = found.total if found else 0
        return Size(min(total, _matching(session, view, [RunCount.run_id == found.id])) if found else 0, total)
    at_most = _few(session, view)
    if at_most <= LIMIT:
        return Size(at_most, at_most)
    everything = _accepted(session, view, []) + _others(session, view, [])
    return Size(min(everything, _narrowed(session, view, everything)), everything)


def _few(session: Session, view: MessageFilter) -> int:
    """The rows of the period, or one more than the limit: the index is read no further."""
    some = select(Message.id).where(*matching.period(view)).limit(LIMIT + 1).subquery()
    return int(session.scalar(select(func.count()).select_from(some)) or 0)


def _narrowed(session: Session, view: MessageFilter, everything: int) -> int:
    """What the further conditions leave of a period, as far as counters can say."""
    if view.digits:
        return everything // int(10 ** len(view.digits))
    if view.source == "outside":
        some = select(Message.id).where(Message.run_id.is_(None)).limit(LIMIT + 1).subquery()
        return int(session.scalar(select(func.count()).select_from(some)) or 0)
    if view.source:
        kind = RunCount.run_id.in_(select(Run.id).where(Run.kind == streams.KINDS[view.source], *_launched(view)))
        return _matching(session, view, [kind])
    of_days: list[ColumnElement[bool]] = []
    if view.type is not None:
        of_days.append(DayCount.type == view.type)
    if view.carrier:
        of_days.append(DayCount.carrier == view.carrier)
    group = GROUPS.get(view.status)
    statuses = _statuses(view.status)
    if statuses:
        of_days.append(DayCount.status.in_(statuses))
    accepted = _accepted(session, view, of_days) if statuses or not view.status else 0
    if view.carrier or (view.status and not (group and group.states)):
        return accepted  # only what was accepted has a carrier or a status
    return accepted + _others(session, view, [RunCount.state.in_(group.states)] if group else [])


def _statuses(name: str) -> tuple[str, ...]:
    """The statuses that a choice of the status filter means; '' where nothing was heard."""
    group = GROUPS.get(name)
    if group is None:
        return (name,) if name else ()
    return (*group.statuses, "") if group.unheard else group.statuses


def _accepted(session: Session, view: MessageFilter, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Accepted messages of the days that a period touches."""
    of_days = list(conditions)
    if view.since is not None:
        of_days.append(DayCount.day >= day_and_hour(view.since)[0])
    if view.until is not None:
        of_days.append(DayCount.day <= day_and_hour(view.until - timedelta(microseconds=1))[0])
    return int(session.scalar(select(func.sum(DayCount.n)).where(*of_days)) or 0)


def _others(session: Session, view: MessageFilter, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Messages that were not accepted, of runs that were launched in a period."""
    query = select(func.sum(RunCount.n)).join(Run, Run.id == RunCount.run_id)
    query = query.where(RunCount.state != RowState.ACCEPTED, *conditions, *_launched(view))
    if view.type is not None:
        query = query.where(Run.type == view.type)
    return int(session.scalar(query) or 0)


def _launched(view: MessageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if view.since is not None:
        found.append(Run.created_at >= view.since - timedelta(days=1))
    if view.until is not None:
        found.append(Run.created_at < view.until)
    return found


def _matching(session: Session, view: MessageFilter, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Messages of some runs that a view's status and carrier mean, whatever the period."""
    found = list(conditions)
    if view.carrier:
        found.append(RunCount.carrier == view.carrier)
    if view.status:
        group = GROUPS.get(view.status)
        accepted = (RunCount.state == RowState.ACCEPTED) & RunCount.status.in_(_statuses(view.status))
        found.append(RunCount.state.in_(group.states) | accepted if group else accepted)
    return int(session.scalar(select(func.sum(RunCount.n)).where(*found)) or 0)

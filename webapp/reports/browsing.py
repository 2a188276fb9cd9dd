"""Pages of the delivery browser. Every page looks at a bounded number of rows, whatever was asked for.

Rows come by keyset along one index: all messages along (at, id), those of a campaign or a person along their keys. What
the other filters leave out is passed over; where a whole stretch holds too few hits, the page says how far it looked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.messages.models import Batch, DayCount, Message, Run
from webapp.messages.states import BatchState, RowState
from webapp.reports.filters import MessageFilter
from webapp.reports.standing import GROUPS, Standing, standing

SIZE = 50
STRETCH = 20_000  # rows looked at for one page


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the browser. `run_name` None = sent by another system on the account."""

    message: Message
    run: Run | None
    standing: Standing
    name: str
    campaign_id: int | None

    @property
    def outside(self) -> bool:
        """Whether another system on the account sent it."""
        return self.message.run_id is None


@dataclass(frozen=True, slots=True)
class Found:
    """A page: rows, where the next one starts (None = the end), and how far back it looked where it found too few."""

    rows: list[Row]
    next: str | None
    looked_until: datetime | None = None


def page(session: Session, wanted: MessageFilter, after: str | None, now: datetime, size: int = SIZE) -> Found:
    """The rows of a view behind a cursor, the newest first.

    A short stretch mostly has a page; else a long one is looked at, and the page says how far that went.
    """
    behind = _position(after)
    pairs, last = _within(session, wanted, behind, size * 10, size + 1)
    if last is not None and len(pairs) <= size:
        pairs, last = _within(session, wanted, behind, max(STRETCH, size * 10), size + 1)
    rows = list(dress(session, pairs[:size], now))
    if len(pairs) > size:
        return Found(rows, _cursor(pairs[size - 1][0]))
    if last is None:
        return Found(rows, None)
    at, key = last
    return Found(rows, f"{at.isoformat()}~{key}", at)


Pair = tuple[Message, Run | None]


def _within(
    session: Session, wanted: MessageFilter, behind: tuple[datetime, int] | None, length: int, most: int
) -> tuple[list[Pair], tuple[datetime, int] | None]:
    """The hits among the next `length` rows, and the last row looked at (None: there are no more rows)."""
    stretch = _stretch(wanted, behind)
    scanned = stretch.limit(length).subquery()
    message = aliased(Message, scanned)
    query = select(message, Run).outerjoin(Run, Run.id == message.run_id).where(*_conditions(wanted, message))
    found = session.execute(query.order_by(*_order(wanted, message)).limit(most)).all()
    last = session.execute(stretch.with_only_columns(Message.at, Message.id).offset(length - 1).limit(1)).first()
    return [(row[0], row[1]) for row in found], (last[0], last[1]) if last else None


def every(session: Session, wanted: MessageFilter, now: datetime) -> Iterator[list[Row]]:
    """All rows of a view in pages, for an export: as much memory as one page takes."""
    after: str | None = None
    while True:
        found = page(session, wanted, after, now, size=2000)
        yield found.rows
        session.expunge_all()
        session.rollback()  # a slow download must not hold a snapshot open
        if found.next is None:
            return
        after = found.next


def _by_key(wanted: MessageFilter) -> bool:
    return wanted.number is not None or wanted.campaign is not None


def _order(wanted: MessageFilter, columns: object) -> list[ColumnElement[object]]:
    at, key = columns.at, columns.id  # type: ignore[attr-defined]
    return [key.desc()] if _by_key(wanted) else [at.desc(), key.desc()]


def _stretch(wanted: MessageFilter, behind: tuple[datetime, int] | None) -> Select[Any]:
    """The rows in the order of the one index that serves the view best, from the cursor on."""
    query = select(Message).order_by(*_order(wanted, Message))
    if _by_key(wanted):
        if wanted.number is not None:
            query = query.where(Message.number == wanted.number)
        else:
            run = select(Campaign.run_id).where(Campaign.id == wanted.campaign).scalar_subquery()
            query = query.where(Message.run_id == run)
        return query.where(Message.id < behind[1]) if behind else query
    if wanted.since is not None:
        query = query.where(Message.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Message.at < wanted.until)
    if behind:
        at, key = behind
        query = query.where(Message.at <= at, or_(Message.at < at, Message.id < key))
    return query


def _conditions(wanted: MessageFilter, message: type[Message]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(message.at >= wanted.since)
    if wanted.until is not None:
        found.append(message.at < wanted.until)
    if wanted.type is not None:
        found.append(message.type == wanted.type)
    if wanted.carrier:
        found.append(message.carrier == wanted.carrier)
    if wanted.digits:
        found += [message.number > 0, message.number % 10 ** len(wanted.digits) == int(wanted.digits)]
    if wanted.campaign is not None and wanted.number is not None:
        found.append(message.run_id == select(Campaign.run_id).where(Campaign.id == wanted.campaign).scalar_subquery())
    if wanted.source == "outside":
        found.append(message.run_id.is_(None))
    elif wanted.source:
        found.append(Run.kind == {"replies": "reply", "tests": "test"}[wanted.source])
    if wanted.status:
        found.append(_status(wanted.status, message))
    return found


def _status(name: str, message: type[Message]) -> ColumnElement[bool]:
    group = GROUPS.get(name)
    if group is None:
        return and_(message.state == RowState.ACCEPTED, message.status == name)
    ways: list[ColumnElement[bool]] = []
    if group.states:
        ways.append(message.state.in_(group.states))
    if group.statuses:
        heard: ColumnElement[bool] = message.status.in_(group.statuses)
        heard = or_(heard, message.status.is_(None)) if group.unheard else heard
        ways.append(and_(message.state == RowState.ACCEPTED, heard))
    chosen = or_(*ways)
    if name in {"unknown", "pending"}:
        unknown = (
            select(Batch.id)
            .where(Batch.run_id == message.run_id, Batch.state == BatchState.UNKNOWN)
            .where(Batch.first_key <= message.id, Batch.last_key >= message.id)
            .exists()
        )
        return and_(chosen, unknown if name == "unknown" else ~unknown)
    return chosen


def dress(session: Session, pairs: Sequence[tuple[Message, Run | None]], now: datetime) -> Iterator[Row]:
    """Rows with what is known of their people, campaigns and batches: three questions a page, not one a row."""
    names = names_of(session, {message.number for message, _ in pairs})
    campaigns = campaigns_of(session, {run.id for _, run in pairs if run is not None})
    batches = batches_of(session, [message for message, _ in pairs if message.state == RowState.PENDING])
    for message, run in pairs:
        how = standing(message, batches.get(message.id), run, now)
        campaign_id = campaigns.get(message.run_id) if message.run_id is not None else None
        yield Row(message, run, how, names.get(message.number, ""), campaign_id)


def names_of(session: Session, numbers: Iterable[int]) -> dict[int, str]:
    """What the lists call these people: the name in the newest list that has one."""
    wanted = list(numbers)
    found = session.execute(
        select(Contact.number, Contact.name).where(Contact.number.in_(wanted), Contact.name != "").order_by(Contact.id)
    )
    return {row.number: row.name for row in found} if wanted else {}


def campaigns_of(session: Session, runs: Iterable[int]) -> dict[int, int]:
    """Run → campaign, for those that are a campaign's."""
    wanted = list(runs)
    if not wanted:
        return {}
    found = session.execute(select(Campaign.run_id, Campaign.id).where(Campaign.run_id.in_(wanted)))
    return {run_id: campaign_id for run_id, campaign_id in found if run_id is not None}


def batches_of(session: Session, messages: Sequence[Message]) -> dict[int, Batch]:
    """The batch of each of these messages."""
    if not messages:
        return {}
    keys = sorted(message.id for message in messages)
    runs = {message.run_id for message in messages}
    near = session.scalars(
        select(Batch)
        .where(Batch.run_id.in_(runs), Batch.first_key <= keys[-1], Batch.last_key >= keys[0])
        .order_by(Batch.first_key)
    ).all()
    found: dict[int, Batch] = {}
    place = 0
    for key in keys:
        while place < len(near) and near[place].last_key < key:
            place += 1
        if place < len(near) and near[place].first_key <= key:
            found[key] = near[place]
    return found


def carriers(session: Session, since: datetime | None) -> list[str]:
    """The carriers that were heard of since a day, by name."""
    query = select(DayCount.carrier).where(DayCount.carrier != "").distinct()
    if since is not None:
        query = query.where(DayCount.day >= since.date())
    return sorted(session.scalars(query), key=str.casefold)


def campaign_choices(session: Session, chosen: int | None, most: int = 100) -> list[tuple[int, str]]:
    """The newest launched campaigns, and the chosen one however old: (id, name)."""
    newest = select(Campaign.id, Campaign.name).where(Campaign.run_id.is_not(None))
    found = [(key, name) for key, name in session.execute(newest.order_by(Campaign.id.desc()).limit(most))]
    if chosen is not None and all(key != chosen for key, _ in found):
        found += [(key, name) for key, name in session.execute(newest.where(Campaign.id == chosen))]
    return found


def _cursor(message: Message) -> str:
    return f"{message.at.isoformat()}~{message.id}"


def _position(cursor: str | None) -> tuple[datetime, int] | None:
    try:
        at, key = (cursor or "").split("~")
        return datetime.fromisoformat(at), int(key)
    except ValueError:
        return None

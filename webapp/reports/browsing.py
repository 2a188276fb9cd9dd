"""Pages of the delivery browser. Every page takes a bounded time, whatever was asked for.

Rows come by keyset along one index (`streams`). What the other filters leave out is passed over (`searching`); where
the time does not suffice for a whole page, it says how far it looked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.core.db import one_of
from webapp.messages.models import Batch, DayCount, Message, Run
from webapp.messages.states import RowState
from webapp.reports.filters import MessageFilter
from webapp.reports.patience import Position
from webapp.reports.searching import search
from webapp.reports.standing import Standing, standing

SIZE = 50
SECONDS = 0.15  # of searching, after which a page shows what was found so far


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


def page(
    session: Session,
    wanted: MessageFilter,
    after: str | None,
    now: datetime,
    size: int = SIZE,
    seconds: float | None = SECONDS,
) -> Found:
    """The rows of a view behind a cursor, the newest first: those found within `seconds` (None: however long)."""
    seen = search(session, wanted, _position(after), size + 1, seconds)
    rows = list(dress(session, pairs_of(session, [key for _, key in seen.hits[:size]]), now))
    if len(seen.hits) > size:
        return Found(rows, _cursor(seen.hits[size - 1]))
    if seen.behind is None:
        return Found(rows, None)
    return Found(rows, _cursor(seen.behind), seen.behind[0])


def pairs_of(session: Session, keys: Sequence[int]) -> list[tuple[Message, Run | None]]:
    """Messages with their runs, in the order of the keys."""
    if not keys:
        return []
    query = select(Message, Run).outerjoin(Run, Run.id == Message.run_id).where(one_of(session, Message.id, keys))
    found = {message.id: (message, run) for message, run in session.execute(query)}
    return [found[key] for key in keys if key in found]


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


def _cursor(place: Position) -> str:
    at, key = place
    return f"{at.isoformat()}~{key}"


def _position(cursor: str | None) -> Position | None:
    try:
        at, key = (cursor or "").split("~")
        return datetime.fromisoformat(at), int(key)
    except ValueError:
        return None

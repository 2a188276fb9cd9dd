"""One message from its launch to the last word about it, and one person over everything we know of them."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.inbox.models import Conversation, Inbound
from webapp.messages import reference
from webapp.messages.models import Batch, Message, Receipt, Run
from webapp.messages.queries import by_batch
from webapp.messages.states import BatchState, RowState
from webapp.reports import browsing
from webapp.reports.standing import Standing, of_status, standing

SOURCES = {
    "callback": N_("told by the gateway (callback)"),
    "mt_id": N_("asked by reference (mt_id)"),
    "mt_date": N_("asked by period (mt_date)"),
}
PROBLEMS = {
    "unknown_reference": N_("The reference is none of ours."),
    "unknown_status": N_("Recado does not know this status; it was kept as it came."),
    "odd_date": N_("The date makes no sense; the moment of its arrival counts instead."),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a message's way. `title` and `note` are msgids with `values`; `raw` is what stood on the wire.

    `who` is a colleague's name; `text` is what a person wrote.
    """

    at: datetime | None
    icon: str
    look: str
    title: str
    note: str = ""
    values: dict[str, object] = field(default_factory=dict)
    raw: str = ""
    who: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything about one message."""

    message: Message
    run: Run | None
    batch: Batch | None
    standing: Standing
    name: str
    campaign_id: int | None
    reference: str
    text: str
    events: list[Event]
    conversation: str | None  # key of the inbox thread

    @property
    def checkable(self) -> bool:
        """Whether asking the gateway about it can tell anything: it may have left, and 32 days have not passed."""
        old = clock.now() - self.message.at
        return self.run is not None and self.standing.key in {"accepted", "status", "unknown"} and old.days < 32


def detail(session: Session, message_id: int, now: datetime) -> Detail:
    """One message; NotFound where there is none."""
    message = session.get(Message, message_id)
    if message is None:
        raise NotFound("There is no such message.")
    run = session.get(Run, message.run_id) if message.run_id is not None else None
    batch = by_batch(session, message)
    campaigns = browsing.campaigns_of(session, [run.id] if run else [])
    thread = session.get(Conversation, message.number)
    return Detail(
        message=message,
        run=run,
        batch=batch,
        standing=standing(message, batch, run, now),
        name=browsing.names_of(session, [message.number]).get(message.number, ""),
        campaign_id=campaigns.get(run.id) if run else None,
        reference=reference.encode(run.token, message.id) if run else message.reference or "",
        text=message.text if message.text is not None else run.text if run else "",
        events=_events(session, message, run, batch, now),
        conversation=thread.key if thread else None,
    )


def _events(session: Session, message: Message, run: Run | None, batch: Batch | None, now: datetime) -> list[Event]:
    found: list[Event] = []
    if run is not None:
        found += _of_run(session, message, run, batch, now)
    else:
        title = N_("Sent by another system on the account")
        found.append(Event(message.at, "world", "waiting", title, N_("Recado learned of it from the gateway.")))
    found += [_of_receipt(row, message) for row in _receipts(session, message.id)]
    answers = session.scalars(select(Inbound).where(Inbound.message_id == message.id).order_by(Inbound.at).limit(20))
    found += [Event(row.at, "message", "operator", N_("The person answered"), text=row.text) for row in answers]
    return sorted(found, key=lambda event: (event.at is None, event.at or now))


def _of_run(session: Session, message: Message, run: Run, batch: Batch | None, now: datetime) -> list[Event]:
    by = session.get(Person, run.created_by) if run.created_by else None
    launched = {"campaign": N_("The campaign was launched"), "reply": N_("A colleague answered")}
    title = launched.get(run.kind, N_("A test was sent"))
    found = _composed(session, run)
    found.append(Event(run.created_at, "send-2", "waiting", title, who=by.name if by else ""))
    if batch is not None and (batch.attempts or batch.doubts):
        found.append(_of_batch(message, batch))
    how = standing(message, batch, run, now)
    if message.state == RowState.PENDING:
        due = max(run.not_before, batch.not_before) if batch else run.not_before
        at = due if how.key == "held" and due > now else None
        problem = batch.problem or "" if batch and batch.state in {BatchState.HELD, BatchState.UNKNOWN} else ""
        found.append(Event(at, how.icon, how.look, how.label, how.advice, raw=problem))
    elif message.state == RowState.ACCEPTED:
        title = N_("The gateway accepted it")
        scheduled = N_("For its scheduled time.") if run.deliver_at and run.deliver_at > message.at else ""
        found.append(Event(message.at, "server", "operator", title, scheduled))
    else:
        ended = run.cancelled_at if message.state == RowState.CANCELLED else message.at
        raw = message.reason or "" if message.state == RowState.REFUSED else ""
        found.append(Event(ended or message.at, how.icon, how.look, how.label, how.why or how.advice, raw=raw))
    return found


def _composed(session: Session, run: Run) -> list[Event]:
    """When the campaign's draft was begun, and by whom."""
    draft = session.scalar(select(Campaign).where(Campaign.run_id == run.id))
    if draft is None:
        return []
    by = session.get(Person, draft.created_by) if draft.created_by else None
    title = N_("The campaign was written")
    return [Event(draft.created_at, "pencil", "waiting", title, who=by.name if by else "")]


def _of_batch(message: Message, batch: Batch) -> Event:
    """The call in which the message left: which one, of how many messages, after how many attempts and doubts."""
    title = N_("It left in batch %(batch)s")
    note = N_("%(messages)s messages in one call, at the first attempt.")
    if batch.doubts:
        note = N_(
            "Up to %(messages)s messages in one call. %(doubts)s times no answer came, and the gateway was asked "
            "before anything was sent again; %(attempts)s attempts."
        )
    elif batch.attempts > 1:
        note = N_(
            "Up to %(messages)s messages in one call; %(attempts)s attempts until the gateway had answered for all."
        )
    if message.state == RowState.PENDING:
        title = N_("It is in batch %(batch)s")
    values: dict[str, object] = {
        "batch": batch.id,
        "messages": batch.last_key - batch.first_key + 1,
        "attempts": batch.attempts,
        "doubts": batch.doubts,
    }
    at = None if message.state == RowState.PENDING else message.at
    return Event(at, "send", "operator", title, note, values)


def _receipts(session: Session, message_id: int) -> list[Receipt]:
    query = select(Receipt).where(Receipt.message_id == message_id).order_by(Receipt.id).limit(100)
    return list(session.scalars(query))


def _of_receipt(row: Receipt, message: Message) -> Event:
    if row.status is None:
        title, icon, look = N_("The gateway mentioned it without a status"), "help-circle", "waiting"
    else:
        how = of_status(row.status, row.carrier or message.carrier, message.type)
        title, icon, look = how.label, how.icon, how.look
    note = PROBLEMS.get(row.problem or "", "")
    raw = row.raw or _as_query(row)
    return Event(row.status_at or row.heard_at, icon, look, title, note, {"source": row.source}, raw=raw)


def _as_query(row: Receipt) -> str:
    pairs = {"campaign_id": row.reference, "id": row.gateway_id, "status": row.status, "carrier": row.carrier}
    return "&".join(f"{name}={value}" for name, value in pairs.items() if value)

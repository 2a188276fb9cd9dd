"""Why did this person not receive it? Everything about one number, in plain words."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts.models import Contact, ContactList, Import
from webapp.core import phone
from webapp.core.db import one_of
from webapp.core.i18n import N_
from webapp.gateway import codes
from webapp.inbox.models import Conversation, Inbound
from webapp.messages.models import Receipt
from webapp.messages.queries import history
from webapp.optouts import erased
from webapp.optouts import queries as optouts
from webapp.optouts.models import OptOut, OptOutEvent
from webapp.reports import answer, aside, browsing
from webapp.reports.answer import Reason
from webapp.reports.aside import Aside, WrongRow

MESSAGES = 100  # the newest ones are shown
TOLD = 30  # of these, receipt by receipt
REPLIES = 100

In = tuple[Contact, ContactList, Import | None]


@dataclass(frozen=True, slots=True)
class Heard:
    """One receipt: its status in words (a msgid) and as it stood on the wire."""

    at: datetime
    label: str
    code: str
    source: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a person's time line. Words are msgids with `values`; `text` is what somebody wrote."""

    at: datetime
    look: str
    icon: str
    title: str
    values: dict[str, object] = field(default_factory=dict)
    text: str = ""
    row: browsing.Row | None = None
    heard: Sequence[Heard] = ()
    import_id: int | None = None


@dataclass(frozen=True, slots=True)
class PersonView:
    """One number over campaigns, opt-outs, lists, files and replies. `more`: there are older messages."""

    number: int
    name: str
    kind: str
    reasons: list[Reason]
    moments: list[Moment]
    rows: list[browsing.Row]
    more: bool
    replies: list[Inbound]
    contacts: list[In]
    passed_by: list[Aside]
    wrong_rows: list[WrongRow]
    optouts: list[OptOut]
    changes: list[OptOutEvent]
    conversation: str | None

    @property
    def by_message(self) -> int | None:
        """Key of the newest message: it opens this page again without the number."""
        return self.rows[0].message.id if self.rows else None


def person(session: Session, number: int, now: datetime) -> PersonView:
    """Everything about one number, whether or not anything is known of it: a dozen questions, however much there is."""
    number = phone.canonical(number)
    pairs = history(session, number, MESSAGES + 1)
    rows = list(browsing.dress(session, pairs[:MESSAGES], now))
    wanted = select(Inbound).where(Inbound.number == number).order_by(Inbound.at.desc()).limit(REPLIES)
    replies = list(session.scalars(wanted))
    contacts = aside.contacts_of(session, number)
    known = answer.Known(
        number=number,
        erased=erased.of_person(session, number),
        optouts=optouts.of_person(session, number),
        rows=rows,
        passed_by=aside.passed_by(session, number, [contact for contact, _, _ in contacts]),
        wrong_rows=aside.wrong_rows(session, number),
        lists=len(contacts),
        replied=bool(replies),
    )
    changes = optouts.history(session, number)[:REPLIES]
    thread = session.get(Conversation, number)
    moments = [*_messages(session, rows), *_answers(replies), *_changes(changes), *_arrivals(contacts)]
    return PersonView(
        number=number,
        name=browsing.names_of(session, [number]).get(number, "") or (thread.name if thread else ""),
        kind="landline" if phone.is_landline(number) else "mobile" if phone.ddd(number) else "foreign",
        reasons=answer.reasons(known),
        moments=sorted(moments, key=lambda moment: moment.at, reverse=True),
        rows=rows,
        more=len(pairs) > MESSAGES,
        replies=replies,
        contacts=contacts,
        passed_by=list(known.passed_by),
        wrong_rows=list(known.wrong_rows),
        optouts=list(known.optouts),
        changes=changes,
        conversation=thread.key if thread else None,
    )


def _messages(session: Session, rows: Sequence[browsing.Row]) -> Iterator[Moment]:
    heard = _receipts(session, [row.message.id for row in rows[:TOLD]])
    for row in rows:
        said = answer.of_message(row)
        yield Moment(
            row.message.at, said.look, said.icon, row.standing.label, said.values, row=row,
            heard=heard.get(row.message.id, ()),
        )  # fmt: skip


def _receipts(session: Session, keys: Sequence[int]) -> dict[int, list[Heard]]:
    """What was heard of these messages, in order, by key."""
    found: dict[int, list[Heard]] = defaultdict(list)
    if not keys:
        return found
    query = select(Receipt).where(one_of(session, Receipt.message_id, keys)).order_by(Receipt.id).limit(20 * TOLD)
    for row in session.scalars(query):
        if row.status is not None and row.message_id is not None:
            at, label = row.status_at or row.heard_at, codes.status(row.status).label
            found[row.message_id].append(Heard(at, label, row.status, row.source))
    return found


def _answers(replies: Sequence[Inbound]) -> Iterator[Moment]:
    for reply in replies:
        title = N_("Answered, and opted out by it") if reply.opted_out else N_("Answered")
        look, icon = ("blocked", "hand-stop") if reply.opted_out else ("operator", "message-reply")
        yield Moment(reply.at, look, icon, title, text=reply.text)


def _changes(changes: Sequence[OptOutEvent]) -> Iterator[Moment]:
    for change in changes:
        values: dict[str, object] = {"reason": change.reason}
        if change.change == "added":
            yield Moment(change.at, "blocked", "hand-stop", N_("Opted out: %(reason)s"), values)
        else:
            yield Moment(change.at, "delivered", "check", N_("The opt-out was lifted: %(reason)s"), values)


def _arrivals(contacts: Sequence[In]) -> Iterator[Moment]:
    for contact, of, brought in contacts:
        values: dict[str, object] = {"list": of.name, "file": brought.filename if brought else ""}
        title = (
            N_("Came into the list “%(list)s” with the file %(file)s")
            if brought
            else N_("Came into the list “%(list)s”")
        )
        yield Moment(contact.created_at, "waiting", "list", title, values, import_id=brought.id if brought else None)

"""Why did this person not receive it? Everything about one number, in plain words."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts.models import Contact, ContactList
from webapp.core import phone
from webapp.core.i18n import N_
from webapp.gateway import codes
from webapp.inbox.models import Conversation, Inbound
from webapp.messages.queries import history
from webapp.messages.states import RowState
from webapp.optouts import queries as optouts
from webapp.optouts.models import OptOut, OptOutEvent
from webapp.reports import browsing


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person gets, or did not get, messages: msgids with values, the decisive one first."""

    look: str
    icon: str
    title: str
    text: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PersonView:
    """One number over campaigns, opt-outs, lists and replies. `by_message` opens this page again without the number."""

    number: int
    name: str
    kind: str
    reasons: list[Reason]
    rows: list[browsing.Row]
    replies: list[Inbound]
    lists: list[tuple[int, str]]
    optouts: list[OptOut]
    changes: list[OptOutEvent]
    conversation: str | None

    @property
    def by_message(self) -> int | None:
        """Key of the newest message."""
        return self.rows[0].message.id if self.rows else None


def person(session: Session, number: int, now: datetime) -> PersonView:
    """Everything about one number, whether or not anything is known of it."""
    number = phone.canonical(number)
    rows = list(browsing.dress(session, history(session, number), now))
    replies = select(Inbound).where(Inbound.number == number).order_by(Inbound.at.desc()).limit(100)
    lists = session.execute(
        select(ContactList.id, ContactList.name)
        .join(Contact, Contact.list_id == ContactList.id)
        .where(Contact.number == number, ContactList.archived_at.is_(None))
        .order_by(ContactList.name)
    )
    out = optouts.of_person(session, number)
    thread = session.get(Conversation, number)
    known = [(key, name) for key, name in lists]
    return PersonView(
        number=number,
        name=browsing.names_of(session, [number]).get(number, "") or (thread.name if thread else ""),
        kind="landline" if phone.is_landline(number) else "mobile" if phone.ddd(number) else "foreign",
        reasons=_reasons(number, out, rows, known),
        rows=rows,
        replies=list(session.scalars(replies)),
        lists=known,
        optouts=out,
        changes=optouts.history(session, number),
        conversation=thread.key if thread else None,
    )


def _reasons(number: int, out: list[OptOut], rows: list[browsing.Row], lists: list[tuple[int, str]]) -> list[Reason]:
    found: list[Reason] = []
    if out:
        first = min(out, key=lambda row: row.since)
        found.append(
            Reason(
                "blocked",
                "hand-stop",
                N_("Opted out on %(day)s"),
                N_("No campaign writes to this person any more, whichever list they are in. Given reason: %(reason)s"),
                {"day": first.since, "reason": first.reason},
            )
        )
    if phone.is_landline(number):
        text = N_("It takes voice calls, but no SMS and no WhatsApp.")
        found.append(Reason("blocked", "phone", N_("The number is a landline"), text))
    if rows:
        newest = rows[0].standing
        text = newest.why or newest.advice
        found.append(Reason(newest.look, newest.icon, newest.label, text, {"newest": True}))
        bad = [row for row in rows if row.message.status in codes.UNDELIVERED]
        if len(bad) > 2 and len(bad) == sum(row.message.state == RowState.ACCEPTED for row in rows):
            title = N_("None of the messages arrived")
            text = N_("The number may be wrong or no longer in use. Ask the person another way.")
            found.append(Reason("failed", "phone-x", title, text))
    elif not lists:
        text = N_("It is in no list and no message was ever meant for it. Check the digits.")
        found.append(Reason("waiting", "user-question", N_("Nobody here knows this number"), text))
    else:
        text = N_("The person is in a list, but in the audience of no campaign so far.")
        found.append(Reason("waiting", "send", N_("Nothing was sent yet"), text))
    return found

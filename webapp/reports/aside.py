"""What left no message behind: campaigns that passed a person by, and rows of files that brought nobody in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.campaigns import conditions
from webapp.campaigns.audience import AREA_FIELD
from webapp.campaigns.models import Campaign
from webapp.contacts import faults
from webapp.contacts.models import Contact, ContactList, Import, ImportFault, ListField
from webapp.contacts.service import values_of
from webapp.core import phone
from webapp.core.i18n import N_
from webapp.messages.models import Message, Run
from webapp.messages.states import RunState

CAMPAIGNS = 60  # the newest ones are asked why they passed somebody by
WRONG_ROWS = 20_000  # the newest rejected rows are looked through
LAST_DIGITS = 8  # by which a rejected row is somebody's: what is wrong with it is often what stands before them

_LATER = N_("The person came into the list after it was launched.")
_EXCLUDED = N_("The person is in a list that it leaves out.")
_FILTERED = N_("The person does not meet its conditions.")


@dataclass(frozen=True, slots=True)
class Aside:
    """A campaign whose list has a person, and that has no message for them: why, and what can be done (msgids)."""

    campaign_id: int
    campaign: str
    at: datetime
    why: str
    advice: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row of a file that was not taken; words are msgids."""

    import_id: int
    file: str
    line: int
    why: str
    cure: str
    at: datetime


def passed_by(session: Session, number: int, contacts: Sequence[Contact]) -> list[Aside]:
    """Launched campaigns of this person's lists that have no message for them, the newest first."""
    if not contacts:
        return []
    lists = {contact.list_id: contact for contact in contacts}
    newest = (
        select(Campaign, Run)
        .join(Run, Run.id == Campaign.run_id)
        .where(Run.state != RunState.LAUNCHING)
        .order_by(Campaign.id.desc())
        .limit(CAMPAIGNS)
    )
    near = [(campaign, run) for campaign, run in session.execute(newest) if not lists.keys().isdisjoint(campaign.lists)]
    has = select(Message.run_id).where(Message.number == number, Message.run_id.in_([run.id for _, run in near]))
    written = set(session.scalars(has)) if near else set()
    return [made for campaign, run in near if run.id not in written and (made := _why(session, campaign, run, lists))]


def _why(session: Session, campaign: Campaign, run: Run, lists: dict[int, Contact]) -> Aside | None:
    there = [lists[key] for key in campaign.lists if key in lists]
    upto = campaign.audience_upto
    if upto is not None and all(contact.id > upto for contact in there):
        return _aside(campaign, run, _LATER, N_("Send it to those who came later, in a campaign of their own."))
    if not lists.keys().isdisjoint(campaign.excluded_lists):
        return _aside(campaign, run, _EXCLUDED, N_("Nothing to do, or take the person out of the excluded list."))
    passes = conditions.test_of(conditions.read(campaign.filters))
    if passes is not None:
        first = there[0]
        fields = list(session.scalars(select(ListField).where(ListField.list_id == first.list_id)))
        values = {AREA_FIELD: phone.ddd(first.number) or "", **values_of(first, fields)}
        if not passes(values):
            return _aside(campaign, run, _FILTERED, N_("Correct the person's fields in the list, if they are wrong."))
    return None


def _aside(campaign: Campaign, run: Run, why: str, advice: str) -> Aside:
    return Aside(campaign.id, campaign.name, run.created_at, why, advice)


def wrong_rows(session: Session, number: int, most: int = 5) -> list[WrongRow]:
    """Rejected rows that are probably this person's, among the newest of all files."""
    tail = f"{number:08d}"[-LAST_DIGITS:]
    last = session.scalar(select(func.max(ImportFault.id)))
    if last is None:
        return []
    rows = session.execute(
        select(ImportFault, Import)
        .join(Import, Import.id == ImportFault.import_id)
        .where(ImportFault.id > last - WRONG_ROWS, ImportFault.value.contains(tail[-4:]))
        .where(ImportFault.reason != "duplicate", ImportFault.mended_at.is_(None))
        .order_by(ImportFault.id.desc())
    )
    found = []
    for fault, source in rows:
        if "".join(sign for sign in fault.value if sign.isdigit()).endswith(tail):
            why, cure = faults.ROW.get(fault.reason, (fault.reason, ""))
            found.append(WrongRow(source.id, source.filename, fault.line, why, cure, source.created_at))
        if len(found) == most:
            break
    return found


def contacts_of(session: Session, number: int, most: int = 50) -> list[tuple[Contact, ContactList, Import | None]]:
    """The person in each of their lists, with the file that brought them there, the newest first."""
    rows = session.execute(
        select(Contact, ContactList, Import)
        .join(ContactList, ContactList.id == Contact.list_id)
        .outerjoin(Import, Import.id == Contact.import_id)
        .where(Contact.number == number, ContactList.archived_at.is_(None))
        .order_by(Contact.id.desc())
        .limit(most)
    )
    return [(contact, of, brought) for contact, of, brought in rows]

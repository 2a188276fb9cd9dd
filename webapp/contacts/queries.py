"""Lists, people and imports as pages show them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from webapp.accounts.models import Person
from webapp.contacts import search
from webapp.contacts.models import Contact, ContactList, Import, ImportBefore, ImportFault, ListField
from webapp.contacts.search import Filter
from webapp.core.paging import Page, page_of
from webapp.core.text import fold_word
from webapp.optouts import queries as optouts


class ListRow(NamedTuple):
    """A list with the latest import that brought people into it, if there was one."""

    list: ContactList
    latest: Import | None
    importer: str | None  # name of who did it
    imports: int


def lists(session: Session, words: str = "") -> list[ListRow]:
    """All lists that are not deleted, the latest first."""
    newest = (
        select(Import.list_id, func.max(Import.id).label("id"), func.count().label("count"))
        .where(Import.state.in_(["importing", "done"]))
        .group_by(Import.list_id)
        .subquery()
    )
    latest = aliased(Import)
    wanted = (
        select(ContactList, latest, Person.name, newest.c.count)
        .outerjoin(newest, newest.c.list_id == ContactList.id)
        .outerjoin(latest, latest.id == newest.c.id)
        .outerjoin(Person, Person.id == latest.created_by)
        .where(ContactList.archived_at.is_(None))
        .order_by(ContactList.created_at.desc(), ContactList.id.desc())
    )
    rows = [ListRow(row[0], row[1], row[2], row[3] or 0) for row in session.execute(wanted)]
    folded = fold_word(words)
    return [row for row in rows if folded in fold_word(row.list.name)] if folded else rows


def list_names(session: Session) -> list[str]:
    """Names of all lists, for a form's suggestions."""
    wanted = select(ContactList.name).where(ContactList.archived_at.is_(None)).order_by(ContactList.name)
    return list(session.scalars(wanted))


def people_total(session: Session) -> int:
    """How many entries all lists have together; a person in two lists counts twice."""
    return session.scalar(select(func.sum(ContactList.size)).where(ContactList.archived_at.is_(None))) or 0


def fields_of(session: Session, list_id: int) -> list[ListField]:
    """The columns of a list in their order."""
    wanted = select(ListField).where(ListField.list_id == list_id).order_by(ListField.position, ListField.id)
    return list(session.scalars(wanted))


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of a list and whether they are opted out."""

    contact: Contact
    opted_out: bool


def people(session: Session, list_id: int, wanted: Filter, after: int | None, size: int = 50) -> Page[PersonRow]:
    """People of a list in the order they came in. `after`: the `next` of the page before."""
    rows = search.found(session, list_id, wanted, after or 0, size + 1)
    out = optouts.opted_out(session, [row.number for row in rows])
    return page_of([PersonRow(row, row.number in out) for row in rows], size, lambda row: str(row.contact.id))


def person(session: Session, list_id: int, contact_id: int) -> Contact | None:
    """One person of a list."""
    return session.scalar(select(Contact).where(Contact.id == contact_id, Contact.list_id == list_id))


def lists_of(session: Session, number: int) -> list[ContactList]:
    """The lists that a person is in."""
    wanted = select(ContactList).join(Contact).where(Contact.number == number, ContactList.archived_at.is_(None))
    return list(session.scalars(wanted.order_by(ContactList.name)))


def imports_of(session: Session, contact: Contact) -> list[Import]:
    """The imports that brought a person into a list or changed what it says about them, the latest first."""
    changed = select(ImportBefore.import_id).where(
        ImportBefore.import_id == Import.id, ImportBefore.number == contact.number
    )
    wanted = select(Import).where(
        Import.list_id == contact.list_id, or_(Import.id == contact.import_id, changed.exists())
    )
    return list(session.scalars(wanted.order_by(Import.id.desc())))


def walk(session: Session, list_id: int, size: int = 2000) -> Iterator[Sequence[Contact]]:
    """All people of a list in chunks, for an export."""
    after = 0
    while True:
        wanted = select(Contact).where(Contact.list_id == list_id, Contact.id > after).order_by(Contact.id).limit(size)
        rows = session.scalars(wanted).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id
        session.expunge_all()


def recent_imports(session: Session, size: int = 10, purpose: str = "people") -> list[tuple[Import, str | None]]:
    """The latest imports of people, or of opt-outs, that were not given up, with who made them."""
    wanted = (
        select(Import, Person.name)
        .outerjoin(Person, Person.id == Import.created_by)
        .where(Import.state != "discarded", Import.purpose == purpose)
        .order_by(Import.id.desc())
        .limit(size)
    )
    return [(row[0], row[1]) for row in session.execute(wanted)]


class Chosen(NamedTuple):
    """Which of the rows that brought nobody in: those of one reason, or all, with or without repeated numbers."""

    reason: str = ""
    repeats: bool = True


EVERYTHING = Chosen()
ONLY_WRONG = Chosen(repeats=False)


def faults(
    session: Session, import_id: int, after: int | None, size: int = 50, chosen: Chosen = EVERYTHING
) -> Page[ImportFault]:
    """Rows of an import that still bring nobody in, in the order of its file."""
    query = select(ImportFault).where(*_still(import_id)).order_by(ImportFault.id).limit(size + 1)
    if after is not None:
        query = query.where(ImportFault.id > after)
    if chosen.reason:
        query = query.where(ImportFault.reason == chosen.reason)
    elif not chosen.repeats:
        query = query.where(ImportFault.reason != "duplicate")
    return page_of(session.scalars(query).all(), size, lambda row: str(row.id))


def fault_reasons(session: Session, import_id: int) -> list[tuple[str, int]]:
    """How many such rows each reason has: the most frequent first, but repeated numbers (nothing is wrong) last."""
    wanted = select(ImportFault.reason, func.count()).where(*_still(import_id)).group_by(ImportFault.reason)
    counts = [(row[0], row[1]) for row in session.execute(wanted)]
    return sorted(counts, key=lambda row: (row[0] == "duplicate", -row[1], row[0]))


def _still(import_id: int) -> tuple[ColumnElement[bool], ...]:
    return ImportFault.import_id == import_id, ImportFault.mended_at.is_(None)

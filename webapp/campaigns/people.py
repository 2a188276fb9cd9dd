"""People of an audience for a page: the fields they have, a sample, neighbours, one by name."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.campaigns import conditions
from webapp.campaigns.audience import (
    NAME_FIELDS,
    WALK_LIMIT,
    Member,
    Person,
    Selection,
    person_columns,
    person_maker,
    sort_out,
    walk,
)
from webapp.campaigns.rendering import Renderer
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.gateway.codes import ServiceType


class KnownField(NamedTuple):
    """A field that a message may use: its placeholder's name and the header as it stood in the file."""

    key: str
    label: str


def known_fields(session: Session, lists: Sequence[int]) -> list[KnownField]:
    """The fields of the lists, each once, in the order of the lists; the name first."""
    query = (
        select(ListField.key, ListField.label, ListField.list_id)
        .where(ListField.list_id.in_(lists))
        .order_by(ListField.position)
    )
    rows = sorted(session.execute(query).all(), key=lambda row: list(lists).index(row.list_id))
    found = {NAME_FIELDS[0]: KnownField(NAME_FIELDS[0], "Nome")}
    for row in rows:
        if row.key not in NAME_FIELDS:
            found.setdefault(row.key, KnownField(row.key, row.label))
    return list(found.values())


def sample(session: Session, selection: Selection, service: ServiceType, size: int = 1000) -> list[Person]:
    """The first people of the audience who can receive the message, at most `size`."""
    found: list[Person] = []
    read = 0
    for chunk in walk(session, selection, service, size=size):
        found += [member.person for member in chunk.members if member.reason is None]
        read += chunk.rows
        if len(found) >= size or read >= WALK_LIMIT:
            break
    return found[:size]


def is_anybody_left(session: Session, selection: Selection, renderer: Renderer) -> bool:
    """Whether somebody would get the message now. True, too, where so many would not that a page cannot look at all."""
    read = 0
    for chunk in walk(session, selection, renderer.service, size=500, wanted=renderer.fields):
        for person, reason in chunk.members:
            if reason is None and renderer.of(person.values).problem is None:
                return True
        read += chunk.rows
        if read >= WALK_LIMIT:
            return True
    return False


def neighbour(
    session: Session, selection: Selection, service: ServiceType, person: Person, *, backwards: bool = False
) -> Person | None:
    """The next (or previous) person of the audience who can receive the message; None at the end."""
    read = 0
    around = (person.list_id, person.contact_id)
    for chunk in walk(session, selection, service, after=around, backwards=backwards, size=200):
        for member in chunk.members:
            if member.reason is None:
                return member.person
        read += chunk.rows
        if read >= WALK_LIMIT:
            return None
    return None


def member(session: Session, selection: Selection, service: ServiceType, contact_id: int) -> Member | None:
    """One contact as a member of the audience; None where they are not in it."""
    query = select(*person_columns(service, selection.since())).where(Contact.id == contact_id)
    row = session.execute(query).one_or_none()
    if row is None or row.list_id not in selection.lists:
        return None
    earlier = selection.lists[: selection.lists.index(row.list_id)]
    passes = conditions.test_of(selection.conditions)
    person = person_maker(session, [row.list_id])(row)
    chunk = sort_out(session, [person], earlier, selection.excluded, passes, service, retry_of=selection.retry_of)
    return chunk.members[0] if chunk.members else None


def search(session: Session, selection: Selection, service: ServiceType, words: str, size: int = 5) -> list[Person]:
    """People of the audience whose name contains the words, or whose number ends in the digits."""
    digits = "".join(c for c in words if c.isdigit())
    query = select(*person_columns(service)).where(Contact.list_id.in_(selection.lists)).limit(size * 4)
    if len(digits) >= 4:
        query = query.where(Contact.number % 10 ** min(len(digits), 13) == int(digits[-13:]))
    else:
        query = query.where(Contact.name_key.contains(" ".join(conditions.plain(words).split()), autoescape=True))
    found = [member(session, selection, service, row.id) for row in session.execute(query)]
    return [item.person for item in found if item is not None and item.reason is None][:size]


def lists_by_id(session: Session, ids: Sequence[int]) -> dict[int, ContactList]:
    """The lists of those ids that still exist, archived ones included."""
    return {row.id: row for row in session.scalars(select(ContactList).where(ContactList.id.in_(ids)))}

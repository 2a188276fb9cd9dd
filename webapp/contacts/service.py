"""Lists and the people in them: making, changing, deleting."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webapp.contacts import storing
from webapp.contacts.digest import MAX_NAME, MAX_VALUE, Person, search_key
from webapp.contacts.models import Contact, ContactList, Import, ListField
from webapp.contacts.states import AT_WORK
from webapp.core import clock, phone
from webapp.core.db import insert_for
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.text import fold, tidy
from webapp.optouts import erased

MAX_LIST_NAME = 120

# Packages to the left that need a list say so here: a function from a session and a list's id to the name of what uses
# it (a campaign that is planned or under way), or None.
InUse = Callable[[Session, int], str | None]
in_use_checks: list[InUse] = []


def the_list(session: Session, list_id: int) -> ContactList:
    """A list that is not deleted; NotFound otherwise."""
    found = session.get(ContactList, list_id)
    if found is None or found.archived_at is not None:
        raise NotFound(N_("This list does not exist, or it was deleted."))
    return found


def _clean_name(name: str) -> str:
    clean = " ".join(tidy(name).split())
    if not clean:
        raise UserError(N_("Give the list a name."), field="list_name")
    if len(clean) > MAX_LIST_NAME:
        raise UserError(N_("The name of a list has at most 120 characters."), field="list_name")
    return clean


def find_list(session: Session, name: str) -> ContactList | None:
    """The list of that name, if there is one."""
    wanted = select(ContactList).where(ContactList.name == " ".join(name.split()), ContactList.archived_at.is_(None))
    return session.scalar(wanted)


def list_named(session: Session, name: str, person_id: int | None = None) -> ContactList:
    """The list of that name, made where there is none; UserError for a name that cannot be one."""
    clean = _clean_name(name)
    # Two imports may make the same list at the same moment: the database keeps one of them.
    row = {"name": clean, "created_at": clock.now(), "created_by": person_id, "size": 0}
    session.execute(insert_for(session, ContactList).on_conflict_do_nothing(), [row])
    return session.scalars(select(ContactList).where(ContactList.name == clean)).one()


def new_list(session: Session, name: str, person_id: int | None) -> ContactList:
    """An empty list; UserError where there is one of that name: nobody wants to mix up two groups of people."""
    clean = _clean_name(name)
    row = {"name": clean, "created_at": clock.now(), "created_by": person_id, "size": 0}
    statement = insert_for(session, ContactList).values(**row).on_conflict_do_nothing()
    made = session.scalar(statement.returning(ContactList.id))
    if made is None:
        raise UserError(N_("There is a list called “%(name)s” already."), field="list_name", name=clean)
    return session.get_one(ContactList, made)


def rename(session: Session, list_id: int, name: str) -> ContactList:
    """Give a list another name, which no other list may have."""
    found = the_list(session, list_id)
    clean = _clean_name(name)
    other = find_list(session, clean)
    if other is not None and other.id != list_id:
        raise UserError(N_("There is a list called “%(name)s” already."), field="list_name", name=clean)
    found.name = clean
    return found


def delete_list(session: Session, list_id: int) -> ContactList:
    """Take a list out of sight and free its name; its people are erased by `purge_chunk` afterwards.

    UserError where a campaign needs it or a file is being imported into it. Opt-outs stay: they belong to the person.
    """
    found = the_list(session, list_id)
    session.refresh(found, with_for_update=True)  # a launch that holds it is seen by the checks when it has committed
    for check in in_use_checks:
        if user := check(session, list_id):
            raise UserError(
                N_("“%(user)s” still needs this list. Cancel it or choose another list there first."),
                field=None,
                user=user,
            )
    if session.scalar(select(Import.id).where(Import.list_id == list_id, Import.state.in_(AT_WORK)).limit(1)):
        raise UserError(N_("A file is being imported into this list. Wait until it is done."))
    found.archived_at = clock.now()
    found.name = f"{found.name[:100]} ✕{found.id}"
    return found


def has_people_to_erase(session: Session) -> bool:
    """Whether a deleted list still holds people."""
    gone = select(ContactList.id).where(ContactList.archived_at.is_not(None), ContactList.size > 0)
    return session.scalar(gone.limit(1)) is not None


def purge_chunk(session: Session, size: int = 5000) -> int:
    """Erase up to `size` people of deleted lists; returns how many."""
    gone = select(ContactList.id).where(ContactList.archived_at.is_not(None), ContactList.size > 0)
    list_id = session.scalar(gone.order_by(ContactList.id).limit(1))
    if list_id is None:
        return 0
    ids = list(session.scalars(select(Contact.id).where(Contact.list_id == list_id).order_by(Contact.id).limit(size)))
    if not ids:
        session.execute(update(ContactList).where(ContactList.id == list_id).values(size=0))
        return 1
    session.execute(delete(Contact).where(Contact.list_id == list_id, Contact.id <= ids[-1]))
    storing.grow(session, list_id, -len(ids))
    return len(ids)


def add_person(session: Session, list_id: int, found: phone.Parsed, name: str, values: Mapping[str, str]) -> Contact:
    """Put one person into a list by hand, or update who is in it already.

    UserError for a value that is too long, and for somebody who was erased.
    """
    the_list(session, list_id)
    if erased.is_suppressed(session, found.number):
        raise UserError(erased.REFUSED, field="number")
    _check_lengths(values)
    person = person_of(found, name, _filled(values))
    storing.lock_list(session, list_id)
    storing.upsert(session, list_id, [person], clock.now())
    wanted = select(Contact).where(Contact.list_id == list_id, Contact.number == found.number)
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def person_of(found: phone.Parsed, name: str, values: Mapping[str, str]) -> Person:
    """A person in the form in which lists store them."""
    clean = " ".join(tidy(name).split())[:MAX_NAME]
    return Person(found.number, found.kind, clean, search_key(clean)[:MAX_NAME], storing.as_json(values))


def change_person(session: Session, list_id: int, contact_id: int, name: str, values: Mapping[str, str]) -> Contact:
    """Set what a list says about a person; a field left blank is blank from now on."""
    found = session.scalar(select(Contact).where(Contact.id == contact_id, Contact.list_id == list_id))
    if found is None:
        raise NotFound(N_("This person is not in the list any more."))
    _check_lengths(values)
    clean = " ".join(tidy(name).split())[:MAX_NAME]
    found.name, found.name_key = clean, search_key(clean)[:MAX_NAME]
    found.fields = _filled(values)
    found.updated_at = clock.now()
    return found


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    tidied = {key: tidy(value).strip() for key, value in values.items()}
    return {key: value for key, value in tidied.items() if value}


def _check_lengths(values: Mapping[str, str]) -> None:
    if any(len(value) > MAX_VALUE for value in values.values()):
        raise UserError(N_("A value has at most 1,000 characters."))


def remove_person(session: Session, list_id: int, contact_id: int) -> None:
    """Take one person out of a list; NotFound where they are not in it."""
    the_list(session, list_id)
    storing.lock_list(session, list_id)
    gone = session.execute(
        delete(Contact).where(Contact.id == contact_id, Contact.list_id == list_id).returning(Contact.id)
    ).all()
    if not gone:
        raise NotFound(N_("This person is not in the list any more."))
    storing.grow(session, list_id, -1)


def ensure_field(session: Session, list_id: int, label: str, kind: str = "text") -> str:
    """A field of a list by its label, made where it lacks; returns its key."""
    key = fold(label)[:50]
    if not key:
        raise UserError(N_("A field needs a name with letters or digits."), field="label")
    count = len(list(session.scalars(select(ListField.id).where(ListField.list_id == list_id))))
    storing.ensure_fields(session, list_id, [{"key": key, "label": label[:120], "kind": kind}], count)
    return key


def values_of(contact: Contact, fields: Sequence[ListField]) -> dict[str, Any]:
    """What the placeholders of a text mean for a person, by folded name.

    The column recognised as the person's name is always also `nome` and `name`.
    """
    return values_for(contact.name, contact.number, contact.fields, fields)


def values_for(name: str, number: int, stored: Mapping[str, Any], fields: Sequence[ListField]) -> dict[str, Any]:
    """The same from a row's parts, for queries that read columns and not objects."""
    values = dict(stored)
    for field in fields:
        if field.kind == "name":
            values[field.key] = name
        elif field.kind == "phone":
            values[field.key] = phone.display(number)
    if name or "nome" not in values:
        values["nome"] = name
    if name or "name" not in values:
        values["name"] = name
    return values

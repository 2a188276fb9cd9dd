"""A list made of people whom other lists know, or knew: by number, thousands at once."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from webapp.contacts import service, storing
from webapp.contacts.digest import Person
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.core import clock, phone
from webapp.core.db import one_of


def free_name(session: Session, name: str) -> str:
    """The name, or the next one of it that no list has: `Name (2)`."""
    wanted, n = name[: service.MAX_LIST_NAME], 1
    while service.find_list(session, wanted) is not None:
        n += 1
        wanted = f"{name[: service.MAX_LIST_NAME - 6]} ({n})"
    return wanted


def gather(session: Session, list_id: int, numbers: Sequence[int], first: Sequence[int]) -> int:
    """Put people into a list with the name and the fields that other lists have for them; returns how many are new.

    The first of the lists `first` that has somebody is believed, else the newest list. Who is in none any more comes
    with the number alone. Takes the list's lock.
    """
    if not numbers:
        return 0
    storing.lock_list(session, list_id)
    best = _best(session, list_id, numbers, {other: place for place, other in enumerate(first)})
    people = [
        Person(number, row.kind, row.name, row.name_key, row.fields) if (row := best.get(number)) else _bare(number)
        for number in numbers
    ]
    _adopt_fields(session, list_id, {*first, *(row.list_id for row in best.values())}, first)
    return storing.upsert(session, list_id, people, clock.now()).created


def _best(session: Session, list_id: int, numbers: Sequence[int], places: dict[int, int]) -> dict[int, Any]:
    """Who knows each person best."""
    query = (
        select(
            Contact.list_id, Contact.number, Contact.kind, Contact.name, Contact.name_key,
            cast(Contact.fields, Text).label("fields"),
        )
        .join(ContactList, ContactList.id == Contact.list_id)
        .where(one_of(session, Contact.number, numbers), Contact.list_id != list_id, ContactList.archived_at.is_(None))
    )  # fmt: skip
    ranked = sorted(session.execute(query), key=lambda row: (places.get(row.list_id, len(places)), -row.list_id))
    best: dict[int, Any] = {}
    for row in ranked:
        best.setdefault(row.number, row)
    return best


def _bare(number: int) -> Person:
    kind = "landline" if phone.is_landline(number) else "mobile" if phone.ddd(number) else "foreign"
    return Person(number, kind, "", "", "{}")


def _adopt_fields(session: Session, list_id: int, lists: Iterable[int], first: Sequence[int]) -> None:
    """Give a list the fields of others that it lacks, those of the lists `first` before the rest."""
    query = select(ListField).where(ListField.list_id.in_([list_id, *lists]))
    rows = list(session.scalars(query.order_by(ListField.position, ListField.id)))
    order = {other: place for place, other in enumerate(first)}
    known = {row.key for row in rows if row.list_id == list_id}
    position = len(known)
    others = [row for row in rows if row.list_id != list_id]
    lacking: dict[str, dict[str, str]] = {}
    for row in sorted(others, key=lambda row: (order.get(row.list_id, len(order)), row.list_id)):
        if row.key not in known:
            lacking.setdefault(row.key, {"key": row.key, "label": row.label, "kind": row.kind})
    storing.ensure_fields(session, list_id, lacking.values(), position)

"""Writing people into a list, thousands at once, on SQLite and PostgreSQL alike."""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as StrMapping
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import Session

from webapp.contacts.columns import KINDS, Mapping
from webapp.contacts.digest import Fault, Person
from webapp.contacts.models import Contact, ContactList, ImportBefore, ImportFault, ListField
from webapp.core.db import insert_for, one_of

# What is the same for everybody stands in the statement itself: whole numbers, and a moment of ours.
_INSERT = """
INSERT INTO contact (list_id, number, kind, name, name_key, fields, import_id, created_at, updated_at)
{people}
"""
_OR_UPDATE = """
ON CONFLICT (list_id, number) DO UPDATE SET
  kind = excluded.kind,
  name = CASE WHEN excluded.name = '' THEN contact.name ELSE excluded.name END,
  name_key = CASE WHEN excluded.name = '' THEN contact.name_key ELSE excluded.name_key END,
  fields = {merged},
  updated_at = excluded.updated_at
"""
_PEOPLE_SQLITE = "VALUES ({list_id:d}, ?, ?, ?, ?, ?, {import_id}, '{moment}', '{moment}')"
_MERGED_SQLITE = "json_patch(contact.fields, excluded.fields)"
# Five JSON texts, a column each: arrays of thousands of words would be written by Python, one by one.
_PEOPLE_POSTGRES = """
SELECT {list_id:d}, number::bigint, kind, name, name_key, fields::json, {import_id}, '{moment}', '{moment}'
FROM ROWS FROM (json_array_elements_text(%s), json_array_elements_text(%s), json_array_elements_text(%s),
  json_array_elements_text(%s), json_array_elements_text(%s)) WITH ORDINALITY
  AS person (number, kind, name, name_key, fields, place) ORDER BY place
"""
_MERGED_POSTGRES = "(contact.fields::jsonb || excluded.fields::jsonb)::json"


class Stored(NamedTuple):
    """How many people are new to the list, and the numbers of those who were in it before."""

    created: int
    known: set[int]


def _dialect(session: Session) -> str:
    return str(session.get_bind().dialect.name)


def as_json(values: StrMapping[str, str]) -> str:
    """Fields in the form in which `Person` carries them."""
    return json.dumps(dict(values), ensure_ascii=False) if values else "{}"


def lock_list(session: Session, list_id: int) -> int:
    """The size of a list, which nobody else changes until this transaction ends: two imports take turns."""
    return session.scalars(select(ContactList.size).where(ContactList.id == list_id).with_for_update()).one()


def upsert(
    session: Session,
    list_id: int,
    people: Sequence[Person],
    now: datetime,
    *,
    import_id: int | None = None,
    all_new: bool = False,
) -> Stored:
    """Put people into a list (locked before): new ones are inserted, known ones updated where the file says something.

    `all_new` promises that none of them is in the list, which saves asking. What an import changes is kept as it was.
    """
    if not people:
        return Stored(0, set())
    known = set() if all_new else _keep_before(session, list_id, [person.number for person in people], import_id)
    _write(session, list_id, people, now, import_id, all_new=all_new)
    created = len(people) - len(known)
    grow(session, list_id, created)
    return Stored(created, known)


def _write(
    session: Session, list_id: int, people: Sequence[Person], now: datetime, import_id: int | None, *, all_new: bool
) -> None:
    same = {
        "list_id": list_id,
        "import_id": "NULL" if import_id is None else int(import_id),
        "moment": now.isoformat(sep=" ", timespec="microseconds"),
    }
    postgres = _dialect(session) == "postgresql"
    written = _INSERT.format(people=(_PEOPLE_POSTGRES if postgres else _PEOPLE_SQLITE).format(**same))
    if not all_new:
        written += _OR_UPDATE.format(merged=_MERGED_POSTGRES if postgres else _MERGED_SQLITE)
    if postgres:
        columns = tuple(orjson.dumps(column).decode() for column in zip(*people, strict=True))
        session.connection().exec_driver_sql(written, columns)
    else:
        session.connection().exec_driver_sql(written, list(people))


def grow(session: Session, list_id: int, by: int) -> None:
    """Change the size of a list."""
    session.execute(update(ContactList).where(ContactList.id == list_id).values(size=ContactList.size + by))


def _keep_before(session: Session, list_id: int, numbers: list[int], import_id: int | None) -> set[int]:
    here = Contact.list_id == list_id
    known = set(session.scalars(select(Contact.number).where(here, one_of(session, Contact.number, numbers))))
    if known and import_id is not None:
        columns = ("number", "kind", "name", "name_key", "fields")
        before = select(literal(import_id), *(getattr(Contact, column) for column in columns)).where(
            here, one_of(session, Contact.number, sorted(known))
        )
        keep = insert_for(session, ImportBefore).from_select(["import_id", *columns], before).on_conflict_do_nothing()
        session.connection().execute(keep)
    return known


def add_faults(session: Session, import_id: int, faults: Sequence[Fault]) -> None:
    """Keep the rows that could not be used, and those that repeat a number."""
    if faults:
        session.execute(insert(ImportFault), [{"import_id": import_id, **fault._asdict()} for fault in faults])


def add_fields(session: Session, list_id: int, mapping: Mapping) -> None:
    """Make the columns of a file fields of the list; those it has keep their name and place."""
    position = len(list(session.scalars(select(ListField.id).where(ListField.list_id == list_id))))
    roles = {"name": "name", "number": "phone"}
    for column in mapping.fields:
        if column.chosen:  # what a person says of a field goes for those that the list has already
            session.execute(
                update(ListField)
                .where(ListField.list_id == list_id, ListField.key == column.key, ListField.kind.in_(KINDS))
                .values(kind=column.kind)
            )
    wanted = [
        {"key": column.key, "label": column.label, "kind": roles.get(column.role, column.kind)}
        for column in mapping.columns
        if column.role in ("field", "name", "number")
    ]
    ensure_fields(session, list_id, wanted, position)


def ensure_fields(session: Session, list_id: int, wanted: Iterable[dict[str, str]], position: int) -> None:
    """Add fields that the list lacks, from a position on."""
    rows = [{"list_id": list_id, "position": position + index, **field} for index, field in enumerate(wanted)]
    if rows:
        session.execute(insert_for(session, ListField).on_conflict_do_nothing(), rows)

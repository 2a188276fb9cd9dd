"""What the columns of a file meant when one with the same header was imported before: where its page starts from.

Nothing is kept for that but the imports themselves: each knows its header by a key, and the latest that a person has
confirmed says what the columns are.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row as DatabaseRow
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts import again
from webapp.contacts.columns import Column, Kind, Mapping, Role
from webapp.contacts.digest import KEPT_OF_A_ROW, Digester
from webapp.contacts.models import ContactList, Import
from webapp.contacts.reading import Row
from webapp.core.text import fold

RECENT = 50  # imports among which the one is looked for whose wrong rows come back


def header_key(columns: Sequence[Column]) -> str:
    """A header whatever the order of its columns, their capitals and accents."""
    names = sorted(_name(column) for column in columns)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _name(column: Column) -> str:
    return fold(column.label) or column.label.strip().casefold()  # names in other scripts fold to nothing


def last_choice(session: Session, key: str) -> Mapping | None:
    """What a person confirmed for the latest file with that header."""
    stored = session.scalar(
        select(Import.mapping)
        .where(Import.header_key == key, Import.started_at.is_not(None))
        .order_by(Import.started_at.desc(), Import.id.desc())
        .limit(1)
    )
    return Mapping.from_json(stored) if stored else None


def start_from(last: Mapping, guessed: Mapping, body: Sequence[Row]) -> Mapping:
    """The guess with the roles of last time; the guess alone where last time's make no sense for these rows any more.

    Labels and places are those of the file at hand, and kinds where nobody chose one: the choice was what each column
    means.
    """
    meant: defaultdict[str, deque[Column]] = defaultdict(deque)  # a header may hold the same name twice
    for column in last.columns:
        meant[_name(column)].append(column)
    asked: dict[int, Role] = {}
    kinds: dict[int, Kind] = {}
    for column in guessed.columns:
        if not meant[_name(column)]:
            return guessed
        before = meant[_name(column)].popleft()
        asked[column.index] = before.role
        if before.chosen:
            kinds[column.index] = before.kind
    chosen = guessed.with_roles(asked, {}, kinds)
    if not _brings_people(chosen, body) and _brings_people(guessed, body):
        return guessed
    return replace(chosen, remembered=True)


def _brings_people(mapping: Mapping, body: Sequence[Row]) -> bool:
    """Whether any row has a valid number, read as the import would read it: with its area code."""
    return mapping.of_role("number") is not None and bool(Digester(mapping).digest(body).people)


def as_in_the_file_before(session: Session, guessed: Mapping) -> Mapping:
    """The columns of a file of wrong rows as they were when those rows came for the first time; else as guessed."""
    before = _file_before(session, guessed)
    if before is None:
        return guessed
    columns = Mapping.from_json(before.mapping).columns
    roles = [column.role for column in again.own([column.label for column in columns], columns)]
    chosen = guessed.with_roles(dict(enumerate(roles, start=again.WIDTH)), {})
    return Mapping(chosen.columns, chosen.width, remembered=True)


def list_before(session: Session, mapping: Mapping) -> str | None:
    """The list that the wrong rows in a file are missing from, if it is such a file and the list is still there."""
    before = _file_before(session, mapping) if again.is_again([column.label for column in mapping.columns]) else None
    wanted = select(ContactList.name).where(ContactList.archived_at.is_(None))
    return session.scalar(wanted.where(ContactList.id == before.list_id)) if before else None


def _file_before(session: Session, mapping: Mapping) -> DatabaseRow[Any] | None:
    """The latest finished import with the columns that such a file has behind ours."""
    names = [_name(column) for column in mapping.columns[again.WIDTH :]]
    wanted = select(Import.mapping, Import.list_id).where(Import.state == "done").order_by(Import.id.desc())
    for row in session.execute(wanted.limit(RECENT)):
        columns = Mapping.from_json(row.mapping).columns[:KEPT_OF_A_ROW]
        if [_name(column) for column in again.own([column.label for column in columns], columns)] == names:
            return row
    return None

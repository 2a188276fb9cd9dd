"""What the columns of a file meant when one with the same header was imported before: where its page starts from.

Nothing is kept for that but the imports themselves: each knows its header by a key, and the latest that a person has
confirmed says what the columns are.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.contacts.columns import Column, Kind, Mapping, Role
from webapp.contacts.digest import Digester
from webapp.contacts.models import Import
from webapp.contacts.reading import Row
from webapp.core.text import fold


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

"""How far an import is, as its row says it: every step of a worker is bound to the count from which it started."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.contacts.models import Import
from webapp.contacts.reading import Shape
from webapp.core.db import moment

LEASE = timedelta(seconds=60)
SHOWN_FAULTS = 50  # of a check, to be looked at before the import


class Lost(Exception):
    """Another worker has this import, or a person has stopped it."""


def advance(session: Session, found: Import, rows_before: int, **values: Any) -> None:
    """Write progress, provided that the import is still ours and where we left it; `Lost` otherwise."""
    values.setdefault("lease_until", moment(session) + LEASE)
    if "state" in values or ("rows" in values and found.state == "importing"):  # what a kill does not undo
        values["tries"] = 0
    moved = session.execute(
        update(Import)
        .where(Import.id == found.id, Import.state == found.state, Import.rows == rows_before)
        .values(**values)
        .returning(Import.id)
    ).all()
    if not moved:
        raise Lost


def shape_of(found: Import) -> Shape:
    """How the file of an import is written, as found or as a person changed it."""
    assert found.encoding is not None
    assert found.delimiter is not None
    skip = found.mapping.get("skip", 0)
    return Shape(found.encoding, found.delimiter, found.has_header, found.mapping["width"], skip)

"""Taking an import back: who came with it goes, who was there before is as they were."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from webapp.contacts.models import Contact, Import, ImportBefore
from webapp.contacts.storing import grow

_STANDS = ("importing", "done")


# A step undoes up to `size` people behind a place and returns the place to go on behind, None at its end. It finds them
# by going through the list: an import is rarely undone, and an index for that would cost every import.
Step = Callable[[Session, Import, int, int], int | None]


def _mine(found: Import, after: int) -> tuple[ColumnElement[bool], ...]:
    """Who came with an import and nobody else, behind an id."""
    return Contact.list_id == found.list_id, Contact.id > after, Contact.import_id == found.id


def _later(found: Import) -> tuple[type[ImportBefore], type[Import]]:
    return aliased(ImportBefore), aliased(Import)


def _after(later: type[Import], found: Import) -> ColumnElement[bool]:
    """Whether a file may have changed people after another: it came later, or rows of it were mended since."""
    return or_(later.id > found.id, and_(later.id != found.id, later.mended_at >= found.started_at))


def _hand_over(session: Session, found: Import, size: int, after: int) -> int | None:
    """Who came with this import and was in a later file of the same list, too, stays: they belong to that one now."""
    before, later = _later(found)
    heir = (
        select(later.id)
        .join(before, before.import_id == later.id)
        .where(
            later.list_id == found.list_id,
            _after(later, found),
            later.state.in_(_STANDS),
            before.number == Contact.number,
        )
        .order_by(later.id)
        .limit(1)
    )
    rows = session.execute(
        select(Contact.id, heir.correlate(Contact).scalar_subquery().label("heir"))
        .where(*_mine(found, after), exists(heir.correlate(Contact)))
        .order_by(Contact.id)
        .limit(size)
    ).all()
    for contact_id, heir_id in rows:
        session.execute(update(Contact).where(Contact.id == contact_id).values(import_id=heir_id))
    return rows[-1].id if rows else None


def _restore(session: Session, found: Import, size: int, after: int) -> int | None:
    """Who was there before is as they were, unless a later file has changed them since."""
    mine = select(ImportBefore).where(ImportBefore.import_id == found.id, ImportBefore.number > after)
    rows = session.scalars(mine.order_by(ImportBefore.number).limit(size)).all()
    before, later = _later(found)
    for row in rows:
        changed_later = exists(
            select(later.id)
            .join(before, before.import_id == later.id)
            .where(
                later.list_id == found.list_id,
                _after(later, found),
                later.state.in_(_STANDS),
                before.number == row.number,
            )
        )
        session.execute(
            update(Contact)
            .where(Contact.list_id == found.list_id, Contact.number == row.number, ~changed_later)
            .values(kind=row.kind, name=row.name, name_key=row.name_key, fields=row.fields)
        )
    if not rows:
        return None
    done = ImportBefore.number.between(rows[0].number, rows[-1].number)
    session.execute(delete(ImportBefore).where(ImportBefore.import_id == found.id, done))
    return rows[-1].number


def _remove(session: Session, found: Import, size: int, after: int) -> int | None:
    """Who came with this import alone goes."""
    ids = session.scalars(select(Contact.id).where(*_mine(found, after)).order_by(Contact.id).limit(size)).all()
    if not ids:
        return None
    session.execute(delete(Contact).where(*_mine(found, after), Contact.id <= ids[-1]))
    assert found.list_id is not None
    grow(session, found.list_id, -len(ids))
    return ids[-1]


STEPS: tuple[Step, ...] = (_hand_over, _restore, _remove)

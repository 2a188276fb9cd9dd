"""Taking an import back: who came with it goes, who was there before is as they were."""

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from webapp.contacts.models import Contact, Import, ImportBefore
from webapp.contacts.storing import grow

_STANDS = ("importing", "done")


def undo_chunk(session: Session, found: Import, size: int) -> bool:
    """Undo up to `size` people of an import; False when nothing is left."""
    return _hand_over(session, found, size) or _restore(session, found, size) or _remove(session, found, size)


def _later(found: Import) -> tuple[type[ImportBefore], type[Import]]:
    return aliased(ImportBefore), aliased(Import)


def _after(later: type[Import], found: Import) -> ColumnElement[bool]:
    """Whether a file may have changed people after another: it came later, or rows of it were mended since."""
    return or_(later.id > found.id, and_(later.id != found.id, later.mended_at >= found.started_at))


def _hand_over(session: Session, found: Import, size: int) -> bool:
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
        .where(Contact.import_id == found.id, exists(heir.correlate(Contact)))
        .limit(size)
    ).all()
    for contact_id, heir_id in rows:
        session.execute(update(Contact).where(Contact.id == contact_id).values(import_id=heir_id))
    return bool(rows)


def _restore(session: Session, found: Import, size: int) -> bool:
    """Who was there before is as they were, unless a later file has changed them since."""
    rows = session.scalars(
        select(ImportBefore).where(ImportBefore.import_id == found.id).order_by(ImportBefore.number).limit(size)
    ).all()
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
    if rows:
        numbers = [row.number for row in rows]
        session.execute(
            delete(ImportBefore).where(
                ImportBefore.import_id == found.id,
                ImportBefore.number >= numbers[0],
                ImportBefore.number <= numbers[-1],
            )
        )
    return bool(rows)


def _remove(session: Session, found: Import, size: int) -> bool:
    """Who came with this import alone goes."""
    wanted = select(Contact.id).where(Contact.import_id == found.id).order_by(Contact.id).limit(size)
    ids = list(session.scalars(wanted))
    if ids:
        session.execute(delete(Contact).where(Contact.import_id == found.id, Contact.id <= ids[-1]))
        assert found.list_id is not None
        grow(session, found.list_id, -len(ids))
    return bool(ids)

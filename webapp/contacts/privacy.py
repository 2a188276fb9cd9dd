"""What lists, imports and consents hold of one person, waiting uploads included: told to them, and erased."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Text, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from webapp.contacts import consent, faults, proofs, storing, uploads
from webapp.contacts.models import Contact, ContactList, Import, ImportBefore, ImportFault
from webapp.contacts.states import AT_WORK, BASES, CHANNELS, OPEN, PURPOSES, WITHDRAWN
from webapp.core.dossier import Section, Value
from webapp.core.i18n import N_
from webapp.core.spelling import like, mentions

BLOCK, OVERLAP = 1 << 20, 80  # characters of a file looked at together, and as many again, so that no number is cut

_LISTS = (
    ("list", N_("List")), ("name", N_("Name")), ("fields", N_("Fields")), ("since", N_("Since")),
    ("changed", N_("Changed")), ("file", N_("File")), ("basis", N_("Legal basis")), ("source", N_("Source")),
    ("consent_date", N_("Date of the consent")),
)  # fmt: skip
_ROWS = (
    ("file", N_("File")), ("line", N_("Line")), ("column", N_("Column")), ("value", N_("Value")),
    ("reason", N_("Reason")), ("row", N_("Row")),
)  # fmt: skip
_BEFORE = (("list", N_("List")), ("name", N_("Name")), ("fields", N_("Fields")))
_CONSENTS = (
    ("basis", N_("Legal basis")), ("purpose", N_("What for")), ("channels", N_("Channels")), ("source", N_("Source")),
    ("day", N_("Date of the consent")), ("recorded", N_("Noted")), ("proof", N_("Proof")), ("file", N_("File")),
)  # fmt: skip
_FILES = (("file", N_("File")), ("uploaded", N_("Uploaded")))


def tell(session: Session, folder: Path, number: int, most: int) -> list[Section]:
    """Lists with their fields, wrong rows, copies for undoing imports, waiting uploads, and everything that was stated
    about why they may be written to; at most so many of each."""
    ours, before = Contact.number == number, ImportBefore.number == number
    lists = session.execute(
        select(Contact, ContactList.name, Import)
        .join(ContactList, ContactList.id == Contact.list_id)
        .outerjoin(Import, Import.id == Contact.import_id)
        .where(ours)
        .order_by(Contact.id)
        .limit(most)
    ).all()
    copies = session.execute(
        select(ImportBefore, ContactList.name)
        .join(Import, Import.id == ImportBefore.import_id)
        .outerjoin(ContactList, ContactList.id == Import.list_id)
        .where(before)
        .limit(most)
    ).all()
    wrong = list(_faults(session, number))
    waiting = [row for row in _waiting(session, OPEN) if _holds(folder / row.path, row.encoding, number)]
    return [
        Section("lists", N_("Lists"), _LISTS, _count_of(session, Contact, ours), [
            (
                name, row.name, row.fields, row.created_at, row.updated_at, brought.filename if brought else None,
                brought.basis if brought else None, brought.source if brought else None,
                str(brought.consent_date) if brought and brought.consent_date else None,
            )
            for row, name, brought in lists
        ], {"basis": BASES}),
        Section("wrong_rows", N_("Rows of files that could not be used"), _ROWS, len(wrong), [
            (name, row.line, row.column, row.value, row.reason, row.row) for row, name in wrong[:most]
        ], {"reason": {key: words for key, (words, _) in faults.ROW.items()}}),
        Section("copies", N_("Copies for undoing an import"), _BEFORE, _count_of(session, ImportBefore, before), [
            (name, row.name, row.fields) for row, name in copies
        ]),
        Section("uploads", N_("Uploaded files that wait to be imported"), _FILES, len(waiting), [
            (row.filename, row.created_at) for row in waiting[:most]
        ]),
        _consents(session, number, most),
    ]  # fmt: skip


def _consents(session: Session, number: int, most: int) -> Section:
    entries = consent.ledger(session, number)
    rows: list[tuple[Value, ...]] = [
        (
            entry.statement.basis, entry.statement.purpose, ", ".join(CHANNELS[each] for each in entry.channels),
            entry.statement.source, str(entry.statement.given_on or ""), entry.statement.recorded_at,
            entry.statement.proof_name, entry.filename,
        )
        for entry in entries[:most]
    ]  # fmt: skip
    words = {"basis": {**BASES, WITHDRAWN: N_("Withdrawn")}, "purpose": PURPOSES}
    return Section("consents", N_("Consents"), _CONSENTS, len(entries), rows, words)


def _count_of(session: Session, model: Any, where: Any) -> int:
    return session.scalar(select(func.count()).select_from(model).where(where)) or 0


def _faults(session: Session, number: int) -> Iterator[tuple[ImportFault, str]]:
    """Wrong rows that hold the number in any cell, however it is spelled, with the file's name."""
    wanted = like(number)
    rows = session.execute(
        select(ImportFault, Import.filename)
        .join(Import, Import.id == ImportFault.import_id)
        .where(or_(cast(ImportFault.row, Text).like(wanted), ImportFault.value.like(wanted)))
        .order_by(ImportFault.id)
    )
    for row, name in rows:
        if any(mentions(str(cell), number) for cell in [row.value, *row.row]):
            yield row, name


def _waiting(session: Session, states: frozenset[str]) -> list[Import]:
    return list(session.scalars(select(Import).where(Import.state.in_(states)).order_by(Import.id)))


def _holds(path: Path, encoding: str | None, number: int) -> bool:
    """Whether a file holds the number; a workbook, which nobody has read yet, may."""
    if encoding is None:
        return path.exists()
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            end = ""
            while block := file.read(BLOCK):
                if mentions(end + block, number):
                    return True
                end = block[-OVERLAP:]
    except FileNotFoundError:
        pass
    return False


def at_work(session: Session, folder: Path, number: int, until: datetime) -> int:
    """Files of before `until` (naive UTC) with the number that a worker is reading, checking or importing: they are
    gone, or wait for a colleague, when it is done."""
    working = [row for row in _waiting(session, AT_WORK) if row.state != "undoing" and row.created_at <= until]
    return sum(_holds(folder / row.path, row.encoding, number) for row in working)


def waiting_uploads(session: Session, folder: Path, number: int, until: datetime) -> list[int]:
    """Imports that wait for a colleague since before `until` (naive UTC) and whose file holds the number."""
    waiting = [row for row in _waiting(session, OPEN) if row.created_at <= until]
    return [row.id for row in waiting if _holds(folder / row.path, row.encoding, number)]


def forget_person(session: Session, folder: Path, number: int, files: list[int]) -> dict[str, int]:
    """Erase a person from lists and imports, and discard the waiting uploads `files`. Returns what was erased."""
    _wait_for_imports(session, number)
    left = session.execute(delete(Contact).where(Contact.number == number).returning(Contact.list_id)).scalars().all()
    for list_id in sorted(left):
        storing.grow(session, list_id, -1)
    copies = session.execute(delete(ImportBefore).where(ImportBefore.number == number))
    wrong = [row.id for row, _ in _faults(session, number)]
    session.execute(delete(ImportFault).where(ImportFault.id.in_(wrong)))
    _forget_samples(session, number)
    stood = session.scalars(select(Import.id).where(Import.id.in_(files), Import.state.in_(OPEN))).all()
    for import_id in stood:
        uploads.discard(session, folder, import_id)
    stated = len(consent.ledger(session, number))
    for path in consent.forget(session, number):
        proofs.remove(folder, path)
    session.flush()
    session.expire_all()
    return {
        "lists": len(left), "copies": int(copies.rowcount), "wrong_rows": len(wrong),  # type: ignore[attr-defined]
        "uploads": len(stood), "consents": stated,
    }  # fmt: skip


def _wait_for_imports(session: Session, number: int) -> None:
    """Hold the lists that have the person or are being filled: a chunk that is being written, which may not know of the
    tombstone yet, is done then, and the next one knows."""
    filled = select(Import.list_id).where(Import.state.in_(AT_WORK))
    theirs = select(Contact.list_id).where(Contact.number == number)
    wanted = select(ContactList.id).where(or_(ContactList.id.in_(filled), ContactList.id.in_(theirs)))
    session.execute(wanted.order_by(ContactList.id).with_for_update())


def _forget_samples(session: Session, number: int) -> None:
    """The wrong rows that a check showed are kept with the import's row, too."""
    shown = session.execute(select(Import.id, Import.checked).where(cast(Import.checked, Text).like(like(number))))
    for import_id, checked in shown.all():
        faults = checked.get("faults", [])
        kept = [fault for fault in faults if not mentions(json.dumps(fault, ensure_ascii=False), number)]
        if len(kept) < len(faults):
            session.execute(update(Import).where(Import.id == import_id).values(checked={**checked, "faults": kept}))

"""One wrong row of a finished import, mended by a person: it joins the list as if it had been right in the file."""

from collections import Counter
from collections.abc import Mapping as StrMapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.contacts import consent, storing
from webapp.contacts.columns import Column, Mapping
from webapp.contacts.digest import KEPT_OF_A_CELL, KEPT_OF_A_ROW, Chunk, Digester, Fault
from webapp.contacts.models import Contact, ContactList, Import, ImportBefore, ImportFault
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.optouts import erased
from webapp.optouts import queries as optouts

NOT_DONE = N_("Only rows of a finished import can be mended.")
Outcome = Literal["imported", "suppressed", "duplicates"]
Deed = Literal["mend", "nothing", "cut"]


class Mended(NamedTuple):
    """The row is done with: which count of its import it has moved to."""

    outcome: Outcome
    line: int


class Cell(NamedTuple):
    """One cell of a wrong row, as a form shows it. `extra`: beyond the columns of the table."""

    place: int
    label: str
    value: str
    role: str
    extra: bool


class AlreadyMended(UserError):
    """Somebody else was quicker."""


def deed(fault: ImportFault, mapping: Mapping) -> Deed:
    """What can be done about a row here: mended, nothing as nothing is wrong with it, or cut: only in its own file."""
    if fault.reason == "duplicate":
        return "nothing"
    return "cut" if is_cut(fault, mapping) else "mend"


def is_cut(fault: ImportFault, mapping: Mapping) -> bool:
    """Whether more stood in the row than we have kept of it, so that mending the rest would lose something."""
    if fault.reason == "line_too_long":
        return True
    if len(fault.row) < KEPT_OF_A_ROW and all(len(cell) < KEPT_OF_A_CELL for cell in fault.row):
        return False  # nearly every row, seen without looking at the columns
    if any(len(fault.row[index]) >= KEPT_OF_A_CELL for index in _places(fault, mapping) if index < len(fault.row)):
        return True
    beyond = fault.reason == "too_many_cells" or any(index >= KEPT_OF_A_ROW for index in _places(fault, mapping))
    return beyond and len(fault.row) >= KEPT_OF_A_ROW


def _places(fault: ImportFault, mapping: Mapping) -> list[int]:
    """The cells that matter: those that mean something, or all where values may stand in a wrong column."""
    if fault.reason == "too_many_cells":
        return list(range(max(len(fault.row), mapping.width)))
    return [column.index for column in mapping.columns if column.role != "skip"]


def cells_of(fault: ImportFault, mapping: Mapping, typed: StrMapping[int, str] | None = None) -> list[Cell]:
    """The cells to be shown for mending, with what a person has typed in place of what stood there."""
    columns = {column.index: column for column in mapping.columns}
    cells = _row(fault, mapping, typed or {})
    return [_cell(index, cells[index], columns.get(index), mapping.width) for index in _places(fault, mapping)]


def _cell(index: int, value: str, column: Column | None, width: int) -> Cell:
    if column is None or index >= width:
        return Cell(index, "", value, "", extra=True)
    return Cell(index, column.label, value, column.role, extra=False)


def _row(fault: ImportFault, mapping: Mapping, typed: StrMapping[int, str]) -> list[str]:
    """The whole row as it stands now: typed over in the places that are shown, and nowhere else."""
    places = _places(fault, mapping)
    cells = list(fault.row) + [""] * (max(places) + 1 - len(fault.row))
    for index in places:
        if index in typed:
            cells[index] = typed[index].replace("\0", "").replace("\r\n", "\n")
    return cells


def the_fault(session: Session, import_id: int, fault_id: int) -> ImportFault:
    """A row that brought nobody in; NotFound where the import has none of that id."""
    wanted = select(ImportFault).where(ImportFault.id == fault_id, ImportFault.import_id == import_id)
    found = session.scalar(wanted)
    if found is None:
        raise NotFound(N_("This row does not exist."))
    return found


def mend(session: Session, import_id: int, fault_id: int, typed: StrMapping[int, str]) -> Mended | Fault:
    """Put the person of a mended row into the list; the fault where it is still wrong, and nothing has changed then.

    AlreadyMended where somebody else has done it; UserError where it cannot be done here (any more).
    """
    found = _finished(session, import_id)
    fault = the_fault(session, import_id, fault_id)
    mapping = Mapping.from_json(found.mapping)
    if deed(fault, mapping) != "mend":
        raise UserError(N_("This row cannot be mended here."))
    chunk = Digester(mapping).digest([(fault.line, _row(fault, mapping, typed))])
    if chunk.faults and fault.mended_at is None:
        return chunk.faults[0]
    _claim(session, fault_id)
    assert found.list_id is not None
    _require_list(session, found.list_id)
    outcome, created = _join(session, found, chunk)
    _count(session, found, chunk, outcome, created)
    return Mended(outcome, fault.line)


def _finished(session: Session, import_id: int) -> Import:
    """The import, held until this transaction ends: its undoing waits, and so does who mends another row of it."""
    found = session.scalar(select(Import).where(Import.id == import_id).with_for_update())
    if found is None:
        raise NotFound(N_("This import does not exist."))
    if found.state != "done":
        raise UserError(NOT_DONE)
    return found


def _claim(session: Session, fault_id: int) -> None:
    taken = session.execute(
        update(ImportFault)
        .where(ImportFault.id == fault_id, ImportFault.mended_at.is_(None))
        .values(mended_at=clock.now())
        .returning(ImportFault.id)
    ).all()
    if not taken:
        raise AlreadyMended(N_("Somebody else has mended this row in the meantime."))


def _require_list(session: Session, list_id: int) -> None:
    storing.lock_list(session, list_id)
    if session.scalar(select(ContactList.archived_at).where(ContactList.id == list_id)) is not None:
        raise UserError(N_("This list does not exist, or it was deleted."))


def _join(session: Session, found: Import, chunk: Chunk) -> tuple[Outcome, int]:
    """The person into the list, unless this very file has brought them already: then its first row counts.

    Returns what the row came to and how many people are new.
    """
    (person,) = chunk.people
    assert found.list_id is not None
    if _has_brought(session, found, person.number):
        return "duplicates", 0
    if erased.is_suppressed(session, person.number):
        return "suppressed", 0
    stored = storing.upsert(session, found.list_id, [person], clock.now(), import_id=found.id)
    consent.attach(session, found.id, [person.number])
    out = optouts.is_opted_out(session, person.number)
    return ("suppressed", 0) if out else ("imported", stored.created)


def _has_brought(session: Session, found: Import, number: int) -> bool:
    here = select(Contact.import_id).where(Contact.list_id == found.list_id, Contact.number == number)
    brought_by = session.execute(here).first()
    if brought_by is None:
        return False
    return brought_by[0] == found.id or session.get(ImportBefore, (found.id, number)) is not None


def _count(session: Session, found: Import, chunk: Chunk, outcome: Outcome, created: int) -> None:
    """Move the row from the wrong ones to where it belongs; what was set right in it counts as in the file."""
    moved: dict[str, Any] = {"rejected": Import.rejected - 1, "created": Import.created + created}
    moved[outcome] = getattr(Import, outcome) + 1
    if outcome != "duplicates":
        repairs = Counter(found.repaired or {})
        repairs.update(chunk.repairs)
        repairs["rows"] += chunk.repaired
        moved |= {"landlines": Import.landlines + chunk.landlines, "repaired": dict(repairs)}
    session.execute(update(Import).where(Import.id == found.id).values(**moved, mended_at=clock.now()))

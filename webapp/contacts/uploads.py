"""An upload's way to its import: kept, looked at, its columns named, confirmed, discarded, undone."""

import re
import secrets
import shutil
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.contacts import consent, faults, service, sniffing, storing
from webapp.contacts.columns import Kind, Mapping, Role, guess, is_number
from webapp.contacts.consent import Consent
from webapp.contacts.models import ContactList, Import
from webapp.contacts.progress import shape_of
from webapp.contacts.states import OPEN
from webapp.contacts.work import name_columns, prepare
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.text import bare_name

FOLDER = "uploads"
STALE = timedelta(days=7)
ORPHAN = timedelta(days=1)  # a file whose upload has not come to a row by then never will


def keep(folder: Path, stream: BinaryIO) -> Path:
    """Store an upload under a random name below the instance folder; UserError where the disk is full."""
    target = _new_path(folder)
    try:
        with target.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise faults.refused("disk") from error
    return target


def keep_paste(folder: Path, text: str) -> Path:
    """Store a pasted block as a file of its own; UserError for an empty one."""
    if not text.strip():
        raise UserError(N_("Paste some rows first."), field="pasted")
    return keep(folder, BytesIO(_one_below_the_other(text).encode("utf-8", errors="replace")))


def _one_below_the_other(text: str) -> str:
    """Numbers pasted side by side are so many people, not one person with so many columns."""
    for cut in (r"[;,|\t]", r"[;,|\s]+"):
        parts = [part for part in re.split(cut, text.strip()) if part.strip()]
        if "\n" not in text.strip() and len(parts) > 1 and all(map(is_number, parts)):
            return "\n".join(parts)
    return text


def _new_path(folder: Path) -> Path:
    path = folder / FOLDER / f"{secrets.token_hex(16)}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def register(session: Session, folder: Path, path: Path, filename: str, person_id: int | None, **more: Any) -> Import:
    """The row of a kept file: a text is looked at now, a workbook by a worker (state `reading`).

    UserError where the file is no table; its file is removed then.
    """
    now = clock.now()
    row = Import(filename=bare_name(filename), path=str(path.relative_to(folder)), created_at=now, created_by=person_id)
    try:
        if path.stat().st_size and sniffing.is_sheet(path):
            row.state, row.format, row.total_bytes = "reading", "sheet", path.stat().st_size
            row.path = str(path.rename(path.with_suffix(".sheet")).relative_to(folder))
        else:
            row.state, row.format = "uploaded", "csv"
            remembers = person_id is not None and more.get("purpose", "people") == "people"
            _apply(row, prepare(path, session if remembers else None))
    except UserError:
        path.unlink(missing_ok=True)
        raise
    _apply(row, more)
    session.add(row)
    session.flush()
    return row


def _apply(row: Import, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def the_import(session: Session, import_id: int) -> Import:
    """An import by its id; NotFound where there is none."""
    found = session.get(Import, import_id)
    if found is None:
        raise NotFound(N_("This import does not exist."))
    return found


def _open(session: Session, import_id: int) -> Import:
    found = session.scalar(select(Import).where(Import.id == import_id).with_for_update())
    if found is None:
        raise NotFound(N_("This import does not exist."))
    if found.state not in OPEN:
        raise UserError(N_("This import has gone on in the meantime. Look at it again."))
    return found


def reshape(session: Session, folder: Path, import_id: int, encoding: str, delimiter: str, has_header: bool) -> Import:
    """Read the file's beginning again as a person says it is written; columns are named anew."""
    found = _open(session, import_id)
    if encoding not in sniffing.ENCODINGS or delimiter not in sniffing.DELIMITERS:
        raise faults.refused("encoding")
    path = folder / found.path
    shape = sniffing.sniff_csv(path, encoding=encoding, delimiter=delimiter)
    shape = replace(shape, has_header=has_header, skip=shape.skip if has_header else 0)
    named = name_columns(session if found.purpose == "people" else None, sniffing.sample(path, shape), shape)
    _apply(found, {"encoding": encoding, "delimiter": delimiter, "has_header": has_header, **named})
    _apply(found, {"state": "uploaded", "checked": {}})
    return found


def start_check(
    session: Session,
    import_id: int,
    roles: dict[int, Role],
    labels: dict[int, str],
    kinds: dict[int, Kind] | None = None,
) -> Import:
    """Fix what the columns mean and have the whole file checked; UserError where not exactly one holds the number."""
    found = _open(session, import_id)
    mapping = Mapping.from_json(found.mapping).with_roles(roles, labels, kinds)
    require_number(mapping)
    for role in ("name", "ddd"):
        if sum(column.role == role for column in mapping.columns) > 1:
            raise UserError(N_("Two columns have the same meaning. Choose one of them."), field="mapping")
    values = {"rows": 0, "done_bytes": 0, "checked": {}, "lease_until": None, "error": None}
    _apply(found, {"mapping": mapping.to_json(), "state": "checking", **values})
    return found


def require_number(mapping: Mapping) -> None:
    """UserError where no column, or more than one, holds the phone number."""
    count = sum(column.role == "number" for column in mapping.columns)
    if count == 0:
        raise faults.refused("no_numbers", field="mapping")
    if count > 1:
        raise UserError(N_("Only one column can be the phone number. Make the others fields."), field="mapping")


def back_to_columns(session: Session, import_id: int) -> Import:
    """From the result of a check back to the columns."""
    found = _open(session, import_id)
    _apply(found, {"state": "uploaded", "checked": {}, "rows": 0, "done_bytes": 0})
    return found


def confirm(session: Session, import_id: int, list_name: str, stated: Consent, person_id: int | None) -> Import:
    """Start the import of a checked file into a list of that name, made where there is none."""
    found = _open(session, import_id)
    if found.state != "ready" or found.purpose != "people":
        raise UserError(N_("Check the file first."))
    consent.check(stated)
    consent.state_for_import(session, import_id, stated, person_id)
    _apply(found, {"basis": stated.basis, "source": stated.source.strip()[:300], "consent_date": stated.day})
    target = service.list_named(session, list_name, person_id)
    begin(session, found, target)
    return found


def begin(session: Session, found: Import, target: ContactList) -> None:
    """Set an import's counts to zero and hand it to a worker."""
    counts = ("rows", "done_bytes", "imported", "created", "duplicates", "rejected", "suppressed", "landlines")
    _apply(found, {**dict.fromkeys(counts, 0), "repaired": {}, "state": "importing", "lease_until": None})
    _apply(found, {"list_id": target.id, "new_list_name": target.name, "started_at": clock.now(), "error": None})
    storing.add_fields(session, target.id, Mapping.from_json(found.mapping))
    session.flush()


def discard(session: Session, folder: Path, import_id: int) -> Import:
    """Give up an import that has not begun; its file is removed."""
    found = _open(session, import_id)
    _apply(found, {"state": "discarded", "finished_at": clock.now(), "checked": {}})
    (folder / found.path).unlink(missing_ok=True)
    return found


def discard_stale(session: Session, folder: Path) -> int:
    """Give up imports that nobody confirmed for a week; returns how many. Personal data shall not lie about."""
    stale = select(Import.id).where(Import.state.in_(OPEN), Import.created_at < clock.now() - STALE)
    ids = list(session.scalars(stale))
    for import_id in ids:
        discard(session, folder, import_id)
    _remove_orphans(session, folder)
    return len(ids)


def _remove_orphans(session: Session, folder: Path) -> None:
    """Delete files without a row: whoever kept them was killed before the row was written."""
    oldest = clock.aware(clock.now() - ORPHAN).timestamp()
    kept = [path for path in (folder / FOLDER).glob("*") if path.stat().st_mtime < oldest]
    known = set(session.scalars(select(Import.path))) if kept else set()
    for path in kept:
        if str(path.relative_to(folder)) not in known:
            path.unlink(missing_ok=True)


def start_undo(session: Session, import_id: int) -> Import:
    """Have a worker take a finished import back; UserError where it is not finished."""
    moved = session.execute(
        update(Import)
        .where(Import.id == import_id, Import.state == "done", Import.purpose == "people")
        .values(state="undoing", lease_until=None)
        .returning(Import.id)
    ).all()
    if not moved:
        raise UserError(N_("Only a finished import can be undone."))
    return the_import(session, import_id)


def guessed(folder: Path, found: Import) -> Mapping:
    """The mapping as guessed from the file alone, whatever was chosen last time."""
    rows = sniffing.sample(folder / found.path, shape_of(found))
    mapping = guess(rows, has_header=found.has_header, width=found.mapping["width"])
    return replace(mapping, skip=found.mapping.get("skip", 0))


def resample(folder: Path, found: Import) -> list[tuple[int, list[str]]]:
    """The first rows of an import's file below its header, for the preview."""
    rows = sniffing.sample(folder / found.path, shape_of(found))
    return rows[1:] if found.has_header else rows

"""`recado contacts import` and `recado optouts import`: one file, to its end, in the command itself."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from webapp.contacts import again, faults, mending, progress, queries, service, suppression, uploads, work
from webapp.contacts.columns import Mapping
from webapp.contacts.consent import Consent
from webapp.contacts.digest import KEPT_OF_A_ROW
from webapp.contacts.models import Import, ImportFault
from webapp.contacts.queries import EVERYTHING, Chosen
from webapp.core.csvfile import csv_lines, reversible
from webapp.core.db import Database, moment
from webapp.core.errors import UserError
from webapp.core.i18n import N_, translate
from webapp.core.settings import Settings

_AT_ONCE = 1000  # wrong rows that are in memory while a file of them is written


def run_import_command(
    db: Database,
    settings: Settings,
    file: Path,
    list_name: str,
    basis: str = "not_stated",
    source: str = "",
    consent_date: date | None = None,
) -> dict[str, Any]:
    """Import a file and return the counts of the contract; UserError where the file or an argument is refused."""
    folder, consent = settings.instance, Consent(basis, source, consent_date)
    import_id = _to_its_end(
        db,
        folder,
        file,
        register=lambda session, kept: uploads.register(session, folder, kept, file.name, None),
        confirm=lambda session, import_id: uploads.confirm(session, import_id, list_name, consent, None),
    )
    with db.reading() as session:
        found = _checked(session, import_id)
        return _report(session, folder, found, settings.locale)


def run_optouts_command(db: Database, settings: Settings, file: Path, reason: str, channel: str) -> dict[str, Any]:
    """Opt out everybody in a file; rows = added + known + duplicates + rejected. UserError where it is refused."""
    folder = settings.instance
    import_id = _to_its_end(
        db,
        folder,
        file,
        register=lambda session, kept: suppression.register(
            session, folder, kept, file.name, None, channel=channel, source=reason
        ),
        confirm=suppression.confirm,
    )
    with db.reading() as session:
        found = _checked(session, import_id)
        errors = _errors_file(session, folder, found, settings.locale)
        counts = {"added": found.imported, "known": found.suppressed}
        wrong = {"duplicates": found.duplicates, "rejected": found.rejected, "errors_file": errors}
        return {"channel": channel, "rows": found.rows, **counts, **wrong}


def _to_its_end(
    db: Database,
    folder: Path,
    file: Path,
    *,
    register: Callable[[Session, Path], Import],
    confirm: Callable[[Session, int], object],
) -> int:
    """Take a file all the way in this process, without the steps at which a person would look; the import's id."""
    kept = _kept(folder, file)
    with db.writing() as session:
        found = register(session, kept)
        found.lease_until = moment(session) + progress.LEASE  # ours: no worker shall take it
    import_id = found.id
    try:
        if found.state == "reading":
            work.run_claimed(db, folder, import_id)
        with db.writing() as session:
            found = _checked(session, import_id)
            uploads.require_number(Mapping.from_json(found.mapping))
            found.state = "ready"
            session.flush()
            confirm(session, import_id)
            found.lease_until = moment(session) + progress.LEASE
    except UserError:
        _give_up(db, folder, import_id)
        raise
    work.run_claimed(db, folder, import_id)
    return import_id


def _kept(folder: Path, file: Path) -> Path:
    try:
        with file.open("rb") as stream:
            return uploads.keep(folder, stream)
    except OSError as error:
        raise UserError(N_("%(file)s cannot be read: %(why)s"), file=str(file), why=error.strerror) from error


def _checked(session: Session, import_id: int) -> Import:
    """The import; its own error where a step has failed."""
    found = uploads.the_import(session, import_id)
    if found.state == "failed" and found.error:
        raise UserError(found.error, field=None, **found.error_values)
    return found


def _give_up(db: Database, folder: Path, import_id: int) -> None:
    with db.writing() as session:
        found = uploads.the_import(session, import_id)
        if found.state in ("reading", "uploaded", "ready"):
            found.state = "discarded"
        (folder / found.path).unlink(missing_ok=True)


def _report(session: Session, folder: Path, found: Import, locale: str) -> dict[str, Any]:
    assert found.list_id is not None
    return {
        "list": service.the_list(session, found.list_id).name,
        "rows": found.rows,
        "imported": found.imported,
        "duplicates": found.duplicates,
        "rejected": found.rejected,
        "suppressed": found.suppressed,
        "errors_file": _errors_file(session, folder, found, locale),
    }


def _errors_file(session: Session, folder: Path, found: Import, locale: str) -> str | None:
    """Where the rows that brought nobody in are written to; None where there are none."""
    if not (found.rejected or found.duplicates):
        return None
    errors = folder / "exports" / f"import-{found.id}-errors.csv"
    errors.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("w", encoding="utf-8", newline="") as file:
        file.writelines(fault_lines(session, found, locale))
    return str(errors)


def fault_lines(session: Session, found: Import, locale: str, chosen: Chosen = EVERYTHING) -> Iterator[str]:
    """Rows that brought nobody in as CSV, to be mended and uploaded again: line, column, value, reason, cure, row."""
    mapping = Mapping.from_json(found.mapping)
    words = [translate(word, locale) for word in again.HEADER]
    labels = [column.label for column in mapping.columns][:KEPT_OF_A_ROW]
    rows = _fault_rows(session, found.id, mapping, locale, chosen)
    return csv_lines([*words, *again.own(labels, labels)], rows, reversible)


def _fault_rows(
    session: Session, import_id: int, mapping: Mapping, locale: str, chosen: Chosen
) -> Iterator[list[object]]:
    after: int | None = None
    while rows := queries.faults(session, import_id, after, _AT_ONCE, chosen).rows:
        for row in rows:
            yield _fault_row(row, mapping, locale)
        after = rows[-1].id
        session.expunge_all()


def _fault_row(row: ImportFault, mapping: Mapping, locale: str) -> list[object]:
    """A row of which we keep only a part comes without its cells: uploaded again, it would bring in half a person."""
    what, cure = faults.ROW[row.reason]
    labels = [column.label for column in mapping.columns]
    cells = again.own(labels, row.row)
    if mending.is_cut(row, mapping):
        cure, cells = faults.CUT, []
    return [row.line, row.column, row.value, translate(what, locale), translate(cure, locale), *cells]

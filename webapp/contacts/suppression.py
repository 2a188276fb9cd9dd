"""A list of numbers that must not be written to ("Não Me Ligue" and the like), from its upload to its start.

It is an import like that of people (`contacts.uploads`), with a channel and without a list; a worker does the rest
(`contacts.suppressing`).
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.contacts import faults, uploads
from webapp.contacts.columns import Mapping, is_number
from webapp.contacts.models import Import
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.text import tidy
from webapp.gateway.codes import DIALECTS
from webapp.messages import outbox
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL

PURPOSE = "optouts"
SMALL = 500  # pasted rows that need no look at a check before
_MOST_ROWS_ARE = 0.5  # numbers, in the column that holds them, and in no other


def register(
    session: Session, folder: Path, path: Path, filename: str, person_id: int | None, *, channel: str, source: str
) -> Import:
    """The row of a kept file of opt-outs. UserError for no table, no channel, or no word on where it is from."""
    try:
        if channel not in CHANNELS:
            raise UserError(N_("Choose a channel: SMS, WhatsApp, voice calls or all."), field="channel")
        if not tidy(source).strip():
            raise UserError(N_("Say where this list is from: whoever looks at an opt-out sees it."), field="reason")
    except UserError:
        path.unlink(missing_ok=True)
        raise
    about = {"purpose": PURPOSE, "channel": channel, "source": tidy(source).strip()[:300]}
    return uploads.register(session, folder, path, filename, person_id, **about)


def go_on(session: Session, folder: Path, found: Import) -> Import:
    """Past the page of the columns, where the file leaves no doubt about them: straight to the check."""
    if found.purpose == PURPOSE and found.state == "uploaded" and _is_clear(folder, found):
        return uploads.start_check(session, found.id, {}, {})
    return found


def _is_clear(folder: Path, found: Import) -> bool:
    """Whether one column holds the numbers, and no other could."""
    mapping = Mapping.from_json(found.mapping)
    number = mapping.of_role("number")
    if number is None:
        return False
    rows = [cells for _, cells in uploads.resample(folder, found)]
    share = [_share([cells[c.index] for cells in rows if c.index < len(cells)]) for c in mapping.columns]
    return share.pop(number.index) >= _MOST_ROWS_ARE and all(other < _MOST_ROWS_ARE for other in share)


def _share(cells: list[str]) -> float:
    texts = [cell for cell in cells if cell.strip()]
    return sum(map(is_number, texts)) / len(texts) if texts else 0.0


def start_pasted(session: Session, folder: Path, found: Import) -> Import:
    """Some pasted rows begin at once, where they leave no doubt; more of them take the way of a file.

    UserError where no column of them could hold a number.
    """
    mapping = Mapping.from_json(found.mapping)
    if mapping.of_role("number") is None:
        (folder / found.path).unlink(missing_ok=True)
        raise faults.refused("no_numbers", field="pasted")
    if _is_clear(folder, found) and is_short(folder / found.path):
        found.state = "ready"
        session.flush()
        return confirm(session, found.id)
    return go_on(session, folder, found)


def is_short(path: Path) -> bool:
    """Whether a file has no more rows than may be taken without a check."""
    with path.open("rb") as file:
        return all(count <= SMALL for count, _ in enumerate(file))


def confirm(session: Session, import_id: int) -> Import:
    """Hand a checked file of opt-outs to a worker."""
    counts = ("rows", "done_bytes", "imported", "created", "duplicates", "rejected", "suppressed", "landlines")
    start = {**dict.fromkeys(counts, 0), "state": "importing", "started_at": clock.now(), "lease_until": None}
    moved = _move(session, import_id, "ready", **start)
    if moved is None:
        raise UserError(N_("Check the file first."))
    return moved


def start_undo(session: Session, import_id: int, reason: str, person_id: int | None) -> Import:
    """Have a worker lift what a finished import has added; UserError without a reason, or where it is not finished."""
    why = tidy(reason).strip()[:300]
    if not why:
        raise UserError(N_("Say why these people may be written to again."), field="reason")
    moved = _move(session, import_id, "done", state="undoing", lease_until=None, undo_reason=why, undo_by=person_id)
    if moved is None:
        raise UserError(N_("Only a finished import can be undone."))
    return moved


def brought_since(session: Session, moment: datetime) -> bool:
    """Whether a list of opt-outs was brought in since a moment (naive UTC) and not taken back."""
    stands = (Import.purpose == PURPOSE, Import.state == "done", Import.finished_at >= moment)
    return session.scalar(select(Import.id).where(*stands).limit(1)) is not None


def _move(session: Session, import_id: int, stood: str, **values: Any) -> Import | None:
    """Move an import of opt-outs out of a state; None where it is not in it."""
    moved = session.execute(
        update(Import)
        .where(Import.id == import_id, Import.state == stood, Import.purpose == PURPOSE)
        .values(**values)
        .returning(Import.id)
    ).all()
    found = session.get(Import, import_id, populate_existing=True)
    if found is None:
        raise NotFound(N_("This import does not exist."))
    return found if moved else None


def stop_waiting(session: Session, dialect: str, number: int, channel: str) -> int:
    """Stop what waits to leave to somebody on a channel; returns how many messages that were."""
    if channel == EVERY_CHANNEL:
        return outbox.suppress(session, number)
    types = frozenset(row.type for row in DIALECTS[dialect].types.values() if row.medium == channel)
    return outbox.suppress(session, number, types=types)

"""Files on request: asked for, listed, fetched, given up. Whoever may export may fetch one whose address they know."""

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.states import AT_WORK, CANCELLED, EXPIRED, READY, WAITING
from webapp.reports.exports.wanted import Wanted
from webapp.reports.exports.work import without_number

MOST_OPEN = 5  # files of one person that are made or wait at once
LISTED = 50  # of one's own files, the newest


def ask(session: Session, wanted: Wanted, label: str, expected: int, person_id: int) -> tuple[ExportFile, bool]:
    """Have a file made: the row of it, and whether it is new. Asked for twice, the open one is the answer.

    The job is to be started after the commit. UserError where the person has too many of them open.
    """
    mark = _mark(wanted, person_id)
    found = session.scalar(select(ExportFile).where(ExportFile.open_mark == mark))
    if found is not None:
        return found, False
    mine = select(func.count()).where(ExportFile.asked_by == person_id, ExportFile.state.in_(AT_WORK))
    if (session.scalar(mine) or 0) >= MOST_OPEN:
        raise UserError(N_("Several of your files are being made already. Wait for one of them, or cancel one."))
    row = {
        "name": secrets.token_hex(16), "label": label[:200], "campaign_id": wanted.campaign_id,
        "view": dict(wanted.view), "format": wanted.format, "locale": wanted.locale, "zone": wanted.zone,
        "state": WAITING, "open_mark": mark, "expected": expected, "rows": 0, "bytes": 0, "attempts": 0,
        "asked_at": wanted.at, "asked_by": person_id,
    }  # fmt: skip
    insert = insert_for(session, ExportFile).values(**row).on_conflict_do_nothing(index_elements=["open_mark"])
    made = session.execute(insert.returning(ExportFile.id)).all()
    return session.scalars(select(ExportFile).where(ExportFile.open_mark == mark)).one(), bool(made)


def _mark(wanted: Wanted, person_id: int) -> str:
    told: dict[str, Any] = {**wanted.to_json(), "at": None, "person": person_id}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def the_file(session: Session, name: str) -> ExportFile:
    """A file by its address; NotFound where there is none, or none any more."""
    found = session.scalar(select(ExportFile).where(ExportFile.name == name)) if len(name) == 32 else None
    if found is None:
        raise NotFound(N_("There is no such file. Files are deleted after a day; ask for it again."))
    return found


def own(session: Session, person_id: int) -> list[ExportFile]:
    """The files that a person asked for lately, the newest first."""
    mine = select(ExportFile).where(ExportFile.asked_by == person_id)
    return list(session.scalars(mine.order_by(ExportFile.id.desc()).limit(LISTED)))


def before(session: Session, found: ExportFile) -> int:
    """How many files are made before this one."""
    earlier = select(func.count()).where(ExportFile.state.in_(AT_WORK), ExportFile.id < found.id)
    return session.scalar(earlier) or 0


def is_over(found: ExportFile, now: datetime) -> bool:
    """Whether a file can be fetched no more, whether it was deleted already or not."""
    late = found.state == READY and found.expires_at is not None and found.expires_at <= now
    return late or found.state == EXPIRED


def end(session: Session, name: str) -> ExportFile:
    """Stop making a file, or end its link before its time; a sweep deletes what there is of it."""
    found = the_file(session, name)
    gone = {"holder": None, "lease_until": None, "open_mark": None}
    session.execute(
        update(ExportFile)
        .where(ExportFile.id == found.id, ExportFile.state.in_(AT_WORK))
        .values(state=CANCELLED, finished_at=clock.now(), view=without_number(found.view), **gone)
    )
    ended = {"state": EXPIRED, "expires_at": clock.now()}
    session.execute(update(ExportFile).where(ExportFile.id == found.id, ExportFile.state == READY).values(**ended))
    session.refresh(found)
    return found

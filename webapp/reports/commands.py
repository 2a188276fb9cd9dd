"""What the command line does with reports: a campaign's file, one person's history."""

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock, phone
from webapp.core.errors import UserError
from webapp.core.memory import without_collector
from webapp.core.web import Services
from webapp.inbox.models import Inbound
from webapp.messages.models import Message, Run
from webapp.messages.queries import history
from webapp.optouts.queries import of_person
from webapp.reports import browsing
from webapp.reports.exports import files, sources
from webapp.reports.exports.wanted import FORMATS, Wanted
from webapp.reports.standing import seen_state

Told = Callable[[int, int], object]  # rows written, of how many


def export(services: Services, campaign_id: int, format: str, path: Path, told: Told | None = None) -> int:
    """Write a campaign's file (csv or xlsx) to `path`; returns the number of people in it.

    `told` hears how many rows of how many are written. Under its own name there is never half a file: it is written
    beside it and then put in its place. Raises UserError for another format or no such campaign, OSError where the
    file can not be written.
    """
    if format not in FORMATS:
        raise UserError("The format must be csv or xlsx.", field="format")
    settings, written = services.settings, 0
    wanted = Wanted(format, settings.locale, settings.timezone, clock.now(), campaign_id)
    with services.db.reading() as session, without_collector():
        rows = sources.rows(session, wanted)

        def progress(count: int) -> None:
            nonlocal written
            written = count
            if told is not None:
                told(count, rows.total)

        with tempfile.TemporaryDirectory(prefix=".recado-", dir=_beside(path)) as place:
            files.put(files.write(rows.chunks, format, Path(place), progress, mode=0o666), path)
    return written


def _beside(path: Path) -> Path | None:
    """The folder from which a file is put in its place by its name alone; None (any) for pipes and devices."""
    return None if path.exists() and not path.is_file() else path.resolve().parent


def find(services: Services, number: str) -> dict[str, Any]:
    """The history of one person, as `recado messages find` prints it. UserError for a number that is none."""
    parsed = phone.parse(number)
    if isinstance(parsed, phone.Bad):
        raise UserError(
            "%(number)s is not a phone number: %(why)s.", number=number, why=phone.reason_text(parsed.reason)
        )
    now = clock.now()
    with services.db.reading() as session:
        pairs = history(session, parsed.number)
        pending = [message for message, _ in pairs if message.run_id is not None]
        batches = browsing.batches_of(session, pending)
        return {
            "number": str(parsed.number),
            "opted_out": bool(of_person(session, parsed.number)),
            "sent": [_sent(message, run, batches.get(message.id), now) for message, run in reversed(pairs)],
            "replies": _replies(session, parsed.number),
        }


def _sent(message: Message, run: Run | None, batch: Any, now: datetime) -> dict[str, Any]:
    return {
        "at": _iso(message.at),
        "campaign": run.name if run and run.kind == "campaign" else None,
        "content": message.text if message.text is not None else run.text if run else None,
        "state": seen_state(message, batch, run, now),
        "status": message.status,
    }


def _replies(session: Session, number: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Inbound.at, Inbound.text, Run.name, Run.kind)
        .outerjoin(Run, Run.id == Inbound.run_id)
        .where(Inbound.number == number)
        .order_by(Inbound.at, Inbound.id)
    )
    return [
        {
            "at": _iso(row.at),
            "content": row.text,
            "campaign": row.name if row.kind == "campaign" else None,
        }
        for row in rows
    ]


def _iso(moment: datetime) -> str:
    return clock.aware(moment).isoformat(timespec="seconds")

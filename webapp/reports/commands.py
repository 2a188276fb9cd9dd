"""What the command line does with reports: a campaign's file, one person's history."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock, phone
from webapp.core.errors import UserError
from webapp.core.i18n import translate
from webapp.core.web import Services
from webapp.inbox.models import Inbound
from webapp.messages.models import Message, Run
from webapp.messages.queries import history
from webapp.optouts.queries import of_person
from webapp.reports import browsing
from webapp.reports import campaign as campaigns
from webapp.reports import export as files
from webapp.reports.standing import seen_state

FORMATS = ("csv", "xlsx")


def _plain(locale: str, msgid: str) -> str:
    return translate(msgid, locale)


def export(services: Services, campaign_id: int, format: str, path: Path) -> int:
    """Write a campaign's file (csv or xlsx) to `path`; returns the number of people in it.

    Raises UserError for another format or no such campaign, OSError where the file can not be written.
    """
    if format not in FORMATS:
        raise UserError("The format must be csv or xlsx.", field="format")
    settings, now = services.settings, clock.now()
    style = files.Style(clock.zone(settings.timezone), partial(_plain, settings.locale))
    with services.db.reading() as session:
        _, run = campaigns.find(session, campaign_id)
        counted = _Counted()
        chunks = counted.over(files.of_run(session, run, style, now))
        if format == "csv":
            with path.open("wb") as file:
                file.writelines(files.as_csv(chunks))
        else:
            files.write_xlsx(chunks, path)
    return counted.rows


class _Counted:
    """Counts the lines that pass."""

    rows = 0

    def over(self, chunks: Any) -> Any:
        for lines in chunks:
            self.rows += len(lines)
            yield lines


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

"""What an audit mended, one message a line."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.i18n import N_
from webapp.gateway.codes import RESPONSES
from webapp.gateway.errors import Busy, LookupFailed, NotSent, OurMistake, Stopped
from webapp.messages import inquiries
from webapp.messages.inquiries import NO_ACCOUNT
from webapp.messages.models import Inquiry, Message, Receipt, Run
from webapp.reports import browsing
from webapp.reports.standing import Standing, of_status

MOST = 100  # lines of the page


_BY_ERROR = {error.__name__: error.explanation for error in (NotSent, LookupFailed, OurMistake, Busy, Stopped)}


def why(problem: str) -> str:
    """An inquiry's problem ("stopped 090", "NotSent") as a sentence, a msgid."""
    error, _, code = problem.partition(" ")
    if code in RESPONSES:
        return RESPONSES[code].explanation
    if problem == NO_ACCOUNT:
        return N_("No gateway account is set.")
    return _BY_ERROR.get(error, LookupFailed.explanation)


@dataclass(frozen=True, slots=True)
class Mended:
    """A status that no callback told: what the gateway said when it was asked, and of which message."""

    row: browsing.Row
    receipt: Receipt
    told: Standing


def mended(session: Session, one: Inquiry, now: datetime) -> list[Mended]:
    """The newest lines of an inquiry, at most `MOST`."""
    told = inquiries.mended(session, one, MOST)
    pairs = session.execute(
        select(Message, Run)
        .outerjoin(Run, Run.id == Message.run_id)
        .where(Message.id.in_({receipt.message_id for receipt in told}))
    )
    rows = {row.message.id: row for row in browsing.dress(session, [(pair[0], pair[1]) for pair in pairs], now)}
    return [
        Mended(row, receipt, of_status(receipt.status or "", receipt.carrier or row.message.carrier, row.message.type))
        for receipt in told
        if (row := rows.get(receipt.message_id or 0)) is not None
    ]

"""Asking the gateway about a period by hand, how far that has come, and what audits found by themselves."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import get_timezone, gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts.guards import guard
from webapp.core import clock
from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, write_session
from webapp.messages import inquiries
from webapp.messages.models import Inquiry
from webapp.reports import audits, filters
from webapp.reports.jobs import ASK
from webapp.reports.views.blueprint import bp


def asked(session: Session) -> dict[str, Any]:
    """What the foot of the messages page says: the question by hand, the last audit."""
    return {
        "hand": inquiries.waiting(session) or inquiries.last(session, inquiries.HAND),
        "audit": inquiries.last(session, inquiries.AUDIT, judged=True),
        "why": audits.why,
    }


@bp.post("/messages/ask")
@guard("messages")
def messages_ask() -> Response:
    """Ask the gateway about a period now, in the background, because somebody pressed the button."""
    wanted, now = filters.read(request.form, clock.zone(str(get_timezone())), clock.now()), clock.now()
    since, until = wanted.since or now - filters.LOOK_BACK, wanted.until or now
    with write_session() as session:
        one, made = inquiries.by_hand(session, since, until, current_user.id, now)
    if made:
        services().jobs.start(ASK, one.id)
        flash(gettext("The gateway is being asked. What it says appears in the list by itself."), "success")
    else:
        flash(gettext("The gateway is being asked already. Ask again when that has come to its end."), "info")
    return redirect(url_for("reports.messages", **wanted.form), 303)


@bp.get("/messages/asked")
@guard("messages")
def messages_asked() -> str:
    """The foot of the messages page, for its live box."""
    return render_template("reports/_asked.html", **asked(read_session()))


@bp.get("/messages/audits/<int:inquiry_id>")
@guard("messages")
def audit(inquiry_id: int) -> str:
    """One audit: over what period, what it compared, what it mended."""
    session = read_session()
    one = session.get(Inquiry, inquiry_id)
    if one is None or one.ended_at is None:
        raise NotFound(N_("There is no such audit."))
    mended = audits.mended(session, one, clock.now())
    return render_template("reports/audit.html", one=one, mended=mended, most=audits.MOST)

"""Health, live, and batches that wait for somebody's decision."""

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.admin import alerts, health, service, words
from webapp.admin.views.blueprint import bp
from webapp.core.errors import UserError
from webapp.core.web import read_session, services, settings, write_session


def looked() -> dict[str, Any]:
    """The health of the moment and what needs a hand, for templates."""
    session = read_session()
    found = health.check(session, settings())
    return {
        "health": found,
        "alerts": alerts.alerts(session, found, settings(), services().box),
        "poll_seconds": settings().poll_seconds,
    }


@bp.get("/admin/health", endpoint="health")
@guard("admin")
def health_page() -> str:
    """How the installation is doing."""
    return render_template("admin/health.html", words=words, **looked())


@bp.get("/admin/health/now")
@guard("admin")
def health_now() -> str:
    """The live part of it."""
    return render_template("admin/_health.html", words=words, **looked())


@bp.get("/admin/batches/<int:batch_id>")
@guard("admin")
def batch(batch_id: int) -> str:
    """What is known of a batch that is held or of unknown outcome."""
    return render_template("admin/batch.html", stuck=health.stuck_batch(read_session(), batch_id), words=words)


@bp.post("/admin/batches/<int:batch_id>")
@guard("admin")
def decide_batch(batch_id: int) -> Response:
    """Send it again, or never."""
    deed = request.form.get("deed")
    if deed not in {"again", "leave"}:
        abort(400)
    try:
        with write_session() as session:
            stuck = health.stuck_batch(session, batch_id)
            count = service.decide_batch(session, stuck, again=deed == "again")
            audit.record(session, f"batch.{deed}", f"batch {batch_id}", run=stuck.run.id, messages=count)
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "error")
        return redirect(url_for("admin.health"), 303)
    if deed == "again":
        flash(ngettext("%(num)s message leaves again.", "%(num)s messages leave again.", count), "success")
    else:
        flash(ngettext("%(num)s message will not be sent.", "%(num)s messages will not be sent.", count), "success")
    return redirect(url_for("admin.health"), 303)

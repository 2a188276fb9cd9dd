"""Views of the delivery browser that people keep."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask_babel import get_timezone, gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts.guards import guard
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.web import write_session
from webapp.reports import filters, saved
from webapp.reports.views.blueprint import bp


@bp.post("/messages/views")
@guard("messages")
def view_keep() -> Response:
    """Keep the filters in sight under a name."""
    wanted = filters.read(request.form, clock.zone(str(get_timezone())), clock.now())
    try:
        with write_session() as session:
            view = saved.keep(session, current_user.id, _name(), wanted, shared=_shared())
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "warning")
        return _to(wanted.without_number().form)
    flash(gettext("“%(name)s” is among your views.", name=view.name), "success")
    return _to(view.asked)


@bp.post("/messages/views/<int:view_id>")
@guard("messages")
def view_change(view_id: int) -> Response:
    """Another name for one's own view, and whether colleagues see it."""
    try:
        with write_session() as session:
            view = saved.change(session, current_user.id, view_id, _name(), shared=_shared())
            asked = view.asked
    except NotFound:
        raise
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "warning")
        return _to({})
    flash(gettext("Saved."), "success")
    return _to(asked)


@bp.post("/messages/views/<int:view_id>/delete")
@guard("messages")
def view_delete(view_id: int) -> Response:
    """Delete one's own view; what it showed stays where it is."""
    with write_session() as session:
        view = saved.own(session, current_user.id, view_id)
        name, asked = view.name, view.asked
        session.delete(view)
    flash(gettext("The view “%(name)s” was deleted. Its messages are untouched.", name=name), "success")
    return _to(asked)


def _to(asked: dict[str, Any]) -> Response:
    return redirect(url_for("reports.messages", **asked), 303)


def _name() -> str:
    return request.form.get("name", "")[:200]


def _shared() -> bool:
    return request.form.get("shared") == "1"

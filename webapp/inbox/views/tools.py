"""Beside the conversations: answers kept for use again."""

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.core.errors import NotFound, UserError
from webapp.core.text import fields
from webapp.core.web import read_session, write_session
from webapp.inbox import canned
from webapp.inbox.forms import CannedForm
from webapp.inbox.views.blueprint import bp


@bp.get("/inbox/canned")
@guard("inbox.work")
def kept() -> str:
    """Every kept answer."""
    rows = [(row, fields(row.text)) for row in canned.all_of(read_session())]
    return render_template("inbox/kept.html", rows=rows, form=CannedForm())


@bp.get("/inbox/canned/<int:canned_id>")
@guard("inbox.work")
def edit_kept(canned_id: int) -> str:
    """One kept answer to change."""
    row = canned.get(read_session(), canned_id)
    return render_template("inbox/edit_kept.html", row=row, form=CannedForm(obj=row))


@bp.post("/inbox/canned")
@bp.post("/inbox/canned/<int:canned_id>")
@guard("inbox.work")
def save_kept(canned_id: int | None = None) -> Response | tuple[str, int]:
    """Keep an answer, or change one."""
    form = CannedForm()
    try:
        with write_session() as session:
            canned.save(session, canned_id, form.title.data or "", form.text.data or "")
    except NotFound:
        raise
    except UserError as error:
        show_fault(form, error)
        if canned_id is not None:
            row = canned.get(read_session(), canned_id)
            return render_template("inbox/edit_kept.html", row=row, form=form), 422
        rows = [(row, fields(row.text)) for row in canned.all_of(read_session())]
        return render_template("inbox/kept.html", rows=rows, form=form), 422
    flash(gettext("Kept. It is in the list beside the answer box."), "success")
    return redirect(url_for("inbox.kept"), 303)


@bp.post("/inbox/canned/<int:canned_id>/delete")
@guard("inbox.work")
def delete_kept(canned_id: int) -> Response:
    """Drop a kept answer."""
    with write_session() as session:
        canned.delete(session, canned_id)
    flash(gettext("Deleted."), "success")
    return redirect(url_for("inbox.kept"), 303)

"""A list of opt-outs in the browser: sent, checked, confirmed, undone; and all opt-outs as a file."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import BinaryIO, cast

from flask import redirect, render_template, request, url_for
from flask_babel import get_timezone, gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import exporting, faults, queries, suppression, uploads
from webapp.contacts.forms import OptOutForm, SuppressionForm, UndoForm
from webapp.contacts.jobs import IMPORT
from webapp.contacts.models import Import
from webapp.contacts.states import STATES
from webapp.contacts.views.blueprint import bp
from webapp.contacts.views.optouts import ORIGINS, asked_for, page_of, suppression_form
from webapp.core import clock
from webapp.core.csvfile import csv_lines
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.optouts import queries as optout_queries
from webapp.optouts.models import CHANNELS
from webapp.optouts.queries import names_of

_HEADER = (N_("Number"), N_("Channel"), N_("Since"), N_("Origin"), N_("Reason"), N_("Who"))
_ROWS = 2000  # of the export, at a time


@bp.post("/contacts/opt-outs/import")
@guard("lists")
def import_optouts() -> Response | tuple[str, int]:
    """Keep a file or a pasted block of opt-outs and go to its page; what leaves no doubt goes on by itself."""
    form = suppression_form()
    if not form.validate_on_submit():
        return page_of(OptOutForm(formdata=None), form), 422
    try:
        found = _keep(form)
    except UserError as error:
        show_fault(form, error)
        return page_of(OptOutForm(formdata=None), form), 422
    return _on_its_page(found)


def _keep(form: SuppressionForm) -> Import:
    folder, sent = settings().instance, form.file.data
    pasted = not (sent and sent.filename)
    if pasted and not (form.pasted.data or "").strip():
        raise UserError(N_("Choose a file or paste some rows."), field="file")
    if pasted:
        path, name = uploads.keep_paste(folder, form.pasted.data), gettext("Pasted rows")
    else:
        path, name = uploads.keep(folder, cast(BinaryIO, sent.stream)), sent.filename
    with write_session() as session:
        found = suppression.register(
            session, folder, path, name, current_user.id, channel=form.channel.data, source=form.reason.data
        )
        go_on = suppression.start_pasted if pasted else suppression.go_on
        found = go_on(session, folder, found)
        audit.record(session, "import.upload", f"import {found.id}", bytes=found.total_bytes)
        if found.state == "importing":
            _note_start(session, found)
    return found


def _note_start(session: Session, found: Import) -> None:
    audit.record(session, "optout.import", f"import {found.id}", channel=found.channel, reason=found.source)


def _on_its_page(found: Import) -> Response:
    if STATES[found.state].at_work:
        services().jobs.start(IMPORT, found.id)
    return redirect(url_for("contacts.show_import", import_id=found.id), 303)


@bp.post("/contacts/opt-outs/import/<int:import_id>/confirm")
@guard("lists")
def confirm_optouts(import_id: int) -> Response:
    """Opt out everybody in a checked file."""
    with write_session() as session:
        found = suppression.confirm(session, import_id)
        _note_start(session, found)
    return _on_its_page(found)


@bp.post("/contacts/opt-outs/import/<int:import_id>/undo")
@guard("optout.lift")
def undo_optouts(import_id: int) -> Response | tuple[str, int]:
    """Lift what an import has added, with the reason."""
    form = UndoForm()
    if not form.validate_on_submit():
        return result_page(uploads.the_import(read_session(), import_id), form), 422
    with write_session() as session:
        found = suppression.start_undo(session, import_id, form.reason.data, current_user.id)
        audit.record(session, "import.undo", f"import {import_id}", reason=form.reason.data)
    return _on_its_page(found)


def check_page(found: Import) -> str:
    """What a checked file of opt-outs holds, before anybody is opted out."""
    return render_template(
        "contacts/suppression_check.html",
        found=found,
        checked=found.checked,
        channels=CHANNELS,
        reasons=faults.ROW,
    )


def result_page(found: Import, form: UndoForm | None = None) -> str:
    """What a finished file of opt-outs came to."""
    session = read_session()
    page = queries.faults(session, found.id, request.args.get("after", type=int))
    people = [person for person in (found.created_by, found.undo_by) if person]
    return render_template(
        "contacts/suppression_result.html",
        found=found,
        form=form or UndoForm(),
        channels=CHANNELS,
        names=names_of(session, people),
        page=page,
        next_url=url_for(".show_import", import_id=found.id, after=page.next) if page.next else None,
        by_reason=queries.fault_reasons(session, found.id),
        reasons=faults.ROW,
    )


@bp.get("/contacts/opt-outs.csv")
@guard("export")
def export_optouts() -> Response:
    """The opt-outs that the address asks for as CSV, numbers in full."""
    wanted = asked_for()
    with write_session() as session:
        audit.record(session, "optout.export", "opt-outs", origin=wanted.origin, channel=wanted.channel)
    words = {key: gettext(text) for key, text in {**ORIGINS, **CHANNELS}.items()}
    header = [gettext(word) for word in _HEADER]
    rows = _rows(services().db, wanted, words, clock.zone(str(get_timezone())))
    answer = Response(csv_lines(header, rows), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="opt-outs.csv"'
    return answer


def _rows(
    db: Database, wanted: optout_queries.Filter, words: dict[str, str], zone: tzinfo
) -> Iterator[tuple[object, ...]]:
    after: str | None = None
    with db.reading() as session:
        while True:
            page = optout_queries.page(session, wanted, after, _ROWS)
            names = names_of(session, [row.person_id for row in page.rows if row.person_id])
            for row in page.rows:
                since = clock.aware(row.since).astimezone(zone).strftime("%d/%m/%Y %H:%M")
                number, by = exporting.number(row.number), names.get(row.person_id or 0, "")
                yield number, words[row.channel], since, words[row.origin], row.reason, by
            session.expunge_all()
            after = page.next
            if after is None:
                return

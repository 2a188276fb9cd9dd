"""The audit trail."""

import json
from collections.abc import Iterator

from flask import redirect, render_template, request, url_for
from flask_babel import get_timezone, gettext
from werkzeug.wrappers import Response

from webapp.accounts import audit as accounts_audit
from webapp.accounts.guards import guard
from webapp.admin import queries, words
from webapp.admin.forms import TrailForm
from webapp.admin.views.blueprint import bp
from webapp.core import clock
from webapp.core.csvfile import csv_lines
from webapp.core.web import read_session, services, write_session

FILTERS = ("who", "action", "since", "until")
COLUMNS = ("at_utc", "actor", "person", "address", "action", "subject", "detail")


def _filled(form: TrailForm) -> TrailForm:
    session = read_session()
    people = [(str(person.id), person.name) for person in queries.trail_people(session)]
    form.who.choices = [("", gettext("Everybody")), *people, ("command", gettext("Commands"))]
    known = [(action, gettext(words.ACTIONS.get(action, action))) for action in queries.trail_actions(session)]
    form.action.choices = [("", gettext("Everything")), *sorted(known, key=lambda choice: choice[1])]
    return form


@bp.get("/admin/audit")
@guard("admin")
def audit() -> str:
    """Who did what, when and from where."""
    form = _filled(TrailForm(request.args))
    form.validate()
    page = queries.trail(read_session(), form.wanted(str(get_timezone())), request.args.get("after", type=int))
    people = {person.id: person.name for person in queries.trail_people(read_session())}
    filters = {name: value for name in FILTERS if (value := request.args.get(name))}
    return render_template("admin/audit.html", form=form, page=page, people=people, words=words, filters=filters)


@bp.post("/admin/audit/export")
@guard("admin")
def export_audit() -> Response:
    """The same entries as CSV. A POST, because exporting is itself an entry."""
    form = _filled(TrailForm(request.form))
    if not form.validate():
        return redirect(url_for("admin.audit"), 303)
    wanted = form.wanted(str(get_timezone()))
    with write_session() as session:
        accounts_audit.record(session, "audit.export", "audit")
    db = services().db  # the rows are read after the request

    def rows() -> Iterator[tuple[object, ...]]:
        with db.reading() as session:
            for entry in queries.whole_trail(session, wanted):
                at = clock.aware(entry.at).isoformat(timespec="seconds")
                detail = json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else ""
                yield at, entry.actor, entry.person_id, entry.address, entry.action, entry.subject, detail

    answer = Response(csv_lines(COLUMNS, rows()), mimetype="text/csv")
    day = clock.aware(clock.now()).astimezone(clock.zone(str(get_timezone()))).date().isoformat()
    answer.headers["Content-Disposition"] = f'attachment; filename="recado-audit-{day}.csv"'
    return answer

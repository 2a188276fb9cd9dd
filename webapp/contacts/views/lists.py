"""The lists: all of them, one of them, its name, its end, its file."""

from collections.abc import Iterator

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import exporting, queries, samples, search, service
from webapp.contacts.forms import ListForm
from webapp.contacts.jobs import PURGE
from webapp.contacts.models import ListField
from webapp.contacts.states import BASES, STATES
from webapp.contacts.views.blueprint import bp
from webapp.core.csvfile import csv_lines
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import fold
from webapp.core.web import read_session, services, write_session

_SHOWN_FIELDS = 4  # columns of a list's table; the person's own page has them all
_KIND_WORDS = {"mobile": N_("mobile"), "landline": N_("landline"), "foreign": N_("abroad")}


@bp.get("/contacts")
@guard("lists")
def index() -> str:
    """All lists, with how many people are in them and where they came from."""
    session = read_session()
    words = request.args.get("q", "")
    return render_template(
        "contacts/index.html",
        rows=queries.lists(session, words),
        words=words,
        total=queries.people_total(session),
        recent=queries.recent_imports(session, 5),
        states=STATES,
        bases=BASES,
    )


@bp.post("/contacts/sample")
@guard("lists")
def sample() -> Response:
    """A list of twenty invented people."""
    with write_session() as session:
        made = samples.add_samples(session, gettext("Sample contacts"), current_user.id)
        audit.record(session, "list.sample", f"list {made.id}")
        list_id = made.id
    flash(gettext("Here are 20 invented people. Write to them as much as you like."), "success")
    return redirect(url_for("contacts.show", list_id=list_id), 303)


@bp.get("/contacts/<int:list_id>")
@guard("lists")
def show(list_id: int) -> str:
    """The people of a list."""
    return show_list(list_id, ListForm())


def show_list(list_id: int, form: ListForm) -> str:
    """The list's page, with the form that renames it as it was filled in."""
    session = read_session()
    found = service.the_list(session, list_id)
    form.list_name.data = form.list_name.data or found.name
    wanted = search.Filter(request.args.get("q", "")[:100], request.args.get("kind", ""))
    after = request.args.get("after", type=int)
    fields = queries.fields_of(session, list_id)
    page = queries.people(session, list_id, wanted, after)
    return render_template(
        "contacts/show.html",
        list=found,
        page=page,
        wanted=wanted,
        by_number=search.is_number(wanted.words),
        next_url=_next_url(list_id, wanted, page.next),
        columns=[field for field in fields if field.kind not in ("name", "phone")][:_SHOWN_FIELDS],
        fields=fields,
        opted_out=search.opted_out_in(session, list_id, found.size),
        kinds=_KIND_WORDS,
        form=form,
    )


def _next_url(list_id: int, wanted: search.Filter, after: str | None) -> str | None:
    if after is None:
        return None
    return url_for("contacts.show", list_id=list_id, q=wanted.words or None, kind=wanted.kind or None, after=after)


@bp.post("/contacts/<int:list_id>/rename")
@guard("lists")
def rename(list_id: int) -> Response | tuple[str, int]:
    """Another name for a list."""
    form = ListForm()
    if not form.validate_on_submit():
        return show_list(list_id, form), 422
    try:
        with write_session() as session:
            service.rename(session, list_id, form.list_name.data)
            audit.record(session, "list.rename", f"list {list_id}", name=form.list_name.data)
    except UserError as error:
        show_fault(form, error)
        return show_list(list_id, form), 422
    flash(gettext("The list has a new name."), "success")
    return redirect(url_for("contacts.show", list_id=list_id), 303)


@bp.post("/contacts/<int:list_id>/delete")
@guard("lists")
def delete(list_id: int) -> Response:
    """The end of a list, unless something still needs it."""
    try:
        with write_session() as session:
            size = service.the_list(session, list_id).size
            service.delete_list(session, list_id)
            audit.record(session, "list.delete", f"list {list_id}", people=size)
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "error")
        return redirect(url_for("contacts.show", list_id=list_id), 303)
    services().jobs.start(PURGE)
    flash(gettext("The list is deleted. Its people are being erased; opt-outs are kept."), "success")
    return redirect(url_for("contacts.index"), 303)


@bp.get("/contacts/<int:list_id>/export.csv")
@guard("export")
def export(list_id: int) -> Response:
    """Everybody in a list as CSV, numbers in full."""
    with write_session() as session:
        found = service.the_list(session, list_id)
        fields = queries.fields_of(session, list_id)
        audit.record(session, "list.export", f"list {list_id}", people=found.size)
        name = fold(found.name) or f"list_{list_id}"
    header = [gettext("Name"), gettext("Number"), *(field.label for field in _own(fields))]
    lines = csv_lines(header, _rows(services().db, list_id, _own(fields)))
    answer = Response(lines, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _own(fields: list[ListField]) -> list[ListField]:
    return [field for field in fields if field.kind not in ("name", "phone")]


def _rows(db: Database, list_id: int, fields: list[ListField]) -> Iterator[list[object]]:
    with db.reading() as session:
        for people in queries.walk(session, list_id):
            for person in people:
                yield [person.name, exporting.number(person.number), *(person.fields.get(f.key, "") for f in fields)]

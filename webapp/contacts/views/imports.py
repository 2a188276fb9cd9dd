"""An import in the browser: upload, columns, check, consent, progress, result. Its page follows its state."""

from typing import BinaryIO, cast

from flask import flash, redirect, render_template, request, url_for
from flask_babel import get_locale, gettext
from flask_login import current_user
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import (
    commands,
    faults,
    proofs,
    queries,
    recall,
    service,
    suppressing,
    suppression,
    uploads,
)
from webapp.contacts.columns import KINDS, ROLES, Kind, Mapping, Role
from webapp.contacts.forms import ConsentForm, UploadForm
from webapp.contacts.jobs import IMPORT
from webapp.contacts.models import ContactList, Import
from webapp.contacts.sniffing import DELIMITERS, ENCODINGS
from webapp.contacts.states import BASES, STATES
from webapp.contacts.views import suppression as optout_pages
from webapp.contacts.views.blueprint import bp
from webapp.contacts.views.mending import chosen_reason, result_page
from webapp.core import phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session

PREVIEW_ROWS = 5
ROLE_WORDS: dict[str, str] = {
    "number": N_("Phone number"),
    "ddd": N_("Area code (DDD)"),
    "name": N_("Name of the person"),
    "field": N_("Field"),
    "skip": N_("Leave out"),
}
KIND_WORDS: dict[str, str] = {"text": N_("Text"), "number": N_("Number"), "date": N_("Date")}


@bp.get("/contacts/import")
@guard("lists")
def start_import() -> str:
    """Where a file is chosen or rows are pasted."""
    return _start_page(UploadForm())


def _start_page(form: UploadForm) -> str:
    session = read_session()
    list_id = request.args.get("list", type=int)
    target = service.the_list(session, list_id) if list_id else None
    return render_template(
        "contacts/start_import.html",
        form=form,
        target=target,
        recent=queries.recent_imports(session),
        states=STATES,
        limit=settings().upload_mb,
    )


@bp.post("/contacts/import")
@guard("lists")
def upload() -> Response | tuple[str, int]:
    """Keep what was sent and go to its page; reading goes on there."""
    form = UploadForm()
    sent = cast("FileStorage | None", form.file.data)
    try:
        found = _keep(sent if sent and sent.filename else None, form.pasted.data or "")
    except UserError as error:
        show_fault(form, error)
        return _start_page(form), 422
    _start_if_due(found)
    return redirect(url_for("contacts.show_import", import_id=found.id), 303)


def _keep(sent: FileStorage | None, pasted: str) -> Import:
    folder = settings().instance
    if sent is not None:
        path, name = uploads.keep(folder, cast(BinaryIO, sent.stream)), sent.filename or ""
    elif pasted.strip():
        path, name = uploads.keep_paste(folder, pasted), gettext("Pasted rows")
    else:
        raise UserError(N_("Choose a file or paste some rows."), field="file")
    with write_session() as session:
        target = _target(request.args.get("list", type=int))
        found = uploads.register(session, folder, path, name, current_user.id, new_list_name=target and target.name)
        audit.record(session, "import.upload", f"import {found.id}", bytes=found.total_bytes)
    return found


def _target(list_id: int | None) -> ContactList | None:
    return service.the_list(read_session(), list_id) if list_id else None


def _start_if_due(found: Import) -> None:
    if STATES[found.state].at_work:
        services().jobs.start(IMPORT, found.id)


@bp.get("/contacts/import/<int:import_id>")
@guard("lists")
def show_import(import_id: int) -> str:
    """The page of an import: what it shows depends on how far it is."""
    return _page(import_id)


def _page(import_id: int, form: ConsentForm | None = None, problem: str = "") -> str:
    found = uploads.the_import(read_session(), import_id)
    shown = {"found": found, "state": STATES[found.state], "problem": problem, "bases": BASES}
    if STATES[found.state].at_work:
        return render_template("contacts/import_working.html", **shown, progress=progress_of(found))
    if found.state == "uploaded":
        return _columns_page(found, shown)
    people = found.purpose == "people"
    if found.state == "ready":
        return _check_page(found, shown, form) if people else optout_pages.check_page(found)
    if found.state in ("done", "undone"):
        return result_page(found, shown) if people else optout_pages.result_page(found)
    return render_template("contacts/import_stopped.html", **shown)


def _columns_page(found: Import, shown: dict[str, object]) -> str:
    folder = settings().instance
    anew = request.args.get("columns") == "guess"
    mapping = uploads.guessed(folder, found) if anew else Mapping.from_json(found.mapping)
    words = ROLE_WORDS
    if found.purpose == suppression.PURPOSE:
        mapping = suppressing.numbers_only(mapping)
        words = {role: ROLE_WORDS[role] for role in ("number", "ddd", "skip")}
    rows = uploads.resample(folder, found)
    return render_template(
        "contacts/import_columns.html",
        **shown,
        mapping=mapping,
        anew=anew,
        rows=[cells for _, cells in rows[:PREVIEW_ROWS]],
        roles=words,
        kinds=KIND_WORDS,
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
    )


def _check_page(found: Import, shown: dict[str, object], form: ConsentForm | None) -> str:
    before = recall.list_before(read_session(), Mapping.from_json(found.mapping))
    suggested = found.new_list_name or before or found.filename.rsplit(".", 1)[0][:120]
    return render_template(
        "contacts/import_check.html",
        **shown,
        checked=found.checked,
        kinds=proofs.KINDS,
        form=form or ConsentForm(data={"list_name": suggested, "basis": "not_stated"}),
        names=queries.list_names(read_session()),
        repairs=phone.REPAIRS,
        reasons=faults.ROW,
    )


@bp.get("/contacts/import/<int:import_id>/progress")
@guard("lists")
def import_progress(import_id: int) -> Response:
    """The live box of a working import; once it has gone on, the browser is sent to its page."""
    found = uploads.the_import(read_session(), import_id)
    answer = Response(render_template("contacts/_progress.html", found=found, progress=progress_of(found)))
    if not STATES[found.state].at_work:
        answer.headers["HX-Redirect"] = url_for("contacts.show_import", import_id=import_id)
    return answer


def progress_of(found: Import) -> dict[str, object]:
    """How far a working import is: words, and a share of its bytes where that is known."""
    measured = found.state in ("checking", "importing") and found.total_bytes > 0 and found.rows > 0
    return {
        "label": STATES[found.state].label,
        "share": min(found.done_bytes / found.total_bytes, 1.0) if measured else None,
        "rows": found.rows if measured else None,
        "at_work": STATES[found.state].at_work,
    }


@bp.post("/contacts/import/<int:import_id>/shape")
@guard("lists")
def reshape_import(import_id: int) -> Response | tuple[str, int]:
    """Read the file again as a person says it is written."""
    asked = request.form
    try:
        with write_session() as session:
            uploads.reshape(
                session,
                settings().instance,
                import_id,
                asked.get("encoding", ""),
                asked.get("delimiter", ""),
                asked.get("has_header") == "1",
            )
    except UserError as error:
        return _page(import_id, problem=gettext(error.msgid, **error.values)), 422
    return redirect(url_for("contacts.show_import", import_id=import_id), 303)


@bp.post("/contacts/import/<int:import_id>/columns")
@guard("lists")
def check_import(import_id: int) -> Response | tuple[str, int]:
    """Fix what the columns mean and check the whole file."""
    roles, labels, kinds = _asked_columns()
    try:
        with write_session() as session:
            found = uploads.start_check(session, import_id, roles, labels, kinds)
    except UserError as error:
        return _page(import_id, problem=gettext(error.msgid, **error.values)), 422
    _start_if_due(found)
    return redirect(url_for("contacts.show_import", import_id=import_id), 303)


def _asked_columns() -> tuple[dict[int, Role], dict[int, str], dict[int, Kind]]:
    kinds: dict[int, Kind] = {}
    roles: dict[int, Role] = {}
    labels: dict[int, str] = {}
    for name, value in request.form.items():
        what, _, index = name.partition("-")
        if not index.isascii() or not index.isdecimal() or len(index) > 4:
            continue
        if what == "role" and value in ROLES:
            roles[int(index)] = value
        elif what == "kind" and value in KINDS:
            kinds[int(index)] = value
        elif what == "label":
            labels[int(index)] = value
    return roles, labels, kinds


@bp.post("/contacts/import/<int:import_id>/back")
@guard("lists")
def import_back(import_id: int) -> Response:
    """From the check back to the columns."""
    with write_session() as session:
        uploads.back_to_columns(session, import_id)
    return redirect(url_for("contacts.show_import", import_id=import_id), 303)


@bp.post("/contacts/import/<int:import_id>/confirm")
@guard("lists")
def confirm_import(import_id: int) -> Response | tuple[str, int]:
    """Import the checked file into a list."""
    form = ConsentForm()
    if not form.validate_on_submit():
        return _page(import_id, form), 422
    try:
        with proofs.kept(settings().instance, *form.sent_proof()) as proof, write_session() as session:
            stated = form.stated(proof)
            found = uploads.confirm(session, import_id, form.list_name.data, stated, current_user.id)
            audit.record(
                session,
                "import.start",
                f"import {import_id}",
                list=found.list_id,
                basis=stated.basis,
                proof=proof is not None,
            )
    except UserError as error:
        show_fault(form, error)
        return _page(import_id, form), 422
    _start_if_due(found)
    return redirect(url_for("contacts.show_import", import_id=import_id), 303)


@bp.post("/contacts/import/<int:import_id>/discard")
@guard("lists")
def discard_import(import_id: int) -> Response:
    """Give up an import that has not begun."""
    with write_session() as session:
        found = uploads.discard(session, settings().instance, import_id)
        audit.record(session, "import.discard", f"import {import_id}")
    if found.purpose == suppression.PURPOSE:
        flash(gettext("The file is gone; nobody was opted out."), "success")
        return redirect(url_for("contacts.optouts"), 303)
    flash(gettext("The file is gone; no list was changed."), "success")
    return redirect(url_for("contacts.start_import"), 303)


@bp.post("/contacts/import/<int:import_id>/undo")
@guard("lists")
def undo_import(import_id: int) -> Response:
    """Take a finished import back."""
    with write_session() as session:
        found = uploads.start_undo(session, import_id)
        audit.record(session, "import.undo", f"import {import_id}", list=found.list_id)
    _start_if_due(found)
    return redirect(url_for("contacts.show_import", import_id=import_id), 303)


@bp.get("/contacts/import/<int:import_id>/errors.csv")
@guard("export")
def import_errors(import_id: int) -> Response:
    """The wrong rows, or those of one reason, with line, column, reason and cure: to be mended and uploaded again."""
    reason = chosen_reason()
    chosen = queries.Chosen(reason) if reason else queries.ONLY_WRONG
    with write_session() as session:
        found = uploads.the_import(session, import_id)
        audit.record(session, "import.errors", f"import {import_id}", rows=found.rejected)
    db, locale = services().db, str(get_locale() or "en")

    def lines() -> object:
        with db.reading() as reading:
            yield from commands.fault_lines(reading, found, locale, chosen)

    answer = Response(lines(), mimetype="text/csv")  # type: ignore[arg-type]
    answer.headers["Content-Disposition"] = f'attachment; filename="import-{import_id}-errors.csv"'
    return answer

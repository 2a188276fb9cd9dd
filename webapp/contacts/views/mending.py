"""The result of an import, and its wrong rows mended in place: one reason at a time, a form a row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.contacts import consent, faults, mending, queries, uploads
from webapp.contacts.columns import Mapping
from webapp.contacts.models import ContactList, Import, ImportFault
from webapp.contacts.states import PURPOSES
from webapp.contacts.views.blueprint import bp
from webapp.core import phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, write_session

_CELL = "cell-"
OUTCOMES = {
    "imported": N_("Line %(line)s is in the list now."),
    "suppressed": N_("Line %(line)s is in the list now; the person asked not to be written to and will not be."),
    "duplicates": N_("Line %(line)s: this person came with another row of the file already, which counts."),
    "other": N_("Line %(line)s: somebody else has mended this row in the meantime."),
}


class Shown(NamedTuple):
    """One row of the table: as it stands, open for mending (`cells`), or done with (`outcome`)."""

    fault: ImportFault
    deed: mending.Deed
    reason: str
    cells: Sequence[mending.Cell] = ()
    at: int | None = None  # the cell that is wrong
    still: bool = False  # what was typed is wrong, too, for that reason
    refused: str = ""  # or it cannot be mended at all
    outcome: str = ""


def result_page(found: Import, shown: dict[str, object]) -> str:
    """What an import came to, and the rows that brought nobody in."""
    session = read_session()
    mapping = Mapping.from_json(found.mapping)
    chosen = chosen_reason()
    after = request.args.get("after", type=int)
    page = queries.faults(session, found.id, after, chosen=queries.Chosen(chosen))
    rows = [Shown(fault, mending.deed(fault, mapping), fault.reason) for fault in page.rows]
    counts = queries.fault_reasons(session, found.id)
    return render_template(
        "contacts/import_result.html",
        **shown,
        list=session.get(ContactList, found.list_id),
        stated=consent.of_import(session, found.id),
        purposes=PURPOSES,
        rows=_just_mended(found) + rows,
        next_url=url_for(".show_import", import_id=found.id, reason=chosen or None, after=page.next)
        if page.next
        else None,
        chosen=chosen,
        by_reason=counts,
        in_all=sum(count for _, count in counts),
        wrong=sum(count for reason, count in counts if reason != "duplicate"),
        **_words(),
    )


def chosen_reason() -> str:
    """The reason in the address, if it is one."""
    asked = request.values.get("reason", "")
    return asked if asked in faults.ROW else ""


def _words() -> dict[str, Any]:
    return {"repairs": phone.REPAIRS, "reasons": faults.ROW, "cut": faults.CUT, "outcomes": OUTCOMES}


def _just_mended(found: Import) -> list[Shown]:
    """The row that was mended a moment ago, in its place above those that follow it."""
    fault_id = request.args.get("mended", type=int)
    fault = read_session().get(ImportFault, fault_id) if fault_id else None
    if fault is None or fault.import_id != found.id or fault.mended_at is None:
        return []
    outcome = request.args.get("outcome", "")
    return [Shown(fault, "nothing", fault.reason, outcome=outcome if outcome in OUTCOMES else "imported")]


@bp.get("/contacts/import/<int:import_id>/rows/<int:fault_id>")
@guard("lists")
def mend_row(import_id: int, fault_id: int) -> str:
    """The form in which one wrong row is mended."""
    return _row_now(import_id, fault_id)


def _row_now(import_id: int, fault_id: int, typed: dict[int, str] | None = None, **changed: Any) -> str:
    session = read_session()
    found, fault = uploads.the_import(session, import_id), mending.the_fault(session, import_id, fault_id)
    mapping = Mapping.from_json(found.mapping)
    deed = mending.deed(fault, mapping)
    if found.state != "done":
        deed, changed["refused"] = "nothing", gettext(mending.NOT_DONE)
    cells = mending.cells_of(fault, mapping, typed) if deed == "mend" else []
    label, reason = changed.pop("label", fault.column), changed.pop("reason", fault.reason)
    outcome = changed.pop("outcome", "other" if fault.mended_at else "")
    row = Shown(fault, deed, reason, cells, _place(cells, label), outcome=outcome, **changed)
    return render_template("contacts/mend_row.html", found=found, row=row, chosen=chosen_reason(), **_words())


def _place(cells: Sequence[mending.Cell], label: str) -> int | None:
    """Which of the cells is wrong: the column that the fault names, or the first value too many."""
    places = [cell.place for cell in cells if (cell.label == label if label else cell.extra)]
    return places[0] if places else None


@bp.post("/contacts/import/<int:import_id>/rows/<int:fault_id>")
@guard("lists")
def save_row(import_id: int, fault_id: int) -> Response | tuple[str, int]:
    """Put the mended row into the list; the form again where it is still wrong."""
    typed = _typed()
    try:
        with write_session() as session:
            result = mending.mend(session, import_id, fault_id, typed)
            if isinstance(result, mending.Mended):
                said = f"import {import_id}"
                audit.record(session, "import.mend", said, line=result.line, outcome=result.outcome)
    except mending.AlreadyMended:
        return _row_now(import_id, fault_id, outcome="other"), 422
    except UserError as error:
        return _row_now(import_id, fault_id, typed, refused=gettext(error.msgid, **error.values)), 422
    if isinstance(result, mending.Mended):
        return redirect(_back(import_id, fault_id, result.outcome), 303)
    return _row_now(import_id, fault_id, typed, label=result.column, reason=result.reason, still=True), 422


def _typed() -> dict[int, str]:
    """What was typed, by the place of its cell."""
    named = ((name.removeprefix(_CELL), value) for name, value in request.form.items() if name.startswith(_CELL))
    return {int(place): value for place, value in named if place.isdecimal() and len(place) < 6}


def _back(import_id: int, fault_id: int, outcome: str) -> str:
    """The result from that row on, so that the next wrong one is at hand."""
    return url_for(
        ".show_import",
        import_id=import_id,
        reason=chosen_reason() or None,
        after=fault_id - 1,
        mended=fault_id,
        outcome=outcome,
        _anchor=f"fault-{fault_id}",
    )

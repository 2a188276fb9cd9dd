"""One person by their number: what is held, a copy of it, and its erasure. Numbers never stand in an address."""

from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from flask import current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response

from webapp.accounts import audit, queries
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.admin import dossier, erasure, parts, words
from webapp.admin.forms import EraseForm, FindForm, LiftErasedForm
from webapp.admin.jobs import ERASE
from webapp.admin.models import Erasure
from webapp.admin.views.blueprint import bp
from webapp.contacts.views.blueprint import bad_number, handle
from webapp.core import clock, phone
from webapp.core.dossier import Section
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.optouts import erased
from webapp.optouts.models import Erased


@dataclass(frozen=True, slots=True)
class Found:
    """A number and what is held of it; `handled` stands for the number in forms."""

    number: int
    handled: str
    held: list[Section]
    stone: Erased | None
    under_way: Erasure | None

    @property
    def is_unknown(self) -> bool:
        """Nothing is held, unless it is the tombstone."""
        return not self.held


@bp.get("/admin/privacy")
@guard("admin")
def privacy() -> str:
    """Find a person, and what became of earlier requests."""
    return _page(FindForm())


def _page(
    find: FindForm, found: Found | None = None, erase: EraseForm | None = None, lift: LiftErasedForm | None = None
) -> str:
    session = read_session()
    rows = erasure.latest(session)
    people = {person.id: person.name for person in queries.people(session)} if rows else {}
    return render_template(
        "admin/privacy.html",
        find=find,
        found=found,
        erase=erase or EraseForm(formdata=None),
        lift=lift or LiftErasedForm(formdata=None, prefix="lift"),
        erasures=rows,
        states=words.ERASURES,
        waits=words.ERASURE_WAITS,
        people=people,
    )


def _found(number: int) -> Found:
    session = read_session()
    held = [each for each in parts.tell(session, settings().instance, number, 0) if each.total and each.key != "erased"]
    stone = erased.of_person(session, number)
    return Found(number, handle(number), held, stone, erasure.open_of(session, number))


def _number() -> int:
    """The number behind the form's handle; NotFound for one that is not ours."""
    try:
        return int(services().box.decrypt(request.form.get("person", "").encode()))
    except (InvalidToken, ValueError) as error:
        raise NotFound(N_("Look for the person again: this page is too old.")) from error


def _note(action: str, number: int) -> None:
    with write_session() as session:
        audit.record(session, action, person=erased.mark_of(session, number))


@bp.post("/admin/privacy")
@guard("admin")
def find_person() -> str | tuple[str, int]:
    """What is held of a number, by kind."""
    form = FindForm()
    if not form.validate():
        return _page(form), 422
    parsed = phone.parse(form.number.data)
    if isinstance(parsed, phone.Bad):
        form.number.errors = [bad_number(parsed)]
        return _page(form), 422
    _note("privacy.find", parsed.number)
    return _page(form, _found(parsed.number))


@bp.post("/admin/privacy/export")
@guard("admin")
def export_person() -> Response:
    """Everything that is held of a person, to hand to them."""
    number, now = _number(), clock.now()
    _note("privacy.export", number)
    sections = parts.tell(read_session(), settings().instance, number, dossier.MOST)
    sheet = render_template(
        "admin/dossier.html", number=number, sections=[each for each in sections if each.total], made_at=now,
        most=dossier.MOST, style=_style(),
    )  # fmt: skip
    answer = Response(dossier.as_zip(sheet, dossier.as_json(number, sections, now)), mimetype="application/zip")
    day = clock.aware(now).date().isoformat()
    answer.headers["Content-Disposition"] = f'attachment; filename="recado-{day}.zip"'
    return answer


def _style() -> Markup:
    """The sheet leaves Recado, so it carries its looks with it."""
    with current_app.open_resource("static/dossier.css", "r") as file:
        return Markup("<style>{}</style>").format(Markup(file.read()))  # noqa: S704 - a file of ours


@bp.post("/admin/privacy/erase")
@guard("admin")
def erase_person() -> Response | tuple[str, int]:
    """Erase a person for good, with the reason."""
    number, form = _number(), EraseForm()
    if not form.validate() or not _confirmed(form, number):
        return _page(FindForm(formdata=None), _found(number), form), 422
    try:
        with write_session() as session:
            found, new = erasure.request(session, number, form.reason.data, current_user.id)
            if new:
                audit.record(session, "privacy.erase", f"erasure {found.id}", person=found.mark, reason=found.reason)
    except UserError as error:
        show_fault(form, error)
        return _page(FindForm(formdata=None), _found(number), form), 422
    services().jobs.start(ERASE, found.id)
    with services().db.reading() as session:
        state = session.get_one(Erasure, found.id).state
    if not new:
        flash(gettext("This person's erasure is under way already."), "info")
    elif state == "done":
        flash(gettext("The person is erased."), "success")
    else:
        flash(gettext("The erasure has begun. It goes on by itself; this page shows when it is done."), "info")
    return redirect(url_for("admin.privacy"), 303)


def _confirmed(form: EraseForm, number: int) -> bool:
    if (form.digits.data or "").strip() == f"{number % 10_000:04}":
        return True
    form.digits.errors = [gettext("These are not the last four digits of this number.")]
    return False


@bp.post("/admin/privacy/lift")
@guard("admin")
def lift_erased() -> Response | tuple[str, int]:
    """Let the number of somebody who was erased be taken in again, with the reason."""
    number, form = _number(), LiftErasedForm(prefix="lift")
    if not form.validate():
        return _page(FindForm(formdata=None), _found(number), lift=form), 422
    try:
        with write_session() as session:
            why = erasure.clean_reason(session, number, form.reason.data)
            if erasure.open_of(session, number) is not None:
                raise UserError(N_("The erasure is still under way. Wait until it is done."), field="reason")
            lifted = erased.lift(session, number, clock.now(), reason=why, person_id=current_user.id)
            if lifted:
                audit.record(session, "privacy.lift", person=erased.mark_of(session, number), reason=why)
    except UserError as error:
        show_fault(form, error)
        return _page(FindForm(formdata=None), _found(number), lift=form), 422
    shown = phone.mask(number)
    if lifted:
        flash(gettext("%(number)s is accepted again. What was erased stays out.", number=shown), "success")
    else:
        flash(gettext("Nothing kept %(number)s out.", number=shown), "info")
    return redirect(url_for("admin.privacy"), 303)

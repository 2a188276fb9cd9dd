"""Who must not be written to: look, add, lift with a reason, bring in a list."""

from typing import BinaryIO, cast

from cryptography.fernet import InvalidToken
from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import suppression, uploads
from webapp.contacts.forms import LiftForm, OptOutForm, SuppressionForm
from webapp.contacts.views.blueprint import bad_number, bp, handle
from webapp.core import phone
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.messages import outbox
from webapp.optouts import queries, service

ORIGINS = {
    "reply": N_("asked by reply"),
    "hand": N_("added by a colleague"),
    "import": N_("from a suppression list"),
    "erasure": N_("is being erased"),
}


def _suppression_form() -> SuppressionForm:
    return SuppressionForm(prefix="list")  # two forms on one page: ids must differ


def number_of(handled: str) -> int:
    """The number behind a handle; NotFound for one that is not ours."""
    try:
        return int(services().box.decrypt(handled.encode()))
    except (InvalidToken, ValueError) as error:
        raise NotFound(N_("This person is not opted out any more.")) from error


@bp.get("/contacts/opt-outs")
@guard("optout.add")
def optouts() -> str:
    """Everybody who must not be written to, the latest first."""
    return _page(OptOutForm(), _suppression_form())


def _page(form: OptOutForm, upload: SuppressionForm) -> str:
    session = read_session()
    digits = "".join(c for c in request.args.get("q", "") if c in "0123456789")
    wanted = queries.Filter(request.args.get("origin", ""), digits)
    page = queries.page(session, wanted, request.args.get("after"))
    return render_template(
        "contacts/optouts.html",
        page=page,
        wanted=wanted,
        total=queries.count(session),
        next_url=url_for(".optouts", q=digits, origin=wanted.origin, after=page.next) if page.next else None,
        origins=ORIGINS,
        form=form,
        upload=upload,
        handle=handle,
        names=queries.names_of(session, [row.person_id for row in page.rows if row.person_id]),
    )


@bp.post("/contacts/opt-outs")
@guard("optout.add")
def add_optout() -> Response | tuple[str, int]:
    """Opt somebody out by hand; what was waiting to leave to them does not leave."""
    form = OptOutForm()
    if not form.validate_on_submit():
        return _page(form, _suppression_form()), 422
    found = phone.parse(form.number.data)
    if isinstance(found, phone.Bad):
        form.number.errors = [bad_number(found)]
        return _page(form, _suppression_form()), 422
    reason = (form.reason.data or "").strip() or gettext("added by hand")
    with write_session() as session:
        new = service.add(session, found.number, origin="hand", reason=reason, person_id=current_user.id)
        outbox.suppress(session, found.number)
        audit.record(session, "optout.add", detail_of(found.number))
    shown = phone.mask(found.number)
    if new:
        flash(gettext("%(number)s will not be written to any more.", number=shown), "success")
    else:
        flash(gettext("%(number)s was opted out already.", number=shown), "info")
    return redirect(url_for("contacts.optouts"), 303)


def detail_of(number: int) -> str:
    """A person in the audit trail: by the last digits, never by the number."""
    return f"optout …{number % 10_000:04}"


@bp.get("/contacts/opt-outs/<handled>")
@guard("optout.add")
def optout(handled: str) -> str:
    """One person's opt-out with everything that happened to it."""
    return _one_page(handled, LiftForm())


def _one_page(handled: str, form: LiftForm) -> str:
    number = number_of(handled)
    session = read_session()
    history = queries.history(session, number)
    people = [event.person_id for event in history if event.person_id]
    return render_template(
        "contacts/optout.html",
        number=number,
        rows=queries.of_person(session, number),
        history=history,
        origins=ORIGINS,
        names=queries.names_of(session, people),
        handled=handled,
        form=form,
    )


@bp.post("/contacts/opt-outs/<handled>/lift")
@guard("optout.lift")
def lift_optout(handled: str) -> Response | tuple[str, int]:
    """Allow writing to somebody again, with the reason."""
    form = LiftForm()
    number = number_of(handled)
    if not form.validate_on_submit():
        return _one_page(handled, form), 422
    channel = request.form.get("channel", "all")[:12]
    with write_session() as session:
        lifted = service.lift(
            session, number, channel=channel, reason=form.reason.data.strip(), person_id=current_user.id
        )
        audit.record(session, "optout.lift", detail_of(number), reason=form.reason.data.strip())
    if not lifted:
        flash(gettext("This person is not opted out any more."), "info")
    else:
        flash(gettext("%(number)s may be written to again.", number=phone.mask(number)), "success")
    return redirect(url_for("contacts.optouts"), 303)


@bp.post("/contacts/opt-outs/import")
@guard("lists")
def import_optouts() -> Response | tuple[str, int]:
    """Opt out everybody in a file or a pasted block."""
    form = _suppression_form()
    if not form.validate_on_submit():
        return _page(OptOutForm(), form), 422
    try:
        result = _suppress(form)
    except UserError as error:
        show_fault(form, error)
        return _page(OptOutForm(), form), 422
    flash(
        gettext(
            "%(added)s people added; %(known)s were opted out already, %(wrong)s rows held no number.",
            added=result.added,
            known=result.known,
            wrong=result.wrong,
        ),
        "success" if result.added or result.known else "warning",
    )
    return redirect(url_for("contacts.optouts"), 303)


def _suppress(form: SuppressionForm) -> suppression.Suppressed:
    folder = settings().instance
    sent = form.file.data
    if sent and sent.filename:
        path = uploads.keep(folder, cast(BinaryIO, sent.stream))
    elif (form.pasted.data or "").strip():
        path = uploads.keep_paste(folder, form.pasted.data)
    else:
        raise UserError(N_("Choose a file or paste some rows."), field="file")
    try:
        with write_session() as session:
            result = suppression.suppress(session, path, reason=form.reason.data, person_id=current_user.id)
            audit.record(session, "optout.import", "opt-outs", added=result.added, reason=form.reason.data)
    finally:
        path.unlink(missing_ok=True)
    return result

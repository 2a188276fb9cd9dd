"""Why one person may be written to: stated by hand, taken back, its proof handed out."""

from pathlib import PurePosixPath

from flask import flash, redirect, render_template, send_from_directory, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import consent, proofs, service, suppression
from webapp.contacts.forms import StatementForm, WithdrawForm
from webapp.contacts.states import NOT_STATED
from webapp.contacts.views.blueprint import bp
from webapp.contacts.views.people import the_person
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, settings, write_session

Answer = Response | tuple[str, int]


def _page(list_id: int, contact_id: int, form: StatementForm | WithdrawForm) -> str:
    return render_template(
        "contacts/consent.html",
        person=the_person(list_id, contact_id),
        list=service.the_list(read_session(), list_id),
        form=form,
        withdrawing=isinstance(form, WithdrawForm),
        kinds=proofs.KINDS,
    )


def _back(list_id: int, contact_id: int) -> Response:
    return redirect(url_for("contacts.person", list_id=list_id, contact_id=contact_id, _anchor="consent"), 303)


@bp.get("/contacts/<int:list_id>/people/<int:contact_id>/consent")
@guard("lists")
def consent_form(list_id: int, contact_id: int) -> str:
    """The form for what a person said, or for another ground."""
    return _page(list_id, contact_id, StatementForm(data={"basis": "consent"}))


@bp.post("/contacts/<int:list_id>/people/<int:contact_id>/consent")
@guard("lists")
def record_consent(list_id: int, contact_id: int) -> Answer:
    """Keep one more statement about a person; what was stated before stays in the history."""
    found = the_person(list_id, contact_id)
    form = StatementForm()
    if not form.validate_on_submit():
        return _page(list_id, contact_id, form), 422
    try:
        if form.basis.data == NOT_STATED:
            raise UserError(N_("Choose why you may write to this person."), field="basis")
        if form.basis.data == "consent" and form.consent_date.data is None:
            raise UserError(N_("Say when the consent was given."), field="consent_date")
        with proofs.kept(settings().instance, *form.sent_proof()) as proof, write_session() as session:
            stated = form.stated(proof)
            statement_id = consent.record(session, found.number, stated, current_user.id)
            audit.record(
                session,
                "consent.record",
                f"contact {contact_id}",
                statement=statement_id,
                basis=stated.basis,
                purpose=stated.purpose,
                proof=proof is not None,
            )
    except UserError as error:
        show_fault(form, error)
        return _page(list_id, contact_id, form), 422
    flash(gettext("Saved."), "success")
    return _back(list_id, contact_id)


@bp.get("/contacts/<int:list_id>/people/<int:contact_id>/withdraw")
@guard("lists")
def withdraw_form(list_id: int, contact_id: int) -> str:
    """The form for what a person takes back."""
    return _page(list_id, contact_id, WithdrawForm())


@bp.post("/contacts/<int:list_id>/people/<int:contact_id>/withdraw")
@guard("lists")
def withdraw_consent(list_id: int, contact_id: int) -> Answer:
    """Keep that a person took their consent back; for marketing that closes the channels, and what waits is stopped."""
    found = the_person(list_id, contact_id)
    form = WithdrawForm()
    if not form.validate_on_submit():
        return _page(list_id, contact_id, form), 422
    purpose, reason = form.purpose.data, form.reason.data.strip()
    try:
        with write_session() as session:
            closed = consent.withdraw(session, found.number, purpose, form.channels.data, reason, current_user.id)
            for channel in closed:
                suppression.stop_waiting(session, settings().gateway_dialect, found.number, channel)
            audit.record(
                session,
                "consent.withdraw",
                f"contact {contact_id}",
                purpose=purpose,
                channels=form.channels.data,
                opted_out=bool(closed),
            )
    except UserError as error:
        show_fault(form, error)
        return _page(list_id, contact_id, form), 422
    if closed:
        flash(gettext("The consent is withdrawn, and nothing more is sent there."), "success")
    else:
        flash(gettext("The consent is withdrawn."), "success")
    return _back(list_id, contact_id)


@bp.get("/contacts/consent/<int:statement_id>/proof")
@guard("lists")
def consent_proof(statement_id: int) -> Response:
    """The file that proves a statement, to be saved and never shown in our pages; that somebody took it is noted."""
    found = consent.the_statement(read_session(), statement_id)
    if found is None or found.proof_path is None or not (settings().instance / found.proof_path).is_file():
        raise NotFound(N_("There is no proof here."))
    with write_session() as session:
        audit.record(session, "consent.proof", f"consent {statement_id}")
    return send_from_directory(
        (settings().instance / proofs.FOLDER).resolve(),
        PurePosixPath(found.proof_path).name,
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=found.proof_name,
    )

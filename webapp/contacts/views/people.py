"""One person of a list: added by hand, looked at, shown in full, taken out."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.contacts import consent, queries, service
from webapp.contacts.consent import Consent
from webapp.contacts.forms import PersonForm
from webapp.contacts.models import Contact
from webapp.contacts.states import BASES, PURPOSES, WITHDRAWN
from webapp.contacts.views.blueprint import bad_number, bp, handle
from webapp.core import phone
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, write_session
from webapp.optouts import queries as optouts
from webapp.optouts.models import CHANNELS

_PREFIX = "field-"


@bp.get("/contacts/<int:list_id>/add")
@guard("lists")
def add(list_id: int) -> str:
    """The form for one more person."""
    return _form_page(list_id, PersonForm(), {})


def _form_page(list_id: int, form: PersonForm, values: dict[str, str], person: Contact | None = None) -> str:
    session = read_session()
    found = service.the_list(session, list_id)
    fields = [field for field in queries.fields_of(session, list_id) if field.kind not in ("name", "phone")]
    return render_template("contacts/add.html", list=found, form=form, fields=fields, values=values, person=person)


def _entered(list_id: int) -> dict[str, str]:
    """The values of the list's own fields in the form that was sent."""
    allowed = {field.key for field in queries.fields_of(read_session(), list_id)}
    entered = {name.removeprefix(_PREFIX): value for name, value in request.form.items() if name.startswith(_PREFIX)}
    return {key: value for key, value in entered.items() if key in allowed}


@bp.post("/contacts/<int:list_id>/add")
@guard("lists")
def add_person(list_id: int) -> Response | tuple[str, int]:
    """Put one person into the list, or bring who is in it already up to date."""
    form = PersonForm()
    values = _entered(list_id)
    if not form.validate_on_submit():
        return _form_page(list_id, form, values), 422
    number = phone.parse(form.number.data)
    if isinstance(number, phone.Bad):
        form.number.errors = [bad_number(number)]
        return _form_page(list_id, form, values), 422
    try:
        with write_session() as session:
            person = service.add_person(session, list_id, number, form.name.data or "", values)
            stated = Consent(form.basis.data, form.source.data or "", form.consent_date.data)
            consent.record(session, number.number, stated, current_user.id)
            audit.record(session, "contact.add", f"contact {person.id}", list=list_id)
    except UserError as error:
        show_fault(form, error)
        return _form_page(list_id, form, values), 422
    flash(gettext("Saved."), "success")
    return redirect(url_for("contacts.person", list_id=list_id, contact_id=person.id), 303)


@bp.get("/contacts/<int:list_id>/people/<int:contact_id>/edit")
@guard("lists")
def edit(list_id: int, contact_id: int) -> str:
    """The form with what a list says about a person."""
    found = the_person(list_id, contact_id)
    return _form_page(list_id, PersonForm(data={"name": found.name}), found.fields, found)


@bp.post("/contacts/<int:list_id>/people/<int:contact_id>/edit")
@guard("lists")
def change_person(list_id: int, contact_id: int) -> Response | tuple[str, int]:
    """Change what a list says about a person; their number stays."""
    found = the_person(list_id, contact_id)
    form = PersonForm(number=phone.display(found.number))
    values = _entered(list_id)
    try:
        with write_session() as session:
            service.change_person(session, list_id, contact_id, form.name.data or "", values)
            audit.record(session, "contact.change", f"contact {contact_id}", list=list_id)
    except UserError as error:
        show_fault(form, error)
        return _form_page(list_id, form, values, found), 422
    flash(gettext("Saved."), "success")
    return redirect(url_for("contacts.person", list_id=list_id, contact_id=contact_id), 303)


@bp.get("/contacts/<int:list_id>/people/<int:contact_id>")
@guard("lists")
def person(list_id: int, contact_id: int) -> str:
    """Everything we hold about a person in this list, their number masked."""
    return _person_page(list_id, contact_id, revealed=False)


def the_person(list_id: int, contact_id: int) -> Contact:
    """Somebody in a list; NotFound where they are not in it any more."""
    found = queries.person(read_session(), list_id, contact_id)
    if found is None:
        raise NotFound(N_("This person is not in the list any more."))
    return found


def _person_page(list_id: int, contact_id: int, *, revealed: bool) -> str:
    session = read_session()
    found = the_person(list_id, contact_id)
    fields = [field for field in queries.fields_of(session, list_id) if field.kind not in ("name", "phone")]
    entries = consent.ledger(session, found.number)
    out = optouts.of_person(session, found.number)
    return render_template(
        "contacts/person.html",
        person=found,
        list=service.the_list(session, list_id),
        fields=fields,
        lists=queries.lists_of(session, found.number),
        imports=queries.imports_of(session, found),
        entries=entries,
        standings=consent.standings(entries, {row.channel for row in out}),
        bases=BASES,
        purposes=PURPOSES,
        withdrawn=WITHDRAWN,
        optouts=out,
        history=optouts.history(session, found.number),
        channels=CHANNELS,
        revealed=revealed,
        handled=handle(found.number),
    )


@bp.post("/contacts/<int:list_id>/people/<int:contact_id>/reveal")
@guard("reveal")
def reveal(list_id: int, contact_id: int) -> str:
    """The number in full; that somebody looked is noted."""
    found = the_person(list_id, contact_id)
    with write_session() as session:
        audit.record(session, "contact.reveal", f"contact {found.id}")
    return _person_page(list_id, contact_id, revealed=True)


@bp.post("/contacts/<int:list_id>/people/<int:contact_id>/remove")
@guard("lists")
def remove(list_id: int, contact_id: int) -> Response:
    """Take a person out of this list."""
    with write_session() as session:
        service.remove_person(session, list_id, contact_id)
        audit.record(session, "contact.remove", f"contact {contact_id}", list=list_id)
    flash(gettext("The person is out of this list."), "success")
    return redirect(url_for("contacts.show", list_id=list_id), 303)

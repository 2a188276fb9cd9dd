"""People and their roles."""

from collections.abc import Callable

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts import audit, queries, service
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.accounts.models import Person
from webapp.accounts.permissions import ROLES
from webapp.admin.forms import InviteForm, RoleForm, role_choices
from webapp.admin.views.blueprint import bp
from webapp.core.errors import UserError
from webapp.core.web import read_session, write_session


@bp.get("/admin/people")
@guard("admin")
def people() -> str:
    """Everybody who has access, and the form that invites somebody."""
    return _people(_invite_form())


def _people(form: InviteForm) -> str:
    session = read_session()
    return render_template(
        "admin/people.html", form=form, people=queries.people(session), links=queries.open_links(session), roles=ROLES
    )


def _invite_form() -> InviteForm:
    form = InviteForm()
    form.role.choices = role_choices()
    return form


@bp.post("/admin/people")
@guard("admin")
def invite() -> str | tuple[str, int]:
    """Create somebody and show their one-time link; it is shown here and never again."""
    form = _invite_form()
    if not form.validate():
        return _people(form), 422
    try:
        with write_session() as session:
            person = service.create(session, form.email.data, form.role.data, name=form.name.data or "")
            token = service.invite(session, person)
            audit.record(session, "person.create", f"person {person.id}", role=person.role)
    except UserError as error:
        show_fault(form, error)
        return _people(form), 422
    return _link_page(person, token)


def _link_page(person: Person, token: str) -> str:
    link = url_for("accounts.welcome", token=token, _external=True)
    return render_template("admin/link.html", person=person, link=link)


@bp.get("/admin/people/<int:person_id>")
@guard("admin")
def person(person_id: int) -> str:
    """One person: role, sign-ins, link, access."""
    return _person(queries.person(read_session(), person_id))


def _person(somebody: Person, form: RoleForm | None = None) -> str:
    if form is None:
        form = RoleForm(formdata=None, role=somebody.role)
        form.role.choices = role_choices()
    session = read_session()
    return render_template(
        "admin/person.html",
        person=somebody,
        form=form,
        roles=ROLES,
        link_until=queries.open_links(session).get(somebody.id),
        sessions=queries.open_sessions(session, somebody.id),
        is_self=somebody.id == current_user.id,
    )


@bp.post("/admin/people/<int:person_id>/role")
@guard("admin")
def change_role(person_id: int) -> Response | tuple[str, int]:
    """Another role; the person signs in again."""
    somebody = queries.person(read_session(), person_id)
    form = RoleForm()
    form.role.choices = role_choices()
    if not form.validate():
        return _person(somebody, form), 422
    try:
        with write_session() as session:
            somebody = queries.person(session, person_id)
            before = somebody.role
            if service.change_role(session, somebody, form.role.data, by=current_user.id):
                audit.record(session, "person.role", f"person {person_id}", before=before, after=somebody.role)
    except UserError as error:
        show_fault(form, error)
        return _person(queries.person(read_session(), person_id), form), 422
    flash(gettext("The role of %(name)s is saved.", name=somebody.name), "success")
    return redirect(url_for("admin.person", person_id=person_id), 303)


@bp.post("/admin/people/<int:person_id>/disable")
@guard("admin")
def disable(person_id: int) -> Response:
    """Keep somebody out from now on."""

    def deed(session: Session, somebody: Person) -> bool:
        return service.disable(session, somebody, by=current_user.id)

    return _switch(person_id, deed, "person.disable", gettext("Access ended, and every sign-in with it."))


@bp.post("/admin/people/<int:person_id>/enable")
@guard("admin")
def enable(person_id: int) -> Response:
    """Let somebody in again."""
    return _switch(person_id, service.enable, "person.enable", gettext("Access restored."))


def _switch(person_id: int, deed: Callable[[Session, Person], bool], action: str, said: str) -> Response:
    queries.person(read_session(), person_id)
    try:
        with write_session() as session:
            if deed(session, queries.person(session, person_id)):
                audit.record(session, action, f"person {person_id}")
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "error")
    else:
        flash(said, "success")
    return redirect(url_for("admin.person", person_id=person_id), 303)


@bp.post("/admin/people/<int:person_id>/link")
@guard("admin")
def new_link(person_id: int) -> str | Response:
    """A new one-time link; the ones before it stop working."""
    with write_session() as session:
        somebody = queries.person(session, person_id)
        if somebody.disabled_at:
            flash(gettext("Restore the access first."), "error")
            return redirect(url_for("admin.person", person_id=person_id), 303)
        token = service.invite(session, somebody)
        audit.record(session, "person.link", f"person {person_id}")
    return _link_page(somebody, token)

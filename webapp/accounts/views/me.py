"""Everybody's own page: settings, look, language, password, open sessions."""

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from webapp.accounts import audit, login, passwords, queries, service, sessions, tries
from webapp.accounts.forms import PasswordForm, SettingsForm, show_fault
from webapp.accounts.guards import guard, public
from webapp.accounts.permissions import ROLES
from webapp.accounts.views.blueprint import bp
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import LOCALES
from webapp.core.secrets import fingerprint
from webapp.core.security import own_path
from webapp.core.web import read_session, settings, write_session

YEAR = 365 * 86_400  # seconds


@bp.post("/theme")
@guard("signed_in")
def theme() -> Response:
    """Light or dark; the page that was pressed on comes back in it."""
    chosen = request.form.get("theme", "")
    if chosen not in service.THEMES:
        abort(400)
    with write_session() as session:
        service.change_settings(queries.person(session, current_user.id), theme=chosen)
    return _remember(redirect(_page_pressed_on(), 303), "theme", chosen)


@bp.post("/language")
@public
def language() -> Response:
    """Another language: kept with the person, and in this browser for the pages before the login."""
    chosen = request.form.get("locale", "")
    if chosen not in LOCALES:
        abort(400)
    if current_user.is_authenticated:
        with write_session() as session:
            service.change_settings(queries.person(session, current_user.id), locale=chosen)
    return _remember(redirect(_page_pressed_on(), 303), "locale", chosen)


def _page_pressed_on() -> str:
    """The page that the form names, or the one above it where that one only answers to a form (a revealed secret)."""
    path = own_path(request.form.get("next"), url_for("home"))
    while path.count("/") > 1 and not _can_be_opened(path):
        path = path.partition("?")[0].rpartition("/")[0]
    return path if _can_be_opened(path) else url_for("home")


def _can_be_opened(path: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    try:
        return adapter is not None and bool(adapter.match(path.partition("?")[0], method="GET"))
    except HTTPException:
        return False


def _remember(answer: Response, name: str, value: str) -> Response:
    secure = request.is_secure or settings().public_url.startswith("https://")
    answer.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=secure)
    return answer


@bp.post("/me/keep")
@guard("signed_in")
def keep() -> Response:
    """Stay signed in: to ask is enough, as every request of a person's hand moves the end on."""
    return Response(status=204)


@bp.get("/me")
@guard("signed_in")
def me() -> tuple[str, int]:
    """One's own settings, password and sign-ins."""
    return _page()


@bp.post("/me")
@guard("signed_in")
def save_me() -> Response | tuple[str, int]:
    """Save one's own settings."""
    form = _settings_form(sent=True)
    if not form.validate():
        return _page(422, settings_form=form)
    values = {field.name: field.data for field in form if field.name != "csrf_token"}
    values["locale"], values["timezone"] = values["locale"] or None, values["timezone"] or None
    try:
        with write_session() as session:
            service.change_settings(queries.person(session, current_user.id), **values)
    except UserError as error:
        show_fault(form, error)
        return _page(422, settings_form=form)
    flash(gettext("Settings saved."), "success")
    answer = redirect(url_for("accounts.me"), 303)
    return _remember(answer, "theme", str(values["theme"]))


@bp.post("/me/password")
@guard("signed_in")
def change_password() -> Response | tuple[str, int]:
    """Another password: every sign-in ends, and this browser gets a new one."""
    form = PasswordForm()
    if not form.validate():
        return _page(422, password_form=form)
    wait = _present_password_fault(form.present.data)
    if wait:
        form.present.errors = [*form.present.errors, wait]
        return _page(422, password_form=form)
    try:
        with write_session() as session:
            person = queries.person(session, current_user.id)
            service.set_password(session, person, form.password.data)
            tries.forget(session, _account())
            audit.record(session, "person.password", f"person {person.id}")
            token = sessions.start_session(session, person, request.remote_addr or "", request.user_agent.string)
    except UserError as error:
        show_fault(form, error)
        return _page(422, password_form=form)
    login.enter(token)
    flash(gettext("Password changed. Your other sign-ins have ended."), "success")
    return redirect(url_for("accounts.me"), 303)


def _account() -> str:
    return fingerprint(str(current_app.secret_key), current_user.email)


def _present_password_fault(password: str) -> str | None:
    """Why the password typed as one's present one does not do; tries are counted as those of the login are."""
    with write_session() as session:
        counted = tries.count(session, _account(), request.remote_addr or "")
        stored = service.stored_hash(session, current_user.email)
    if isinstance(counted, tries.Wait):
        return str(
            ngettext("Too many tries. Wait %(num)s second.", "Too many tries. Wait %(num)s seconds.", counted.seconds)
        )
    return None if passwords.matches(stored, password) else gettext("That is not your password.")


@bp.post("/me/sessions/<int:session_id>/end")
@guard("signed_in")
def end_session(session_id: int) -> Response:
    """End one of one's own sign-ins; ending the one that asks is signing out."""
    with write_session() as session:
        if not sessions.end_sessions(session, current_user.id, only=session_id):
            raise NotFound("This sign-in has ended already.")
        audit.record(session, "session.end", f"person {current_user.id}")
    if session_id == current_user.session_id:
        login.leave()
        return redirect(url_for("accounts.login"), 303)
    flash(gettext("That sign-in has ended."), "success")
    return redirect(url_for("accounts.me"), 303)


@bp.post("/me/sessions/end-others")
@guard("signed_in")
def end_other_sessions() -> Response:
    """End every sign-in of one's own but the one that asks."""
    with write_session() as session:
        ended = sessions.end_sessions(session, current_user.id, but=current_user.session_id)
        if ended:
            audit.record(session, "session.end_others", f"person {current_user.id}", ended=ended)
    flash(gettext("Your other sign-ins have ended."), "success")
    return redirect(url_for("accounts.me"), 303)


def _settings_form(*, sent: bool = False) -> SettingsForm:
    person = queries.person(read_session(), current_user.id)
    form = SettingsForm(obj=person) if sent else SettingsForm(formdata=None, obj=person)
    form.fill_choices(person.timezone, settings().timezone)
    return form


def _page(
    code: int = 200, *, settings_form: SettingsForm | None = None, password_form: PasswordForm | None = None
) -> tuple[str, int]:
    opened = queries.open_sessions(read_session(), current_user.id, current_user.session_id)
    page = render_template(
        "accounts/me.html",
        form=settings_form or _settings_form(),
        password_form=password_form or PasswordForm(formdata=None),
        sessions=opened,
        role=gettext(ROLES[current_user.role]),
        minimum=passwords.MINIMUM,
    )
    return page, code

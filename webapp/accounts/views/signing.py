"""Signing in and out, and one-time links."""

import structlog
from flask import current_app, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts import audit, login, passwords, service, sessions, tries
from webapp.accounts.forms import LoginForm, WelcomeForm, show_fault
from webapp.accounts.guards import public
from webapp.accounts.views.blueprint import bp
from webapp.core.errors import UserError
from webapp.core.secrets import fingerprint
from webapp.core.security import own_path
from webapp.core.web import read_session, write_session

log = structlog.get_logger(__name__)


@bp.route("/login", methods=["GET", "POST"], endpoint="login")
@public
def sign_in() -> Response | str | tuple[str, int]:
    """The login page; after it, the page that was asked for, if it is ours."""
    target = own_path(request.args.get("next"), url_for("home"))
    if current_user.is_authenticated and request.method in {"GET", "HEAD"}:
        return redirect(target)
    form = LoginForm()
    if request.method in {"GET", "HEAD"}:
        return render_template("accounts/login.html", form=form)
    if not form.validate():
        return render_template("accounts/login.html", form=form), 422
    outcome = _try(form.email.data, form.password.data)
    if isinstance(outcome, str):
        login.enter(outcome)
        return redirect(target, 303)
    return _refused(form, outcome)


def _try(email: str, password: str) -> str | tries.Wait:
    """The token of a new session, or how long to wait (0: not at all). Unknown, wrong and disabled take one path."""
    email, address = service.fold_email(email)[:254], request.remote_addr or ""
    account = fingerprint(str(current_app.secret_key), email)
    with write_session() as session:
        counted = tries.count(session, account, address)
        stored = service.stored_hash(session, email)
    if isinstance(counted, tries.Wait):  # not in the audit trail: it would let anybody fill it
        log.info("sign-in not tried", account=account[:12], address=address, wait=counted.seconds)
        return counted
    # No transaction is open while argon2 works: it takes its time on purpose.
    right = passwords.matches(stored, password)
    renewed = passwords.make(password) if right and stored and passwords.is_old(stored) else None
    with write_session() as session:
        person = service.admit(session, email, account, compared=stored, renewed=renewed) if right and stored else None
        if person is None:
            _audit_failure(session, email, account)
            return tries.Wait(counted.wait)
        if current_user.is_authenticated:
            sessions.end_session(session, current_user.token)
        audit.record(session, "login", f"person {person.id}", actor=person.email, actor_id=person.id)
        return sessions.start_session(session, person, address, request.user_agent.string)


def _audit_failure(session: Session, email: str, account: str) -> None:
    # What strangers type into the field may be a password: of people we do not know, only a keyed hash is kept.
    known = service.by_email(session, email)
    actor = known.email if known else f"unknown {account[:12]}"
    audit.record(session, "login.failed", f"person {known.id}" if known else "", actor=actor)


def _refused(form: LoginForm, wait: tries.Wait) -> Response | tuple[str, int]:
    waiting = wait.seconds > 0
    if waiting:
        text = ngettext(
            "E-mail or password is not right. Wait %(num)s second before the next try.",
            "E-mail or password is not right. Wait %(num)s seconds before the next try.",
            wait.seconds,
        )
    else:
        text = gettext("E-mail or password is not right. Check both and try again.")
    form.form_errors.append(text)
    answer = make_response(render_template("accounts/login.html", form=form), 429 if waiting else 422)
    if waiting:
        answer.headers["Retry-After"] = str(wait.seconds)
    return answer


@bp.post("/logout")
@public
def logout() -> Response:
    """Sign out; the row ends, so a copy of the cookie is worth nothing."""
    if current_user.is_authenticated:
        with write_session() as session:
            sessions.end_session(session, current_user.token)
            audit.record(session, "logout", f"person {current_user.id}")
    login.leave()
    flash(gettext("You are signed out."), "success")
    return redirect(url_for("accounts.login"), 303)


@bp.route("/welcome/<token>", methods=["GET", "POST"])
@public
def welcome(token: str) -> Response | tuple[str, int]:
    """Choose a password by a one-time link. Only sending the form uses it up: mail scanners follow links."""
    person = service.invited(read_session(), token)
    if person is None:
        return make_response(render_template("accounts/link_spent.html"), 410)
    form = WelcomeForm()
    if request.method == "POST" and form.validate():
        try:
            with write_session() as session:
                chosen = service.use_invite(session, token, form.password.data)
                audit.record(session, "person.welcome", f"person {chosen.id}", actor=chosen.email, actor_id=chosen.id)
        except UserError as error:
            show_fault(form, error)
        else:
            flash(gettext("Password saved. Sign in with it."), "success")
            return redirect(url_for("accounts.login"), 303)
    code = 422 if request.method == "POST" else 200
    page = render_template("accounts/welcome.html", form=form, person=person, minimum=passwords.MINIMUM)
    return make_response(page, code)

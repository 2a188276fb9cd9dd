"""The gateway account, and the callbacks that the vendor has to set up."""

import time

from flask import flash, redirect, render_template, request, url_for
from flask_babel import format_decimal, gettext
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.forms import show_fault
from webapp.accounts.guards import guard
from webapp.admin import queries, service
from webapp.admin.effective import only_this_machine
from webapp.admin.forms import AccountForm
from webapp.admin.views.blueprint import bp
from webapp.core.errors import UserError
from webapp.core.secrets import opened
from webapp.core.web import read_session, services, settings, write_session
from webapp.credits.asking import ask
from webapp.gateway import account
from webapp.gateway.codes import DIALECTS, RESPONSES
from webapp.gateway.errors import GatewayError
from webapp.gateway.models import Account
from webapp.gateway.wire import Balance
from webapp.reports import standing


@bp.get("/admin/gateway")
@guard("admin")
def gateway() -> str:
    """The account as it is."""
    kept = read_session().get(Account, account.ROW) or Account(dates_zone="-03:00")
    form = AccountForm(formdata=None, url=kept.url, user=kept.user, dates_zone=kept.dates_zone)
    form.fill_choices(kept.dates_zone)
    return _gateway(form)


def _gateway(form: AccountForm) -> str:
    session, have = read_session(), settings()
    kept = session.get(Account, account.ROW) or Account()
    login = account.login(session, have, services().box)
    sealed = kept.password_sealed
    return render_template(
        "admin/gateway.html",
        form=form,
        fixed=service.fixed_fields(have),
        settings=have,
        login=login,
        plain=login is not None and not login.encrypted,
        local=login is not None and only_this_machine(login.url),
        password_kept=bool(sealed),
        password_lost=bool(sealed) and opened(services().box, sealed or "") is None,
        stopped_code=kept.stopped_code,
        stopped_at=kept.stopped_at,
        stop=RESPONSES.get(kept.stopped_code or ""),
    )


@bp.post("/admin/gateway")
@guard("admin")
def save_gateway() -> Response | tuple[str, int]:
    """Keep the account; by the second button also try it."""
    form = AccountForm()
    kept = read_session().get(Account, account.ROW)
    form.fill_choices(kept.dates_zone if kept else "-03:00")
    if not form.validate():
        return _gateway(form), 422
    values = {name: form[name].data or "" for name in ("url", "user", "password", "dates_zone")}
    try:
        with write_session() as session:
            changed = service.save_account(session, settings(), services().box, **values)
            if changed:
                audit.record(session, "gateway.account", "gateway", changed=changed)
    except UserError as error:
        show_fault(form, error)
        return _gateway(form), 422
    flash(gettext("Account saved.") if changed else gettext("Nothing has changed."), "success")
    if request.form.get("then") == "test":
        _ask_and_say("gateway.test")
    return redirect(url_for("admin.gateway"), 303)


@bp.post("/admin/gateway/test")
@guard("admin")
def test_gateway() -> Response:
    """Ask the balance once: it costs nothing and shows whether the login is right."""
    _ask_and_say("gateway.test")
    return redirect(url_for("admin.gateway"), 303)


@bp.post("/admin/gateway/resume")
@guard("admin")
def resume_gateway() -> Response:
    """Let sending go on, once the gateway answers this account again."""
    if _ask_and_say("gateway.resume"):
        flash(gettext("Sending goes on."), "success")
    return redirect(url_for("admin.gateway"), 303)


def _ask_and_say(action: str) -> bool:
    # `ask` keeps the balance, lifts a stop where the gateway answers, and holds no transaction while it waits.
    started = time.monotonic()
    problem, outcome = "", "ok"
    try:
        balance = ask(services())
    except UserError as error:
        problem, outcome = gettext(error.msgid, **error.values), "not set up"
    except GatewayError as error:
        problem = f"{gettext(error.explanation)} {gettext(error.advice)}"
        outcome = error.code or type(error).__name__
    with write_session() as session:
        audit.record(session, action, "gateway", outcome=outcome)
    if problem:
        flash(problem, "error")
        return False
    seconds = format_decimal(round(time.monotonic() - started, 1))
    said = gettext("The gateway accepts the login (%(seconds)s s).", seconds=seconds)
    flash(f"{said} {_purses(balance)}".strip(), "success")
    return True


def _purses(balance: Balance) -> str:
    known = DIALECTS[settings().gateway_dialect].purses
    parts = [
        f"{gettext(known[number].label)}: {format_decimal(credits)}"
        for number, credits in sorted(balance.purses.items())
        if credits is not None and number in known
    ]
    return gettext("Credits: %(purses)s.", purses=" · ".join(parts)) if parts else ""


@bp.get("/admin/callbacks")
@guard("admin")
def callbacks() -> str:
    """Where the gateway calls us, with the secret covered, and what it called lately."""
    return _callbacks()


def _callbacks(token: str | None = None) -> str:
    session, have = read_session(), settings()
    kept = session.get(Account, account.ROW)
    base = f"{have.public_url}/callback/{token or '•' * 12}"
    login = account.login(session, have, services().box)
    return render_template(
        "admin/callbacks.html",
        revealed=token is not None,
        status_url=f"{base}/status",
        reply_url=f"{base}/reply",
        fixed=have.callback_token is not None,
        previous=bool(kept and kept.previous_token_sealed),
        nets=have.callback_nets,
        public_url=have.public_url,
        unreachable=only_this_machine(have.public_url) and not (login and only_this_machine(login.url)),
        plain=have.public_url.startswith("http://") and not only_this_machine(have.public_url),
        user=login.user if login else None,
        hits=queries.hits(session),
        of_status=standing.of_status,
    )


@bp.post("/admin/callbacks/reveal")
@guard("admin")
def reveal_callbacks() -> str:
    """Show the addresses in full, and the text for the vendor's support."""
    with write_session() as session:
        token = account.ensure_token(session, settings(), services().box)
        audit.record(session, "callbacks.reveal", "callbacks")
    return _callbacks(token)


@bp.post("/admin/callbacks/rotate")
@guard("admin")
def rotate_callbacks() -> Response:
    """A new token; the one before goes on working while the vendor changes over."""
    try:
        with write_session() as session:
            service.rotate_token(session, settings(), services().box)
            audit.record(session, "callbacks.rotate", "callbacks")
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "error")
    else:
        flash(gettext("New addresses are ready. Reveal them and give them to the gateway's support."), "success")
    return redirect(url_for("admin.callbacks"), 303)

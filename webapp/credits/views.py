"""The credits page, the balance in the frame of every page, and asking the gateway now."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import get_timezone, gettext
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.guards import guard, may
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import read_session, services, settings, write_session
from webapp.credits import queries, service
from webapp.credits.asking import ask
from webapp.credits.forms import ThresholdsForm
from webapp.credits.words import duration, say
from webapp.gateway.errors import GatewayError

bp = Blueprint("credits", __name__)
bp.add_app_template_filter(say, "say")
bp.add_app_template_filter(duration, "duration")
PERIODS = (7, 30, 90)
LOOKS = ("brand", "op", "wait", "ok")


@bp.get("/credits")
@guard("credits")
def index() -> str:
    """Purses, pace, history, warnings."""
    return _page(ThresholdsForm.of(queries.thresholds(read_session())))


def _page(form: ThresholdsForm) -> str:
    session, now = read_session(), clock.now()
    days = request.args.get("days", 30, type=int)
    days = days if days in PERIODS else 30
    zone = clock.zone(str(get_timezone()))
    return render_template(
        "credits/index.html",
        purses=queries.purses(session, settings().gateway_dialect, now),
        reading=queries.latest(session),
        alerts=service.alerts(session, settings(), now),
        history=queries.daily(session, days, zone, now),
        days=days,
        periods=PERIODS,
        page=queries.page(session, request.args.get("after", type=int), 15),
        first_page="after" not in request.args,
        form=form if may("admin") else None,
        marks=queries.thresholds(session),
        current=now,
    )


@bp.get("/credits/chip")
@guard("credits")
def chip() -> str:
    """The balance in the frame: what is left for SMS, and whether something about the credits is wrong."""
    session = read_session()
    reading = queries.latest(session)
    known = [] if reading is None else [(n, reading.purse(n)) for n in queries.PURSES]
    number, left = next(((n, value) for n, value in known if value is not None), (1, None))
    worst = next(iter(service.alerts(session, settings())), None)
    return render_template("credits/_chip.html", number=number, left=left, worst=worst, reading=reading)


@bp.post("/credits/refresh")
@guard("credits")
def refresh() -> Response:
    """Ask the gateway now, because somebody pressed the button."""
    try:
        ask(services())
    except UserError as error:
        flash(gettext(error.msgid, **error.values), "error")
    except GatewayError as error:
        flash(f"{gettext(error.explanation)} {gettext(error.advice)}", "error")
    else:
        flash(gettext("The balance is up to date."), "success")
    return redirect(url_for("credits.index"), 303)


@bp.post("/credits/thresholds")
@guard("admin")
def thresholds() -> Response | tuple[str, int]:
    """Set the marks below which people are warned."""
    form = ThresholdsForm()
    if not form.validate_on_submit():
        return _page(form), 422
    with write_session() as session:
        changed = service.set_thresholds(session, form.marks())
        if changed:
            audit.record(session, "credits.thresholds", "credits", marks=changed)
    flash(gettext("The warning marks are saved."), "success")
    return redirect(url_for("credits.index"), 303)

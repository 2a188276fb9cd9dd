"""The first page: figures, what runs, what comes, what is wrong."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, render_template, request, url_for

from webapp.accounts.guards import guard, may
from webapp.core import clock
from webapp.core.web import read_session, services, settings
from webapp.dashboard import queries
from webapp.dashboard.alerts import alerts, today_in
from webapp.gateway import codes
from webapp.reports import summary
from webapp.reports.standing import LOOK_ORDER

bp = Blueprint("dashboard", __name__)


def _days() -> int:
    asked = request.args.get("days", type=int)
    return asked if asked in queries.DAYS else queries.default_days(read_session(), settings(), clock.now())


def _figures(days: int) -> dict[str, Any]:
    figures = queries.figures(read_session(), settings(), days, clock.now())
    return {"figures": figures, "figures_url": url_for("dashboard.figures", days=days)}


@bp.get("/dashboard")
@guard("dashboard")
def index() -> str:
    """The dashboard, or the way in for a new installation."""
    session, now, days = read_session(), clock.now(), _days()
    today = today_in(settings(), now)
    steps = [step for step in queries.checklist(session, settings(), services().box) if may(step.permission)]
    return render_template(
        "dashboard/index.html",
        days=days,
        choices=queries.DAYS,
        **_figures(days),
        **_charts(days),
        running=queries.running(session, now),
        scheduled=queries.scheduled(session, now),
        alerts=alerts(session, settings(), now),
        steps=[] if all(step.done for step in steps) else steps,
        new=queries.is_new(session),
        today=today,
        types=codes.DIALECTS[settings().gateway_dialect].types,
    )


def _charts(days: int) -> dict[str, Any]:
    """What the charts need: hours of today, or days of the period; looks and carriers of the whole."""
    session, today = read_session(), today_in(settings(), clock.now())
    found = summary.period(session, today - timedelta(days=days - 1), today)
    return {"found": found, "hours": summary.hours(session, today) if days == 1 else [], "looks": LOOK_ORDER}


@bp.get("/dashboard/figures")
@guard("dashboard")
def figures() -> str:
    """The four figures, every 15 s."""
    return render_template("dashboard/_figures.html", **_figures(_days()))


@bp.get("/dashboard/running")
@guard("dashboard")
def running() -> str:
    """Campaigns under way, every 5 s."""
    found = queries.running(read_session(), clock.now())
    types = codes.DIALECTS[settings().gateway_dialect].types
    return render_template("dashboard/_running.html", running=found, types=types)


@bp.get("/dashboard/scheduled")
@guard("dashboard")
def scheduled() -> str:
    """The next campaigns, every minute."""
    found = queries.scheduled(read_session(), clock.now())
    types = codes.DIALECTS[settings().gateway_dialect].types
    return render_template("dashboard/_scheduled.html", scheduled=found, types=types)


@bp.get("/dashboard/charts")
@guard("dashboard")
def charts() -> str:
    """The charts, every minute."""
    return render_template("dashboard/_charts.html", days=_days(), **_charts(_days()))


@bp.get("/dashboard/alerts")
@guard("dashboard")
def warnings() -> str:
    """What is wrong and can not wait (`only=danger`), or everything that is wrong; every half minute."""
    only = "danger" if request.args.get("only") == "danger" else None
    return render_template("dashboard/_alerts.html", alerts=alerts(read_session(), settings()), only=only)


@bp.get("/dashboard/attention")
@guard("dashboard")
def attention() -> str:
    """What should be looked at, every half minute."""
    return render_template("dashboard/_attention.html", alerts=alerts(read_session(), settings()))

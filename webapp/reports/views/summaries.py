"""Reports of periods and of campaigns."""

from datetime import timedelta
from typing import Any

from flask import render_template, request, url_for

from webapp.accounts.guards import guard
from webapp.core import clock
from webapp.core.web import read_session, settings
from webapp.gateway import codes
from webapp.reports import campaign, filters, summary
from webapp.reports.standing import LOOK_ORDER
from webapp.reports.timing import SAMPLE, timing
from webapp.reports.views.blueprint import bp

PERIOD = "30"
SPEND_DAYS = 30


@bp.get("/reports")
@guard("reports")
def index() -> str:
    """A period by day, type and carrier, and its campaigns."""
    now, zone = clock.now(), clock.zone(settings().timezone)
    today = clock.aware(now).astimezone(zone).date()
    first, last, asked = filters.days(request.args, today, PERIOD)
    first, last = first or today - timedelta(days=365), min(last or today, today)
    session = read_session()
    kept: dict[str, Any] = dict(asked)
    since = filters.midnight(first, zone)
    until = filters.midnight(last + timedelta(days=1), zone)
    page = summary.campaigns(session, since, until, request.args.get("after", type=int), now)
    return render_template(
        "reports/index.html",
        found=summary.period(session, first, last),
        first=first,
        last=last,
        step=timedelta(days=1),
        page=page,
        next_url=url_for("reports.index", **kept, after=page.next) if page.next else None,
        form=kept,
        periods={key: words for key, words in filters.PERIODS.items() if key in {"7", "30", "90", "dates"}},
        default_period=PERIOD,
        types=codes.DIALECTS[settings().gateway_dialect].types,
        looks=LOOK_ORDER,
    )


@bp.get("/reports/campaigns/<int:campaign_id>")
@guard("reports")
def campaign_report(campaign_id: int) -> str:
    """What became of one campaign."""
    session = read_session()
    found = campaign.report(session, campaign_id, clock.now())
    return render_template(
        "reports/campaign.html",
        found=found,
        timing=timing(session, found.run),
        voices=campaign.latest_answers(session, found.run.id),
        extracts=campaign.extracts(session, campaign_id),
        first_try=campaign.first_try(session, found.campaign),
        printed_at=clock.aware(clock.now()),
        sampled=SAMPLE,
        type=codes.DIALECTS[settings().gateway_dialect].types.get(found.run.type),
        looks=LOOK_ORDER,
    )


@bp.get("/reports/campaigns/<int:campaign_id>/figures")
@guard("reports")
def campaign_figures(campaign_id: int) -> str:
    """The part of a campaign's report that moves."""
    found = campaign.report(read_session(), campaign_id, clock.now())
    return render_template("reports/_figures.html", found=found)


@bp.get("/reports/spend")
@guard("credits")
def spend() -> str:
    """Credits by campaign and by person; the credits page shows this as one of its parts."""
    found = summary.spend(read_session(), clock.now() - timedelta(days=SPEND_DAYS))
    return render_template("reports/spend.html", found=found, days=SPEND_DAYS)

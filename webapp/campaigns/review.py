"""The last step: what exactly will happen, a test on one's own phone, and the click that sends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import format_decimal, gettext, ngettext
from flask_login import current_user
from sqlalchemy.orm import Session

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.campaigns import counting, forecast, launch, people, plan, purses, service, words
from webapp.campaigns.audience import Selection
from webapp.campaigns.blueprint import bp, dialect, service_type, steps
from webapp.campaigns.forms import TestForm, digits, show_fault
from webapp.campaigns.jobs import COUNT, LAUNCH
from webapp.campaigns.models import Campaign
from webapp.contacts import suppression
from webapp.core import clock, phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.credits.words import say
from webapp.messages import outbox
from webapp.messages.states import REASONS
from webapp.optouts.queries import is_opted_out

TYPED_FROM = 1000  # recipients above which the number is typed to confirm
NOBODY_IN_TIME = N_("“Valid until” comes before the sending window opens for anybody: nobody would receive anything.")
PROCON_AREAS, PROCON_FRESH = range(11, 20), timedelta(days=30)  # Lei 17.334/2021 of São Paulo: "Não Me Ligue"
Answer = str | Response | tuple[str, int]


def _to(endpoint: str, campaign_id: int) -> Response:
    return redirect(url_for(f"campaigns.{endpoint}", campaign_id=campaign_id), 303)  # type: ignore[return-value]


@bp.get("/campaigns/<int:campaign_id>/review")
@guard("campaigns")
def review(campaign_id: int) -> Answer:
    """Everything at a glance; a draft that lacks something is led to where it lacks."""
    campaign = service.find(read_session(), campaign_id)
    if campaign.run_id is not None:
        return _to("show", campaign_id)
    step = service.first_open_step(read_session(), campaign, service_type(campaign))
    if step != "review":
        if campaign.lists and service.lost_lists(read_session(), campaign):
            flash(gettext("A list of this campaign was deleted. Choose again whom it goes to."), "warning")
        else:
            flash(gettext("This step comes first."), "info")
        return _to(step, campaign_id)
    return _page(campaign, TestForm())


def _page(campaign: Campaign, test: TestForm, fault: str = "") -> str:
    session = read_session()
    send_at = clock.aware(campaign.send_at) if campaign.send_at else None
    return render_template(
        "campaigns/review.html",
        campaign=campaign,
        steps=steps(campaign),
        lists=service.names_of_lists(session, campaign),
        when=words.both_zones(send_at, campaign.timezone) if send_at else None,
        window=words.window_words(settings().window),
        test=test,
        **_forecast(campaign),
        fault=fault,
    )


@bp.get("/campaigns/<int:campaign_id>/forecast")
@guard("campaigns")
def forecast_box(campaign_id: int) -> Answer:
    """How far the exact count is, and its result."""
    campaign = service.find(read_session(), campaign_id)
    return render_template("campaigns/_forecast.html", campaign=campaign, fault="", **_forecast(campaign))


@bp.post("/campaigns/<int:campaign_id>/forecast")
@guard("campaigns")
def begin_forecast(campaign_id: int) -> Answer:
    """Count everything exactly, where it was not counted since the last change."""
    with write_session() as session:
        campaign = service.draft(session, campaign_id)
        fresh = forecast.progress(session, campaign, clock.now()).state not in ("counting", "done")
        if fresh:
            counting.begin(session, campaign)
    if fresh:
        services().jobs.start(COUNT, campaign_id)
    return _to("review", campaign_id)


def _forecast(campaign: Campaign) -> dict[str, Any]:
    """What the forecast's box shows."""
    session, now = read_session(), clock.now()
    progress = forecast.progress(session, campaign, now)
    shown: dict[str, Any] = {"progress": progress, "kind": service_type(campaign), "refusal": "", "plan": []}
    if progress.result is None:
        return shown
    result = progress.result
    purse = purses.purse_of(session, dialect(), service_type(campaign))
    try:
        launch.check(session, settings(), campaign)
    except UserError as error:
        shown["refusal"] = say(error.msgid, error.values)
    rows = _plan(campaign, result, now)
    if _nobody_in_time(rows) and not shown["refusal"]:
        shown["refusal"] = gettext(NOBODY_IN_TIME)
    at_once = clock.aware(now if campaign.send_at else _due(campaign, now))  # "now" has its seconds to be undone
    shown["plan"] = [(row, words.opening_words(row, campaign.timezone, at_once)) for row in rows]
    shown["plan_place"] = clock.place_of(campaign.timezone)
    fields = {item.key: item.label for item in people.known_fields(session, campaign.lists)}
    return shown | {
        "result": result,
        "unsuppressed": _without_suppression(session, result, now),
        "purse": purse,
        "reasons": REASONS,
        "missing": [(fields.get(key, key), key, n) for key, n in result.missing.most_common()],
        "typed_from": TYPED_FROM,
        "undo_seconds": current_user.undo_seconds,
    }


def _without_suppression(session: Session, result: forecast.Forecast, now: datetime) -> int:
    """People of São Paulo, whose Procon keeps a list of who wants no advertising, where no such list came lately."""
    people = sum(result.areas[area] for area in PROCON_AREAS)
    return 0 if not people or suppression.brought_since(session, now - PROCON_FRESH) else people


def _due(campaign: Campaign, now: datetime) -> datetime:
    return campaign.send_at or now + timedelta(seconds=current_user.undo_seconds)


def _plan(campaign: Campaign, result: forecast.Forecast, now: datetime) -> list[plan.Opening]:
    """Who gets it when, were it confirmed at this moment (naive UTC)."""
    return plan.openings(
        result.areas, settings().window, clock.aware(_due(campaign, now)), ignores_window=campaign.ignores_window,
        valid_until=clock.aware(campaign.valid_until) if campaign.valid_until else None,
    )  # fmt: skip


def _nobody_in_time(rows: Sequence[plan.Opening]) -> bool:
    return bool(rows) and all(row.too_late for row in rows)


@bp.post("/campaigns/<int:campaign_id>/choices")
@guard("campaigns")
def choices(campaign_id: int) -> Response:
    """What becomes of people without a value, and of accents: decided at review, then counted again."""
    with write_session() as session:
        campaign = service.draft(session, campaign_id)
        if request.form.get("missing") in ("leave", "send"):
            campaign.missing = request.form["missing"]
        if request.form.get("accents") in ("keep", "save"):
            campaign.accents = request.form["accents"]
        campaign.updated_at = clock.now()
        counting.begin(session, campaign)
    services().jobs.start(COUNT, campaign_id)
    return _to("review", campaign_id)


@bp.post("/campaigns/<int:campaign_id>/test")
@guard("campaigns")
def test(campaign_id: int) -> Answer:
    """Send the message to one phone, as the first person of the audience would get it."""
    campaign = service.find(read_session(), campaign_id)
    form = TestForm()
    if form.validate_on_submit():
        try:
            _send_test(campaign_id, form.number.data)
            flash(gettext("The test is on its way. It arrives within a minute."), "success")
            return _to("review", campaign_id)
        except UserError as error:
            show_fault(form, error)
    return _page(campaign, form), 422


def _send_test(campaign_id: int, typed: str) -> None:
    found = phone.parse(typed)
    if isinstance(found, phone.Bad):
        raise UserError(phone.reason_text(found.reason), field="number")
    with write_session() as session:
        campaign = service.draft(session, campaign_id)
        kind = service_type(campaign)
        if found.kind == "landline" and not kind.landlines:
            raise UserError("Landlines take voice calls only.", field="number")
        if is_opted_out(session, found.number, kind.medium):
            raise UserError(
                "This number asked not to be written to. Lift that first, or use another one.", field="number"
            )
        renderer = launch.renderer_of(settings(), campaign)
        sample = people.sample(session, Selection.of(campaign), kind, 1)
        rendered = renderer.of(sample[0].values if sample else {})
        text = renderer.common if rendered.text is None else rendered.text
        if not text.strip():
            raise UserError("The text is empty for the first person of the audience.", field="number")
        outbox.send_one(
            session, kind="test", name=campaign.name, number=found.number, type=kind.type, text=text,
            caption=campaign.caption if kind.caption_max else "", created_by=current_user.id,
        )  # fmt: skip
        audit.record(session, "campaign.test", f"campaign {campaign_id}")


@bp.post("/campaigns/<int:campaign_id>/launch")
@guard("campaigns")
def send(campaign_id: int) -> Answer:
    """The click. The second of two finds the campaign sent and shows it."""
    campaign = service.find(read_session(), campaign_id)
    if campaign.run_id is not None:
        return _sent_before(campaign_id)
    try:
        _check_typed(campaign)
        recipients = _launch(campaign_id)
    except UserError as error:
        again = service.find(read_session(), campaign_id)
        if again.run_id is not None:
            return _sent_before(campaign_id)
        if error.field == "lists":
            flash(say(error.msgid, error.values), "warning")
            return _to("audience_step", campaign_id)
        return _page(again, TestForm(), fault=say(error.msgid, error.values)), 422
    services().jobs.start(LAUNCH, campaign_id)
    flash(_sent_words(campaign, recipients), "success")
    return _to("show", campaign_id)


def _sent_words(campaign: Campaign, recipients: int) -> str:
    if campaign.send_at is None:
        return str(
            ngettext(
                "On its way to %(people)s person.",
                "On its way to %(people)s people.",
                recipients,
                people=format_decimal(recipients),
            )
        )
    if campaign.handover == "now":
        return str(gettext("Scheduled. It goes to the gateway now; what it has can not be cancelled any more."))
    return str(gettext("Scheduled. Until then everything can still be changed by cancelling it."))


def _sent_before(campaign_id: int) -> Response:
    flash(gettext("It was sent already, by another click: everybody gets it once. This is how it stands."), "info")
    return _to("show", campaign_id)


def _check_typed(campaign: Campaign) -> None:
    result = forecast.progress(read_session(), campaign, clock.now()).result
    if result is not None and result.recipients > TYPED_FROM:
        typed = digits(request.form.get("confirm"))
        if typed != str(result.recipients):
            raise UserError("Type the number of people, %(number)s, to confirm.", number=result.recipients)


def _launch(campaign_id: int) -> int:
    with write_session() as session:
        campaign = service.draft(session, campaign_id)
        result = launch.check(session, settings(), campaign)
        if _nobody_in_time(_plan(campaign, result, clock.now())):
            raise UserError(NOBODY_IN_TIME)
        launch.launch(session, settings(), campaign, person_id=current_user.id, undo_seconds=current_user.undo_seconds)
        deed = "campaign.schedule" if campaign.send_at else "campaign.launch"
        noted: dict[str, Any] = {"recipients": result.recipients, "credits": result.credits}
        if campaign.ignores_window:
            noted["ignores_window"] = True
        audit.record(session, deed, f"campaign {campaign_id}", **noted)
        return result.recipients

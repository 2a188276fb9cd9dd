"""The first three steps of writing a campaign: whom, what, when. Each is saved by itself and works without scripts."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts import audit
from webapp.accounts.guards import guard, may
from webapp.campaigns import audience, counting, media, people, preview, schedule, service, words
from webapp.campaigns.audience import AREA_FIELD, Selection
from webapp.campaigns.blueprint import bp, dialect, service_type, steps
from webapp.campaigns.conditions import OPERATORS
from webapp.campaigns.forms import AudienceForm, MessageForm, ScheduleForm, moved_up, show_fault, today
from webapp.campaigns.jobs import COUNT
from webapp.campaigns.models import Campaign, Media
from webapp.campaigns.preview import Typed
from webapp.campaigns.rendering import Words, credit_rule, service_of
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.text import tidy
from webapp.core.web import read_session, services, settings, write_session

Answer = str | Response | tuple[str, int]


def _draft(campaign_id: int) -> Campaign:
    """A draft for a page; one that was sent already is shown where it is."""
    return service.find(read_session(), campaign_id)


def _sent(campaign: Campaign) -> Response | None:
    if campaign.run_id is None:
        return None
    return redirect(url_for("campaigns.show", campaign_id=campaign.id), 303)  # type: ignore[return-value]


def _next(endpoint: str, campaign_id: int) -> Response:
    """Where a saved step leads: on, or back to the list with a word that nothing is lost."""
    if request.form.get("then") == "leave":
        flash(gettext("The draft is saved. You find it in the list."), "success")
        return redirect(url_for("campaigns.index"), 303)  # type: ignore[return-value]
    return redirect(url_for(endpoint, campaign_id=campaign_id), 303)  # type: ignore[return-value]


# ---------- whom ----------


@bp.get("/campaigns/new")
@guard("campaigns")
def new() -> Answer:
    """The first step of a campaign that does not exist yet: nothing is written before the first save."""
    form = AudienceForm(lists=request.args.getlist("list", type=int), excluded=[])
    return _audience_page(None, form, [])


@bp.post("/campaigns/new")
@guard("campaigns")
def create() -> Answer:
    """Make the draft with its first step."""
    return _save_audience(None)


@bp.get("/campaigns/<int:campaign_id>/audience")
@guard("campaigns")
def audience_step(campaign_id: int) -> Answer:
    """The first step of a draft."""
    campaign = _draft(campaign_id)
    form = AudienceForm(
        name=campaign.name, lists=campaign.lists, excluded=campaign.excluded_lists,
        rest_days=str(campaign.rest_days or ""),
    )  # fmt: skip
    return _sent(campaign) or _audience_page(campaign, form, Selection.of(campaign).conditions)


@bp.post("/campaigns/<int:campaign_id>/audience")
@guard("campaigns")
def save_audience(campaign_id: int) -> Answer:
    """Save the first step."""
    return _save_audience(campaign_id)


def _save_audience(campaign_id: int | None) -> Answer:
    form, conditions = AudienceForm(), AudienceForm.conditions()
    if "up" in request.form or "more" in request.form:
        form.lists.data = moved_up(form.lists.data or [], request.form.get("up", type=int))
        campaign = _draft(campaign_id) if campaign_id else None
        return _audience_page(campaign, form, conditions, blanks=1 + ("more" in request.form))
    valid = form.validate_on_submit()
    try:
        if valid:
            with write_session() as session:
                campaign = service.draft(session, campaign_id) if campaign_id else _created(session, form.name.data)
                _hold_to_what_was_allowed(session, campaign)
                service.save_audience(
                    session, campaign, service_type(campaign), name=form.name.data, lists=form.lists.data or [],
                    excluded=form.excluded.data or [], filters=conditions, rest_days=form.rest(),
                )  # fmt: skip
            return _next("campaigns.message", campaign.id)
    except UserError as error:
        show_fault(form, error)
    campaign = _draft(campaign_id) if campaign_id else None
    return _audience_page(campaign, form, conditions), 422


def _created(session: Session, name: str) -> Campaign:
    zone = current_user.timezone or settings().timezone
    campaign = service.create(session, name=name, timezone=zone, person_id=current_user.id)
    audit.record(session, "campaign.create", f"campaign {campaign.id}")
    return campaign


def _audience_page(campaign: Campaign | None, form: AudienceForm, conditions: Any, blanks: int = 1) -> str:
    session = read_session()
    rows = session.scalars(
        select(ContactList).where(ContactList.archived_at.is_(None)).order_by(ContactList.name)
    ).all()
    chosen = [list_id for list_id in form.lists.data or [] if any(row.id == list_id for row in rows)]
    place = {list_id: n for n, list_id in enumerate(chosen)}
    known = people.known_fields(session, [row.id for row in rows])
    return render_template(
        "campaigns/audience.html",
        campaign=campaign,
        form=form,
        steps=steps(campaign),
        lists=sorted(rows, key=lambda row: place.get(row.id, len(place))),
        chosen=chosen,
        conditions=list(conditions),
        operators=OPERATORS,
        blanks=blanks,
        fields=[*known, people.KnownField(AREA_FIELD, gettext("Area code (DDD)"))],
        found=_counted(session, chosen, form, conditions, campaign),
        rest_days=_rest(form),
    )


@bp.post("/campaigns/audience-count")
@guard("campaigns")
def audience_count() -> str:
    """The size of the audience as the form stands; writes nothing."""
    form = AudienceForm()
    kind = request.args.get("campaign", type=int)
    campaign = _draft(kind) if kind else None
    found = _counted(read_session(), form.lists.data or [], form, AudienceForm.conditions(), campaign)
    return render_template("campaigns/_audience_count.html", found=found, campaign=campaign, rest_days=_rest(form))


def _counted(
    session: Session, lists: list[int], form: AudienceForm, conditions: Any, campaign: Campaign | None
) -> audience.Count:
    chosen = tuple(dict.fromkeys(lists))
    excluded = tuple(key for key in form.excluded.data or [] if key not in chosen)
    retry_of = campaign.retry_of if campaign else None
    selection = Selection(chosen, excluded, tuple(conditions), _rest(form), retry_of)
    return audience.count(session, selection, service_type(campaign))


def _rest(form: AudienceForm) -> int:
    """The days of rest to count with while they are typed; what makes no sense is refused when it is saved."""
    try:
        return form.rest()
    except UserError:
        return 0


def _hold_to_what_was_allowed(session: Session, campaign: Campaign) -> None:
    """An administrator let this audience get this message at any hour: who changes either is held to the window."""
    if campaign.ignores_window and not may("admin"):
        _respect_window(session, campaign)
        flash(gettext("The sending window counts again: an administrator had allowed the campaign as it was."), "info")


def _respect_window(session: Session, campaign: Campaign) -> None:
    if campaign.ignores_window:
        campaign.ignores_window = False
        audit.record(session, "campaign.window_kept", f"campaign {campaign.id}")


# ---------- what ----------


@bp.get("/campaigns/<int:campaign_id>/message")
@guard("campaigns")
def message(campaign_id: int) -> Answer:
    """The second step: kind, text or file, with a preview."""
    campaign = _draft(campaign_id)
    return _sent(campaign) or _message_page(campaign, MessageForm.of(campaign, dialect()))


@bp.post("/campaigns/<int:campaign_id>/message")
@guard("campaigns")
def save_message(campaign_id: int) -> Answer:
    """Save the second step, or show another person's preview where there are no scripts to do so."""
    campaign = _draft(campaign_id)
    form = MessageForm.of(campaign, dialect())
    if "go" in request.form:
        return _message_page(campaign, form)
    if form.validate_on_submit():
        faults = _save_message(campaign_id, form)
        if not faults:
            return _next("campaigns.schedule_step", campaign_id)
        for fault in faults:
            show_fault(form, fault)
    return _message_page(campaign, form), 422


def _save_message(campaign_id: int, form: MessageForm) -> list[UserError]:
    kind = service_of(dialect(), form.type.data)
    upload = request.files.get("file")
    content = upload.read(kind.max_bytes * 20 + 1) if upload and upload.filename and kind.media else b""
    try:
        checked = media.check(content, upload.filename or "", kind) if upload and content else None
        url = media.check_url(form.media_url.data, kind) if kind.media and form.media_url.data and not checked else ""
    except UserError as error:
        return [error]
    with write_session() as session:
        campaign = service.draft(session, campaign_id)
        kept = campaign.media if campaign.media and campaign.media.kind == kind.content else None
        given = service.MessageInput(form.text.data or "", form.caption.data or "", url, bool(checked or kept))
        known = [field.key for field in people.known_fields(session, campaign.lists)]
        faults = service.message_problems(given, kind, credit_rule(dialect()), known)
        if faults:
            return faults
        hosted = kept
        if checked and upload:
            folder, name = settings().instance, upload.filename or ""
            hosted = media.keep(session, folder, checked, kind.content, name, current_user.id)
        _hold_to_what_was_allowed(session, campaign)
        service.save_message(
            session, campaign, kind, text=given.text, caption=given.caption, hosted=None if url else hosted,
            media_url=url or None, accents="save" if form.accents.data else "keep",
        )  # fmt: skip
    if checked and checked.shrunk_from:
        _say_shrunk(checked)
    return []


def _say_shrunk(checked: media.Checked) -> None:
    assert checked.shrunk_from is not None
    flash(
        gettext(
            "The picture was made smaller, from %(from_width)s × %(from_height)s to %(width)s × %(height)s pixels: "
            "the gateway takes no larger ones.",
            from_width=checked.shrunk_from[0],
            from_height=checked.shrunk_from[1],
            width=checked.width,
            height=checked.height,
        ),
        "info",
    )


def _message_page(campaign: Campaign, form: MessageForm) -> str:
    session = read_session()
    return render_template(
        "campaigns/message.html",
        campaign=campaign,
        form=form,
        steps=steps(campaign),
        types=list(dialect().types.values()),
        notes=words.TYPE_NOTES,
        fields=people.known_fields(session, campaign.lists),
        lists=service.names_of_lists(session, campaign),
        preview=_preview(campaign, form),
        who=request.values.get("who", ""),
    )


@bp.post("/campaigns/<int:campaign_id>/preview")
@guard("campaigns")
def preview_box(campaign_id: int) -> str:
    """The message as it stands in the form, for one person; writes nothing."""
    campaign = _draft(campaign_id)
    form = MessageForm.of(campaign, dialect())
    return render_template("campaigns/_preview.html", campaign=campaign, preview=_preview(campaign, form))


def _preview(campaign: Campaign, form: MessageForm) -> preview.Preview:
    kind = service_of(dialect(), form.type.data if form.type.data is not None else campaign.type)
    hosted: Media | None = campaign.media if campaign.media and campaign.media.kind == kind.content else None
    url = (form.media_url.data or "").strip()
    address = url or (media.address(settings().public_url, hosted) if hosted else "")
    accents = "save" if form.accents.data else "keep"
    typed = Typed(
        kind, Words(form.text.data or "", accents, campaign.missing), address, tidy(form.caption.data or ""),
        hosted is not None, url,
    )  # fmt: skip
    go, _, contact = request.form.get("go", "").partition(":")
    chosen = int(contact) if contact.isdigit() else request.values.get("person", type=int)
    return preview.make(
        read_session(), dialect(), campaign, typed, person=chosen, go=go, who=request.values.get("who", "")
    )


# ---------- when ----------


@bp.get("/campaigns/<int:campaign_id>/schedule")
@guard("campaigns")
def schedule_step(campaign_id: int) -> Answer:
    """The third step: now or later, held by us or handed over."""
    campaign = _draft(campaign_id)
    return _sent(campaign) or _schedule_page(campaign, ScheduleForm.of(campaign))


@bp.post("/campaigns/<int:campaign_id>/schedule")
@guard("campaigns")
def save_schedule(campaign_id: int) -> Answer:
    """Save the third step and have everything counted exactly, which the review shows."""
    campaign = _draft(campaign_id)
    form = ScheduleForm.of(campaign)
    if form.validate_on_submit():
        try:
            given = form.input(may_override=may("admin"))
            with write_session() as session:
                changed = service.draft(session, campaign_id)
                if given.ignores_window and not changed.ignores_window:
                    audit.record(session, "campaign.window", f"campaign {campaign_id}")
                elif not given.ignores_window:
                    _respect_window(session, changed)
                service.save_schedule(changed, given, clock.aware(clock.now()))
                counting.begin(session, changed)
            services().jobs.start(COUNT, campaign_id)
            _say_shifts(given)
            return _next("campaigns.review", campaign_id)
        except UserError as error:
            show_fault(form, error)
    return _schedule_page(campaign, form), 422


def _say_shifts(given: service.ScheduleInput) -> None:
    if given.at is not None and given.at.shift:
        flash(shift_words(given.at), "warning")
    if given.valid_until is not None and given.valid_until.shift:
        flash(f"{gettext('Valid until')}: {shift_words(given.valid_until)}", "warning")


def shift_words(moment: schedule.Moment) -> str:
    """What summer time made of a wall-clock time."""
    return str(gettext(schedule.SHIFTS[moment.shift], when=f"{moment.wall:%H:%M}"))


def _schedule_page(campaign: Campaign, form: ScheduleForm) -> str:
    return render_template(
        "campaigns/schedule.html",
        campaign=campaign,
        form=form,
        steps=steps(campaign),
        when=_when(form),
        window=words.window_words(settings().window),
        has_window=settings().window.week is not None,
        handover_minutes=settings().handover_minutes,
        today=today(campaign.timezone).isoformat(),
        zones=clock.BRAZIL,
    )


@bp.post("/campaigns/when")
@guard("campaigns")
def when_box() -> str:
    """The chosen moment in words and in both zones; writes nothing."""
    return render_template("campaigns/_when.html", when=_when(ScheduleForm()))


def _when(form: ScheduleForm) -> dict[str, Any]:
    """What the box beside the date says: the moment in both zones, and what is odd about it."""
    try:
        moment = form.moment()
        if moment is None:
            return {"now": True}
        both = words.both_zones(moment.utc, moment.zone)
        past = moment.utc <= clock.aware(clock.now())
        return {"both": both, "past": past, "shift": shift_words(moment) if moment.shift else "", "at": moment.utc}
    except UserError as error:
        unfinished = form.date.data is None or form.time.data is None
        return {"waits": True} if unfinished else {"error": gettext(error.msgid, **error.values)}

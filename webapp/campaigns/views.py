"""Campaigns at large: the list, one campaign's page while it goes out, and what people do to it."""

from datetime import timedelta
from typing import Any

from flask import Response, abort, flash, redirect, render_template, request, send_from_directory, url_for
from flask_babel import format_decimal, gettext, ngettext
from flask_login import current_user

from webapp.accounts import audit
from webapp.accounts.guards import guard, public
from webapp.accounts.service import UNDO_CHOICES
from webapp.campaigns import compose, media, proof, queries, review, service, words
from webapp.campaigns.blueprint import bp, dialect, service_type
from webapp.campaigns.models import Campaign
from webapp.campaigns.queries import Wanted
from webapp.campaigns.statement import Equation
from webapp.core import clock
from webapp.core.errors import NotFound
from webapp.core.web import read_session, settings, write_session
from webapp.messages import outbox
from webapp.messages import queries as messages
from webapp.messages.models import Run
from webapp.messages.states import PAUSES, RunState

__all__ = ["bp", "compose", "proof", "review"]  # the steps and the statement hang on the same blueprint

FAST, SLOW = 3, 15  # seconds between looks: while messages leave, while receipts come
NEAR = timedelta(minutes=2)  # a batch that may leave sooner waits for no sending window


@bp.get("/campaigns")
@guard("campaigns")
def index() -> str:
    """All campaigns, filtered by what the URL says."""
    state, kind = request.args.get("state", ""), request.args.get("type", type=int)
    wanted = Wanted(state if state in queries.STATES else "", kind, request.args.get("text", "").strip())
    after = request.args.get("after", type=int)
    found = queries.page(read_session(), wanted, after)
    arguments: dict[str, Any] = {key: request.args[key] for key in ("state", "type", "text") if request.args.get(key)}
    return render_template(
        "campaigns/index.html",
        page=found,
        next_url=url_for("campaigns.index", **arguments, after=found.next) if found.next else None,
        wanted=wanted,
        first_page=after is None,
        states=words.STATES,
        types=dialect().types,
    )


@bp.get("/campaigns/<int:campaign_id>/standing")
@guard("campaigns")
def standing(campaign_id: int) -> str:
    """One campaign's progress in the list, while it moves."""
    campaign = service.find(read_session(), campaign_id)
    found = queries.standings(read_session(), [campaign], clock.now())
    return render_template(
        "campaigns/_standing.html",
        campaign=campaign,
        standing=found.get(campaign_id, queries.Standing("draft")),
        states=words.STATES,
    )


@bp.get("/campaigns/<int:campaign_id>")
@guard("campaigns")
def show(campaign_id: int) -> str | Response:
    """One campaign while it goes out and after; a draft is led to the step that comes next."""
    campaign = service.find(read_session(), campaign_id)
    if campaign.run is None:
        step = service.first_open_step(read_session(), campaign, service_type(campaign))
        return redirect(url_for(f"campaigns.{step}", campaign_id=campaign_id), 303)  # type: ignore[return-value]
    return render_template(
        "campaigns/show.html",
        kind=service_type(campaign),
        lists=service.names_of_lists(read_session(), campaign),
        events=queries.timeline(read_session(), campaign),
        event_words=words.EVENTS,
        **_live(campaign, campaign.run),
    )


@bp.get("/campaigns/<int:campaign_id>/live")
@guard("campaigns")
def live(campaign_id: int) -> str:
    """The part of the page that moves."""
    campaign = service.find(read_session(), campaign_id)
    if campaign.run is None:
        raise NotFound("This campaign was not sent yet.")
    return render_template("campaigns/_live.html", **_live(campaign, campaign.run))


def _live(campaign: Campaign, run: Run) -> dict[str, Any]:
    session, now = read_session(), clock.now()
    report = queries.report(session, run, now)
    state = messages.public_state(run, now)
    undo_until = clock.aware(run.not_before) if _may_undo(run) else None
    busy = report.counts.waiting > report.counts.held or state == "launching"
    opening = queries.next_opening(session, run.id) if state == "running" and not busy else None
    if opening and opening <= now + NEAR:  # the next try or turn, not the opening of a window
        opening, busy = None, True
    nobody = state == "finished" and not report.counts.accepted and not report.counts.refused
    # A paused campaign, or one that waits for its time, moves by a person's hand or by the clock: a slow look suffices.
    every = FAST if busy or undo_until else SLOW if report.counts.moving and not _is_long_over(run) else None
    return {
        "campaign": campaign,
        "run": run,
        "report": report,
        "counts": report.counts,
        "equation": Equation.of(report.counts),
        "terms": words.TERMS,
        "state": state,
        "state_words": words.LEAVING if undo_until else words.NOBODY if nobody else words.STATES[state],
        "nobody": nobody,
        "every": every,
        "undo_until": undo_until,
        "opening": clock.aware(opening) if opening and not undo_until else None,
        "pause": PAUSES.get(run.pause_reason or "") if run.state == RunState.PAUSED else None,
        "when": words.both_zones(clock.aware(run.deliver_at), campaign.timezone) if run.deliver_at else None,
        "waits_there": run.deliver_at is not None and run.deliver_at > now and report.counts.accepted > 0,
        "replies": queries.count_replies(session, run.id) if queries.count_replies else None,
        "checked_at": clock.aware(now),
    }


def _may_undo(run: Run) -> bool:
    """Whether it leaves within the seconds in which a click can be undone, rather than at a time that was chosen."""
    waits = run.state in (RunState.LAUNCHING, RunState.RUNNING) and run.served == 0
    at_once = run.not_before - run.created_at <= timedelta(seconds=UNDO_CHOICES[-1] + 1)
    return waits and at_once and run.not_before > clock.now()


def _is_long_over(run: Run) -> bool:
    """After a day receipts are rare: the page asks no more by itself."""
    ended = run.finished_at or run.cancelled_at
    return ended is not None and (clock.now() - ended).total_seconds() > 86_400


# ---------- what people do ----------


@bp.post("/campaigns/<int:campaign_id>/pause")
@guard("campaigns")
def pause(campaign_id: int) -> Response:
    """Stop handing over."""
    with write_session() as session:
        run = _run(service.find(session, campaign_id))
        done = outbox.pause(session, run)
        leaving = messages.counts(session, run).sending
        if done:
            audit.record(session, "campaign.pause", f"campaign {campaign_id}", leaving=leaving)
    if not done:
        flash(gettext("There was nothing to pause any more."), "info")
    elif leaving:
        text = ngettext(
            "Paused. At most %(messages)s message, which was leaving at this moment, still goes.",
            "Paused. At most %(messages)s messages, which were leaving at this moment, still go.",
            leaving,
            messages=format_decimal(leaving),
        )
        flash(text, "success")
    else:
        flash(gettext("Paused. Nothing more leaves."), "success")
    return _back(campaign_id)


@bp.post("/campaigns/<int:campaign_id>/resume")
@guard("campaigns")
def resume(campaign_id: int) -> Response:
    """Go on with what a person or a stop has paused."""
    with write_session() as session:
        run = _run(service.find(session, campaign_id))
        done = outbox.resume(session, run)
        if done:
            audit.record(session, "campaign.resume", f"campaign {campaign_id}")
    flash(gettext("It goes on.") if done else gettext("It was not paused any more."), "success" if done else "info")
    return _back(campaign_id)


@bp.post("/campaigns/<int:campaign_id>/cancel")
@guard("campaigns")
def cancel(campaign_id: int) -> Response:
    """Stop everything that is still ours; says how many had left."""
    with write_session() as session:
        run = _run(service.find(session, campaign_id))
        if run.state == RunState.FINISHED:
            flash(gettext("There was nothing left to cancel: everything had left, or was stopped before."), "info")
            return _back(campaign_id)
        was_launching = run.state == RunState.LAUNCHING
        done = outbox.cancel(session, run)
        stopped = run.total - done.left if was_launching else done.stopped
        counts = messages.counts(session, run)
        audit.record(session, "campaign.cancel", f"campaign {campaign_id}", stopped=stopped, left=done.left)
    if done.left:
        text = ngettext(
            "Cancelled. %(messages)s message had left already.",
            "Cancelled. %(messages)s messages had left already.",
            done.left,
            messages=format_decimal(done.left),
        )
    else:
        text = gettext("Cancelled in time: nothing has left.")
    if in_hand := counts.sending + counts.unknown:
        text += " " + ngettext(
            "%(messages)s of them is leaving or in doubt: in a moment the page tells whether it went.",
            "%(messages)s of them are leaving or in doubt: in a moment the page tells whether they went.",
            in_hand,
            messages=format_decimal(in_hand),
        )
    flash(text, "success")
    return _back(campaign_id)


def _run(campaign: Campaign) -> Run:
    if campaign.run is None:
        raise NotFound("This campaign was not sent yet.")
    return campaign.run


def _back(campaign_id: int) -> Response:
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)  # type: ignore[return-value]


@bp.post("/campaigns/<int:campaign_id>/duplicate")
@guard("campaigns")
def duplicate(campaign_id: int) -> Response:
    """A new draft with the same audience and message."""
    with write_session() as session:
        campaign = service.find(session, campaign_id)
        name = gettext("%(name)s (copy)", name=campaign.name)
        copy = service.duplicate(session, campaign, name=name, person_id=current_user.id)
        audit.record(session, "campaign.create", f"campaign {copy.id}", copied_from=campaign_id)
    flash(gettext("This is the copy. Change what you like; the original stays as it is."), "success")
    return redirect(url_for("campaigns.audience_step", campaign_id=copy.id), 303)  # type: ignore[return-value]


@bp.post("/campaigns/<int:campaign_id>/delete")
@guard("campaigns")
def delete(campaign_id: int) -> Response:
    """Delete a draft for good; what was sent stays."""
    with write_session() as session:
        service.delete_draft(session, service.draft(session, campaign_id))
        audit.record(session, "campaign.delete", f"campaign {campaign_id}")
    flash(gettext("The draft is deleted."), "success")
    return redirect(url_for("campaigns.index"), 303)  # type: ignore[return-value]


@bp.get("/media/<name>")
@public
def hosted(name: str) -> Response:
    """A file that the gateway, or the phone it sends it to, fetches by its unguessable name."""
    found = media.hosted(read_session(), name)
    folder = settings().instance / media.FOLDER
    if found is None or not (folder / name).is_file():
        abort(404)
    answer = send_from_directory(
        folder, name, mimetype=media.TYPES["." + name.rsplit(".", 1)[-1]], max_age=86_400, conditional=True
    )
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer

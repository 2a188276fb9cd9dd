"""Who must not be written to: look, add, lift with a reason, bring in a list."""

from typing import Any

from cryptography.fernet import InvalidToken
from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.contacts import queries as imports
from webapp.contacts import suppression
from webapp.contacts.forms import LiftForm, OptOutForm, SuppressionForm
from webapp.contacts.states import STATES
from webapp.contacts.views.blueprint import bad_number, bp, handle
from webapp.core import phone
from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.optouts import queries, service
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL

ORIGINS = {
    "reply": N_("asked by reply"),
    "hand": N_("added by a colleague"),
    "import": N_("from a suppression list"),
    "erasure": N_("is being erased"),
}


def suppression_form() -> SuppressionForm:
    """The form of a list; its fields have a prefix, for two forms are on one page and ids must differ."""
    return SuppressionForm(prefix="list")


def number_of(handled: str) -> int:
    """The number behind a handle; NotFound for one that is not ours."""
    try:
        return int(services().box.decrypt(handled.encode()))
    except (InvalidToken, ValueError) as error:
        raise NotFound(N_("This person is not opted out any more.")) from error


@bp.get("/contacts/opt-outs")
@guard("optout.add")
def optouts() -> str:
    """Everybody who must not be written to, the latest first."""
    return page_of(OptOutForm(), suppression_form())


def asked_for() -> queries.Filter:
    """Which opt-outs the address asks for."""
    digits = "".join(c for c in request.args.get("q", "") if c in "0123456789")
    return queries.Filter(request.args.get("origin", ""), digits, request.args.get("channel", ""))


def filters_of(wanted: queries.Filter) -> dict[str, Any]:
    """The part of an address that asks for the same."""
    return {"q": wanted.digits or None, "origin": wanted.origin or None, "channel": wanted.channel or None}


def page_of(form: OptOutForm, upload: SuppressionForm) -> str:
    """The page of the opt-outs, with its two forms as they stand."""
    session, wanted = read_session(), asked_for()
    page = queries.page(session, wanted, request.args.get("after"))
    filters = filters_of(wanted)
    return render_template(
        "contacts/optouts.html",
        page=page,
        wanted=wanted,
        total=queries.count(session),
        counted=queries.COUNTED,
        filters=filters,
        next_url=url_for(".optouts", **filters, after=page.next) if page.next else None,
        channels=CHANNELS,
        recent=imports.recent_imports(session, 5, suppression.PURPOSE),
        states=STATES,
        origins=ORIGINS,
        form=form,
        upload=upload,
        handle=handle,
        names=queries.names_of(session, [row.person_id for row in page.rows if row.person_id]),
    )


@bp.post("/contacts/opt-outs")
@guard("optout.add")
def add_optout() -> Response | tuple[str, int]:
    """Opt somebody out by hand; what was waiting to leave to them does not leave."""
    form = OptOutForm()
    if not form.validate_on_submit():
        return page_of(form, suppression_form()), 422
    found = phone.parse(form.number.data)
    if isinstance(found, phone.Bad):
        form.number.errors = [bad_number(found)]
        return page_of(form, suppression_form()), 422
    reason, channel = (form.reason.data or "").strip() or gettext("added by hand"), form.channel.data
    with write_session() as session:
        new = service.add(
            session, found.number, origin="hand", reason=reason, channel=channel, person_id=current_user.id
        )
        suppression.stop_waiting(session, settings().gateway_dialect, found.number, channel)
        audit.record(session, "optout.add", detail_of(found.number), channel=channel)
    shown = phone.mask(found.number)
    if new and channel != EVERY_CHANNEL:
        by = gettext(CHANNELS[channel])
        flash(gettext("%(number)s will not be reached by %(channel)s any more.", number=shown, channel=by), "success")
    elif new:
        flash(gettext("%(number)s will not be written to any more.", number=shown), "success")
    else:
        flash(gettext("%(number)s was opted out already.", number=shown), "info")
    return redirect(url_for("contacts.optouts"), 303)


def detail_of(number: int) -> str:
    """A person in the audit trail: by the last digits, never by the number."""
    return f"optout …{number % 10_000:04}"


@bp.get("/contacts/opt-outs/<handled>")
@guard("optout.add")
def optout(handled: str) -> str:
    """One person's opt-outs with everything that happened to them."""
    return _one_page(handled)


def _one_page(handled: str, faulty: LiftForm | None = None) -> str:
    number = number_of(handled)
    session = read_session()
    history = queries.history(session, number)
    people = [event.person_id for event in history if event.person_id]
    return render_template(
        "contacts/optout.html",
        number=number,
        rows=[(row, _lift_form(row.channel, faulty)) for row in queries.of_person(session, number)],
        history=history,
        origins=ORIGINS,
        names=queries.names_of(session, people),
        channels=CHANNELS,
        handled=handled,
    )


def _lift_form(channel: str, faulty: LiftForm | None = None) -> LiftForm:
    """A form for each channel; what was wrong with the one that was sent stays with it."""
    fresh = LiftForm(None, prefix=_prefix(channel))
    return faulty if faulty is not None and faulty.reason.name == fresh.reason.name else fresh


def _prefix(channel: str) -> str:
    """Ids of the page's forms must differ."""
    return "" if channel == EVERY_CHANNEL else channel


@bp.post("/contacts/opt-outs/<handled>/lift")
@guard("optout.lift")
def lift_optout(handled: str) -> Response | tuple[str, int]:
    """Allow writing to somebody again, with the reason."""
    channel = request.form.get("channel", EVERY_CHANNEL)[:12]
    form = LiftForm(prefix=_prefix(channel))
    number = number_of(handled)
    if not form.validate_on_submit():
        return _one_page(handled, form), 422
    with write_session() as session:
        lifted = service.lift(session, number, channel=channel, reason=form.reason.data, person_id=current_user.id)
        audit.record(session, "optout.lift", detail_of(number), channel=channel, reason=form.reason.data)
        left = queries.of_person(session, number)
    if left:
        flash(_still_out(number, [row.channel for row in left]), "info")
        return redirect(url_for("contacts.optout", handled=handled), 303)
    if not lifted:
        flash(gettext("This person is not opted out any more."), "info")
    else:
        flash(gettext("%(number)s may be written to again.", number=phone.mask(number)), "success")
    return redirect(url_for("contacts.optouts"), 303)


def _still_out(number: int, channels: list[str]) -> str:
    """Who is out on another channel, too, is not to be taken for free."""
    by = ", ".join(gettext(CHANNELS.get(channel, channel)) for channel in channels)
    shown = phone.mask(number)
    words: str = gettext(
        "Lifted. %(number)s still does not want to be reached by: %(channels)s.", number=shown, channels=by
    )
    return words

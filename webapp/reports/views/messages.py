"""The delivery browser, one message, one person."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_babel import get_timezone, gettext
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.core import clock, phone
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.gateway import codes
from webapp.gateway.errors import GatewayError
from webapp.messages import polling
from webapp.reports import browsing, filters, hits, live, people, saved
from webapp.reports.detail import SOURCES, Detail, detail
from webapp.reports.person import person as everything_about
from webapp.reports.standing import GROUPS
from webapp.reports.views.asking import asked
from webapp.reports.views.blueprint import bp

UNCHANGED = 204


def _wanted() -> filters.MessageFilter:
    return filters.read(request.args, clock.zone(str(get_timezone())), clock.now())


def _entered() -> filters.MessageFilter:
    """The view that a form asks for; a number in it is replaced by a message to it, which may stand in an address."""
    return _without_number(filters.read(request.form, clock.zone(str(get_timezone())), clock.now()))


def _without_number(wanted: filters.MessageFilter) -> filters.MessageFilter:
    return wanted.of_people(people.keys_of(read_session(), wanted)) if wanted.tells_number else wanted


def _list(wanted: filters.MessageFilter) -> dict[str, Any]:
    """What the list's fragment needs. A first page is one that all who look at it share."""
    session, after = read_session(), request.args.get("after")
    first = None if after else live.first(session, wanted)
    found = first.found if first else browsing.page(session, wanted, after, clock.now())
    return {
        "wanted": wanted,
        "periods": filters.PERIODS,
        "found": found,
        "count": first.count if first else None,
        "counts_all": first is not None and hits.counts_all(wanted),
        "types": codes.DIALECTS[settings().gateway_dialect].types,
        "first_page": first is not None,
        "rows_url": url_for("reports.messages_rows", **wanted.form, v=first.version) if first else None,
        "next_url": url_for("reports.messages", **wanted.form, after=found.next) if found.next else None,
        "everybody_url": url_for("reports.messages", **wanted.without_number().form),
        "read_at": clock.aware(clock.now()),
    }


@bp.get("/messages")
@guard("messages")
def messages() -> BaseResponse:
    """The delivery browser."""
    wanted, session = _wanted(), read_session()
    if wanted.tells_number:
        return redirect(url_for("reports.messages", **_without_number(wanted).form), 303)
    page = render_template(
        "reports/messages.html",
        **_list(wanted),
        sources=filters.SOURCES,
        groups=GROUPS,
        statuses=codes.STATUSES,
        carriers=browsing.carriers(session, wanted.since),
        campaigns=browsing.campaign_choices(session, wanted.campaign),
        of_whom=people.numbers_of(session, wanted) if wanted.people else [],
        views=saved.of_person(session, current_user.id),
        keepable=bool(wanted.without_number().asked),
        **asked(session),
    )
    answer = make_response(page)
    if not request.args.get("after"):
        answer.headers["HX-Push-Url"] = url_for("reports.messages", **wanted.form)
    return answer


@bp.post("/messages/filter")
@guard("messages")
def messages_filter() -> BaseResponse:
    """To the view that the form asks for. A POST, because a number must not stand in an address."""
    return redirect(url_for("reports.messages", **_entered().form), 303)


@bp.get("/messages/rows")
@guard("messages")
def messages_rows() -> str | BaseResponse:
    """The first page of the list, for its live box: 204 while `v` still tells all of it."""
    wanted = _wanted()
    if not wanted.tells_number and request.args.get("v") == live.first(read_session(), wanted).version:
        return Response(status=UNCHANGED)
    return render_template("reports/_list.html", **_list(wanted))


@bp.get("/messages/<int:message_id>")
@guard("messages")
def message(message_id: int) -> str:
    """One message: how it stands and how it came there."""
    return _message(detail(read_session(), message_id, clock.now()))


def _message(found: Detail, *, revealed: bool = False, notice: tuple[str, str] | None = None) -> str:
    types = codes.DIALECTS[settings().gateway_dialect].types
    return render_template(
        "reports/message.html", found=found, types=types, sources=SOURCES, revealed=revealed, notice=notice
    )


@bp.post("/messages/<int:message_id>/reveal")
@guard("reveal")
def message_reveal(message_id: int) -> str:
    """Show the whole number; who saw it is written down."""
    with write_session() as session:
        found = detail(session, message_id, clock.now())
        audit.record(session, "number.reveal", f"message {message_id}")
    return _message(found, revealed=True)


@bp.post("/messages/<int:message_id>/check")
@guard("messages")
def message_check(message_id: int) -> str:
    """Ask the gateway about one message now (one mt_id call) and say what came of it."""
    detail(read_session(), message_id, clock.now())
    try:
        said = polling.check_one(services(), message_id)
    except UserError as error:
        notice = ("warning", gettext(error.msgid, **error.values))
    except GatewayError as error:
        notice = ("danger", f"{gettext(error.explanation)} {gettext(error.advice)}")
    else:
        if said.changed or said.new:
            notice = ("success", gettext("The gateway had news: the message is up to date."))
        elif said.found:
            notice = ("info", gettext("The gateway says the same as Recado."))
        else:
            notice = ("warning", gettext("The gateway does not know this message (yet). It remembers 32 days."))
    with services().db.reading() as session:
        return _message(detail(session, message_id, clock.now()), notice=notice)


@bp.get("/messages/<int:message_id>/person")
@guard("messages")
def message_person(message_id: int) -> str:
    """Everything about the person a message went to."""
    found = detail(read_session(), message_id, clock.now())
    if found.message.number < 0:
        raise NotFound(N_("This person's data was erased at their request."))
    return _person(found.message.number)


@bp.route("/messages/person", methods=["GET", "POST"])
@guard("messages")
def messages_person() -> str | tuple[str, int]:
    """Why did this person not receive it? A POST, because numbers must not stand in addresses."""
    if request.method == "GET":
        return render_template("reports/person.html", found=None, entered="", error=None)
    entered = request.form.get("number", "")[:60]
    parsed = phone.parse(entered)
    if isinstance(parsed, phone.Bad):
        error = (phone.reason_text(parsed.reason), parsed.cure)
        return render_template("reports/person.html", found=None, entered=entered, error=error), 422
    return _person(parsed.number, entered, repaired="ninth_digit" in parsed.repairs)


def _person(number: int, entered: str = "", *, repaired: bool = False) -> str:
    return render_template(
        "reports/person.html",
        found=everything_about(read_session(), number, clock.now()),
        sources=SOURCES,
        entered=entered,
        repaired=repaired,
        error=None,
    )

"""The campaign's statement as a page to print or to keep as PDF, and as a file for spreadsheets."""

from collections.abc import Iterator
from datetime import datetime

from flask import Response, render_template
from flask_babel import format_datetime, get_timezone, gettext

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.campaigns import service, words
from webapp.campaigns.blueprint import bp, service_type
from webapp.campaigns.statement import Part, Statement
from webapp.campaigns.statement import statement as counted
from webapp.core import clock
from webapp.core.csvfile import csv_lines
from webapp.core.errors import NotFound
from webapp.core.web import services, settings, write_session

COLUMNS = ("key", "item", "value")
Line = tuple[str, str, object]


@bp.get("/campaigns/<int:campaign_id>/statement")
@guard("campaigns")
def statement(campaign_id: int) -> str:
    """The statement, counted row by row at this moment."""
    found = _made(campaign_id, "html")
    run = found.run
    return render_template(
        "campaigns/statement.html",
        found=found,
        kind=service_type(found.campaign),
        terms=words.TERMS,
        state_words=words.STATES[found.state],
        when=words.in_zone(clock.aware(run.deliver_at), found.campaign.timezone) if run.deliver_at else None,
        window=_window(found),
        place=_place(),
    )


@bp.get("/campaigns/<int:campaign_id>/statement.csv")
@guard("campaigns")
def statement_csv(campaign_id: int) -> Response:
    """The same as a file: one figure a line, with a key that does not change with the language."""
    found = _made(campaign_id, "csv")
    rows = [*_head(found), *_account(found), *_way(found), *_check(found)]
    answer = Response(csv_lines(COLUMNS, rows), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="recado-statement-{campaign_id}.csv"'
    return answer


def _made(campaign_id: int, format: str) -> Statement:
    with write_session() as session:
        if service.find(session, campaign_id).run_id is None:
            raise NotFound("This campaign was not sent yet.")
        audit.record(session, "campaign.statement", f"campaign {campaign_id}", format=format)
    with services().db.still() as session:
        campaign = service.find(session, campaign_id)
        assert campaign.run is not None
        return counted(session, campaign, campaign.run, clock.now())


def _window(found: Statement) -> str:
    """The sending window. A run does not keep the one it was launched with, so today's is called today's."""
    if found.run.ignores_window:
        return str(gettext("overridden by an administrator"))
    window = settings().window
    hours = words.window_words(window)
    if window.week is None:
        return str(gettext("%(hours)s (as set today)", hours=hours))
    return str(gettext("%(hours)s, where the person lives (as set today)", hours=hours))


def _place() -> str:
    """Whose clocks the statement's times are of."""
    return clock.place_of(str(get_timezone()))


def _moment(at: datetime | None) -> str:
    return str(format_datetime(clock.aware(at), "dd/MM/yyyy HH:mm:ss")) if at else ""


def _yes(value: bool) -> str:
    return str(gettext("yes") if value else gettext("no"))


def _head(found: Statement) -> Iterator[Line]:
    run, campaign = found.run, found.campaign
    yield "campaign", gettext("Campaign"), campaign.name
    yield "number", gettext("Number of the campaign"), campaign.id
    yield "type", gettext("Type of message"), gettext(service_type(campaign).label)
    yield "state", gettext("State"), gettext(words.STATES[found.state][0])
    yield "launched_by", gettext("Launched by"), found.author or gettext("a command")
    yield "launched_at", gettext("Launched"), _moment(run.created_at)
    if run.deliver_at:
        yield "scheduled_for", gettext("Scheduled for"), words.in_zone(clock.aware(run.deliver_at), campaign.timezone)
    if run.valid_until:
        yield "valid_until", gettext("Valid until"), _moment(run.valid_until)
    yield "sending_window", gettext("Sending window"), _window(found)
    yield "times", gettext("Times on the clocks of"), _place()


def _account(found: Statement) -> Iterator[Line]:
    equation = found.equation
    yield "audience", gettext("Audience fixed at launch"), equation.audience
    parts = {"refused": found.refused, "suppressed": found.suppressed, "expired": found.expired}
    for key, people in equation.terms:
        yield key, words.term(key), people
        if key == "waiting":
            for part in ("held", "queued", "sending"):
                yield f"waiting.{part}", words.term(part), getattr(equation, part)
        yield from _split(key, parts.get(key, []))
    yield "adds_up", gettext("The sum is the audience"), _yes(equation.adds_up)
    if not equation.adds_up:
        label = gettext("People missing from the sum") if equation.difference > 0 else gettext("People too many")
        yield "difference", label, abs(equation.difference)


def _split(key: str, parts: list[Part]) -> Iterator[Line]:
    for part in parts:
        yield f"{key}.{part.code}", gettext(part.words), part.people


def _way(found: Statement) -> Iterator[Line]:
    yield "first_accepted", gettext("First accepted"), _moment(found.first_accepted)
    yield "last_accepted", gettext("Last accepted"), _moment(found.last_accepted)
    yield "delivered", words.term("delivered"), found.delivered
    yield "undelivered", words.term("undelivered"), found.undelivered
    yield "batches", gettext("Batches"), found.batches.total
    yield "batches.again", gettext("Batches tried more than once"), found.batches.again
    yield "batches.asked", gettext("Batches whose outcome was asked of the gateway"), found.batches.asked
    yield "credits", gettext("Credits debited"), found.credits
    yield "credits.expected", gettext("Credits expected"), found.run.forecast


def _check(found: Statement) -> Iterator[Line]:
    yield "counted_at", gettext("Counted row by row on"), _moment(found.counted_at)
    yield "rows", gettext("Messages counted"), found.rows
    yield "counters_agree", gettext("The page's counters agree"), _yes(not found.disagreements)
    for each in found.disagreements:
        term = words.term(each.key)
        item = f"{term}: {gettext(each.words)}" if each.words else term
        value = gettext("%(rows)s in the rows, %(counters)s in the counters", rows=each.rows, counters=each.counters)
        yield f"differs.{each.key}" + (f".{each.reason}" if each.reason else ""), item, value
    if found.stray:
        yield "stray", gettext("Waiting messages that belong to no batch"), found.stray

"""Files of messages: sent while they are read, or asked for, waited for and fetched."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Any

from flask import Response, redirect, render_template, request, send_file, url_for
from flask_babel import get_locale, get_timezone, gettext
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse
from werkzeug.wsgi import FileWrapper

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.gateway import codes
from webapp.reports import campaign, filters
from webapp.reports.exports import apart, deciding, files, service, sources
from webapp.reports.exports.formats import SHEET_ROWS, csv_pieces
from webapp.reports.exports.jobs import EXPORT
from webapp.reports.exports.lines import Line
from webapp.reports.exports.models import ExportFile
from webapp.reports.exports.states import CANCELLED, FAILED, READY, STATES, WORKING
from webapp.reports.exports.wanted import FORMATS, Wanted
from webapp.reports.standing import GROUPS
from webapp.reports.views.blueprint import bp

TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
_NOT_READY = N_("This file is still being made. Its page says when it is ready.")


@bp.get("/messages/export")
@guard("export")
def messages_export() -> BaseResponse | str:
    """The rows of a view as a file."""
    return _hand_out(_wanted(request.args))


@bp.get("/reports/campaigns/<int:campaign_id>/export", defaults={"format": "csv"})
@bp.get("/reports/campaigns/<int:campaign_id>/export.<any(csv,xlsx):format>")
@guard("export")
def campaign_export(campaign_id: int, format: str) -> BaseResponse | str:
    """Everybody of a campaign as a file."""
    return _hand_out(_wanted({"format": format}, campaign_id))


def _wanted(args: Mapping[str, str], campaign_id: int | None = None) -> Wanted:
    """What is asked for, written for the person who asks."""
    locale, zone, now = str(get_locale() or settings().locale), str(get_timezone()), clock.now()
    format = args.get("format", "")
    view = filters.read(args, clock.zone(zone), now).form if campaign_id is None else {}
    return Wanted(format if format in FORMATS else FORMATS[0], locale, zone, now, campaign_id, view)


def _hand_out(wanted: Wanted) -> BaseResponse | str:
    """A file of some thousand rows at once; for a bigger one the offer to have it made, which no GET may do."""
    found = deciding.size(read_session(), wanted)
    if found.is_big:
        return _offer(wanted, found)
    _note(wanted)
    if wanted.format == "csv":
        pieces = csv_pieces(_chunks(services().db, wanted))
    else:
        pieces = files.pieces(apart.at_once(services().db, settings().instance, wanted, found.rows))
    answer = Response(pieces, content_type=TYPES[wanted.format])
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(wanted.campaign_id, wanted)}"'
    return answer


def _offer(wanted: Wanted, found: deciding.Size) -> str:
    label = _label(wanted)
    sheets = -(-found.rows // (SHEET_ROWS - 1))
    many = found.rows > deciding.LIMIT
    return render_template(
        "reports/export_offer.html", wanted=wanted, label=label, size=found, many=many, sheets=sheets
    )


def _note(wanted: Wanted) -> None:
    """Into the audit trail: who took what. A number that was looked for stays out of it."""
    with write_session() as session:
        if wanted.campaign_id is not None:
            audit.record(session, "campaign.export", f"campaign {wanted.campaign_id}", format=wanted.format)
        else:
            kept = {name: value for name, value in wanted.view.items() if name != "number"}
            audit.record(session, "messages.export", "messages", format=wanted.format, view=kept)


def _chunks(db: Database, wanted: Wanted) -> Iterator[list[Line]]:
    with db.reading() as session:
        yield from sources.rows(session, wanted).chunks


def _file_name(campaign_id: int | None, wanted: Wanted | ExportFile) -> str:
    at = wanted.at if isinstance(wanted, Wanted) else wanted.asked_at
    day = clock.aware(at).astimezone(clock.zone(wanted.zone)).strftime("%Y-%m-%d")
    return f"recado-{day if campaign_id is None else f'campaign-{campaign_id}'}.{wanted.format}"


def _label(wanted: Wanted) -> str:
    """What a file holds, in the reader's words: a campaign's name, or what a view was narrowed to."""
    if wanted.campaign_id is not None:
        return campaign.find(read_session(), wanted.campaign_id)[1].name
    view, form = wanted.filter, wanted.view
    if form.get("from") or form.get("to"):
        parts = [f"{form.get('from', '…')} – {form.get('to', '…')}"]
    else:
        parts = [gettext(filters.PERIODS[form.get("period", filters.DEFAULT_PERIOD)])]
    if view.campaign is not None:
        parts.append(campaign.find(read_session(), view.campaign)[1].name)
    if view.source:
        parts.append(gettext(filters.SOURCES[view.source]))
    if view.type is not None:
        parts.append(gettext(codes.DIALECTS[settings().gateway_dialect].types[view.type].label))
    if view.status:
        group = GROUPS.get(view.status)
        parts.append(gettext(group.label if group else codes.status(view.status).label))
    if view.carrier:
        parts.append(view.carrier)
    return str(gettext("Messages: %(what)s", what=" · ".join(parts)))


@bp.post("/reports/exports")
@guard("export")
def export_start() -> BaseResponse:
    """Have a worker make a file, and go to its page. Pressed twice, it is the same file."""
    wanted = _wanted(request.form, request.form.get("of", type=int))
    label, about = _label(wanted), deciding.size(read_session(), wanted)
    with write_session() as session:
        found, new = service.ask(session, wanted, label, about.rows, current_user.id)
        name, key = found.name, found.id
    if new:
        _note(wanted)
        services().jobs.start(EXPORT, key)
    return redirect(url_for("reports.export_show", name=name), 303)


@bp.get("/reports/exports")
@guard("export")
def export_files() -> str:
    """One's own files."""
    found, now = service.own(read_session(), current_user.id), clock.now()
    return render_template("reports/export_files.html", **_words(now), files=found)


@bp.get("/reports/exports/<name>")
@guard("export")
def export_show(name: str) -> tuple[str, int]:
    """One file: how far it is, the link to it and until when that holds, or why there is none."""
    found, now = service.the_file(read_session(), name), clock.now()
    page = render_template("reports/export_show.html", **_one(found, now))
    return page, 410 if service.is_over(found, now) else 200


@bp.get("/reports/exports/<name>/progress")
@guard("export")
def export_progress(name: str) -> str:
    """The live box of that page."""
    found = service.the_file(read_session(), name)
    return render_template("reports/_export.html", **_one(found, clock.now()))


def _one(found: ExportFile, now: datetime) -> dict[str, Any]:
    waits = service.before(read_session(), found) if STATES[found.state].at_work else 0
    share = min(found.rows / found.expected, 1.0) if found.state == WORKING and found.expected else None
    again = {**found.view, "format": found.format}
    if found.campaign_id is not None:
        again["of"] = str(found.campaign_id)
    shown = {"found": found, "before": waits, "share": share, "again": again}
    return {**_words(now), **shown, "over": service.is_over(found, now)}


def _words(now: datetime) -> dict[str, Any]:
    return {"states": STATES, "at": now, "is_over": service.is_over}


@bp.get("/reports/exports/<name>/file")
@guard("export")
def export_file(name: str) -> BaseResponse | tuple[str, int]:
    """The file itself. Who fetched it is written down."""
    found, now = service.the_file(read_session(), name), clock.now()
    if service.is_over(found, now) or found.state in {FAILED, CANCELLED}:
        return render_template("reports/export_show.html", **_one(found, now)), 410
    if found.state != READY or found.path is None:
        raise NotFound(_NOT_READY)
    path = settings().instance.absolute() / found.path
    if not path.is_file():
        return render_template("reports/export_show.html", **_one(found, now), missing=True), 410
    with write_session() as session:
        audit.record(session, "export.fetch", f"export {found.id}", rows=found.rows, format=found.format)
    request.environ["wsgi.file_wrapper"] = _in_pieces  # where the server has none of its own, 8 kB are sent at once
    answer = send_file(
        path,
        mimetype=TYPES[found.format],
        as_attachment=True,
        download_name=_file_name(found.campaign_id, found),
        conditional=True,
        etag=found.path,
        max_age=None,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _in_pieces(file: IO[bytes], _size: int) -> FileWrapper:
    return FileWrapper(file, files.PIECE)


@bp.post("/reports/exports/<name>/end")
@guard("export")
def export_end(name: str) -> BaseResponse:
    """Stop making a file, or delete it before its time."""
    with write_session() as session:
        found = service.end(session, name)
        audit.record(session, "export.end", f"export {found.id}")
    return redirect(url_for("reports.export_show", name=name), 303)

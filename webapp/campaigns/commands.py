"""What `recado campaign …` does. Each function returns the JSON of the command; refusals are UserError."""

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from webapp.accounts import audit
from webapp.campaigns import counting, forecast, launch, media, service
from webapp.campaigns.models import Campaign, Media
from webapp.campaigns.people import known_fields
from webapp.campaigns.rendering import credit_rule
from webapp.campaigns.schedule import SHIFTS, Moment, read
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import translate
from webapp.core.web import Services
from webapp.gateway.codes import DIALECTS, ServiceType
from webapp.messages import outbox
from webapp.messages import queries as messages
from webapp.messages.models import Run
from webapp.messages.queries import Counts
from webapp.messages.states import RunState

AT_FORM = "%Y-%m-%d %H:%M"


def send(
    services: Services,
    *,
    list_name: str,
    type: int,
    content: str,
    caption: str = "",
    name: str | None = None,
    at: str | None = None,
    timezone: str | None = None,
    canary: bool = False,
) -> dict[str, Any]:
    """Write a campaign to a list and launch it, with no undo delay: `{"id", "recipients", "credits"}`.

    `content` is the text, or for files a path (hosted by us) or an http(s) URL; `at` is `YYYY-MM-DD HH:MM` in the zone.
    """
    moment = _moment(at, timezone or services.settings.timezone)
    with services.db.writing() as session:
        made = service.create(
            session, name=name or list_name, timezone=timezone or services.settings.timezone, person_id=None
        )
        _write(session, services, made, list_name, type, content, caption)
        given = service.ScheduleInput(moment, made.timezone, canary=canary)
        service.save_schedule(made, given, clock.aware(clock.now()))
        counting.begin(session, made)
        audit.record(session, "campaign.create", f"campaign {made.id}")
    try:
        return _launch(services, made.id)
    except UserError:
        with services.db.writing() as session:  # a refused command leaves no draft behind
            service.delete_draft(session, session.get_one(Campaign, made.id))
        raise


def _moment(at: str | None, timezone: str) -> Moment | None:
    if at is None:
        return None
    try:
        wall = datetime.strptime(at.strip(), AT_FORM)
    except ValueError:
        raise UserError("%(at)s is no time: write it like 2026-11-30 09:00.", field="at", at=at) from None
    return read(wall.date(), wall.time(), timezone)


def shift_words(services: Services, at: str | None, timezone: str | None, locale: str) -> str:
    """What summer time makes of the `at` of `send`, "" where nothing. UserError as there."""
    moment = _moment(at, timezone or services.settings.timezone)
    if moment is None or not moment.shift:
        return ""
    return translate(SHIFTS[moment.shift], locale, when=f"{moment.wall:%H:%M}")


def _write(
    session: Session, services: Services, made: Campaign, list_name: str, type_: int, content: str, caption: str
) -> None:
    dialect = DIALECTS[services.settings.gateway_dialect]
    kind = dialect.types.get(type_)
    if kind is None:
        raise UserError("There is no message of type %(type)s.", field="type", type=type_)
    lists = [service.list_by_name(session, list_name)]
    service.save_audience(session, made, kind, name=made.name, lists=lists, excluded=[], filters=[])
    hosted, url = _file(session, services, kind, content) if kind.media else (None, "")
    given = service.MessageInput("" if kind.media else content, caption, url, hosted is not None)
    known = [field.key for field in known_fields(session, lists)]
    for problem in service.message_problems(given, kind, credit_rule(dialect), known):
        raise problem
    service.save_message(
        session, made, kind, text=given.text, caption=caption, hosted=hosted, media_url=url or None, accents="keep"
    )


def _file(session: Session, services: Services, kind: ServiceType, content: str) -> tuple[Media | None, str]:
    if urlsplit(content).scheme in ("http", "https"):
        return None, media.check_url(content, kind)
    path = Path(content).expanduser()
    if not path.is_file():
        raise UserError("There is no file %(name)s.", field="content", name=str(path))
    checked = media.check(path.read_bytes(), path.name, kind)
    return media.keep(session, services.settings.instance, checked, kind.content, path.name, None), ""


def _launch(services: Services, campaign_id: int) -> dict[str, Any]:
    counting.carry_out(services.db, services.settings, campaign_id)
    with services.db.writing() as session:
        campaign = service.draft(session, campaign_id)
        counted = launch.check(session, services.settings, campaign)
        launch.launch(session, services.settings, campaign, person_id=None, undo_seconds=0)
        _note_launch(session, campaign, counted)
    launch.carry_out(services.db, services.settings, campaign_id)
    with services.db.reading() as session:
        run = _run(session, campaign_id)
        return {
            "id": campaign_id,
            "recipients": messages.counts(session, run).recipients,
            "credits": run.forecast,
        }


def _note_launch(session: Session, campaign: Campaign, counted: forecast.Forecast) -> None:
    deed = "campaign.schedule" if campaign.send_at else "campaign.launch"
    subject = f"campaign {campaign.id}"
    audit.record(session, deed, subject, recipients=counted.recipients, credits=counted.credits)


def show(services: Services, campaign_id: int) -> dict[str, Any]:
    """How a campaign stands: `{"id", "name", "state", "total", …, "credits"}`; a draft has only zeros."""
    with services.db.reading() as session:
        campaign = service.find(session, campaign_id)
        if campaign.run is None:
            zeros = Counts(**dict.fromkeys(Counts.__dataclass_fields__, 0))
            return {"id": campaign.id, "name": campaign.name, "state": "draft", **zeros.as_dict()}
        counts = messages.counts(session, campaign.run)
        state = messages.public_state(campaign.run)
        return {"id": campaign.id, "name": campaign.name, "state": str(state), **counts.as_dict()}


def pause(services: Services, campaign_id: int) -> dict[str, Any]:
    """Stop handing over. `left` messages are gone or leaving, `stopped` wait here."""
    with services.db.writing() as session:
        run = _run(session, campaign_id)
        if outbox.pause(session, run):
            audit.record(session, "campaign.pause", f"campaign {campaign_id}")
        elif run.state != RunState.PAUSED:
            raise UserError("This campaign can not be paused: it is %(state)s.", state=str(run.state))
        return _answer(session, campaign_id, run, stopped=True)


def resume(services: Services, campaign_id: int) -> dict[str, Any]:
    """Go on."""
    with services.db.writing() as session:
        run = _run(session, campaign_id)
        if outbox.resume(session, run):
            audit.record(session, "campaign.resume", f"campaign {campaign_id}")
        elif run.state != RunState.RUNNING:
            raise UserError("This campaign can not be resumed: it is %(state)s.", state=str(run.state))
        return _answer(session, campaign_id, run, stopped=False)


def cancel(services: Services, campaign_id: int) -> dict[str, Any]:
    """Stop for good what is still ours. `left` messages had gone, `stopped` will not."""
    with services.db.writing() as session:
        run = _run(session, campaign_id)
        if run.state == RunState.FINISHED:
            raise UserError("This campaign can not be cancelled: everything has left.")
        was_launching = run.state == RunState.LAUNCHING
        done = outbox.cancel(session, run)
        stopped = run.total - done.left if was_launching else done.stopped
        audit.record(session, "campaign.cancel", f"campaign {campaign_id}", stopped=stopped, left=done.left)
        return {"id": campaign_id, "state": str(run.state), "left": done.left, "stopped": stopped}


def _answer(session: Session, campaign_id: int, run: Run, *, stopped: bool) -> dict[str, Any]:
    counts = messages.counts(session, run)
    return {
        "id": campaign_id,
        "state": str(messages.public_state(run)),
        "left": counts.accepted + counts.sending + counts.unknown,
        "stopped": counts.held + counts.queued if stopped else 0,
    }


def _run(session: Session, campaign_id: int) -> Run:
    campaign = service.find(session, campaign_id)
    if campaign.run is None:
        raise NotFound("This campaign was not sent yet.")
    return campaign.run

"""What somebody should know now: each alert from a bounded question, said in plain words with a next step."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import moment
from webapp.core.i18n import N_
from webapp.core.settings import Settings
from webapp.credits.alerts import Alert
from webapp.credits.service import alerts as credit_alerts
from webapp.messages import doubt, outbox, silence
from webapp.messages.models import Batch, Run, WorkerSeen
from webapp.messages.states import BatchState, RunState
from webapp.optouts import queries as optouts

WORKER_QUIET = timedelta(seconds=60)
PEAK_LEAST, PEAK_TIMES, PEAK_DAYS = 10, 3, 14  # opt-outs of a day: so many at least, so many times the usual


def alerts(session: Session, settings: Settings, now: datetime | None = None) -> list[Alert]:
    """Everything that is wrong now, the worst first."""
    now = now or clock.now()
    found = [
        *credit_alerts(session, settings, now),
        *_worker(session),
        *_batches(session, now),
        *_paused(session),
        *filter(None, [silence.alert(session, settings, now)]),
        *_optouts(session, now),
    ]
    return sorted(found, key=lambda alert: alert.look != "danger")


def _worker(session: Session) -> list[Alert]:
    seen = session.scalar(select(func.max(WorkerSeen.seen_at)))
    if seen is not None and seen > moment(session) - WORKER_QUIET:  # a pulse is by the database's clock
        return []
    title = N_("No worker is running") if seen is None else N_("The worker has stopped")
    text = N_("Nothing is sent, imported or asked until one runs. Start “recado serve” or “recado worker”.")
    return [Alert("worker", "danger", title, text, "server-off", "admin.health", N_("See the health page"))]


def _batches(session: Session, now: datetime) -> list[Alert]:
    found: list[Alert] = []
    held = session.scalar(
        select(func.sum(Batch.pending)).where(
            Batch.state == BatchState.HELD, Batch.pending > 0, Batch.problem.is_distinct_from(outbox.CANARY)
        )
    )
    if held:
        text = N_(
            "%(messages)s messages wait because the gateway did not understand Recado. Nobody was marked refused."
        )
        title, action = N_("Messages are held"), N_("See the campaigns")
        found.append(
            Alert("held", "danger", title, text, "player-pause", "campaigns.index", action, {"messages": held})
        )
    long = session.scalar(
        select(func.sum(Batch.pending)).where(
            Batch.state == BatchState.UNKNOWN, Batch.pending > 0, Batch.settle_at < now - doubt.PERSON_AFTER
        )
    )
    if long:
        text = N_("Of %(messages)s messages nobody knows for more than a day whether they left. A person must decide.")
        title, action = N_("An outcome is still unknown"), N_("See the campaigns")
        values = {"messages": long}
        found.append(Alert("unknown", "danger", title, text, "help-circle", "campaigns.index", action, values))
    return found


def _paused(session: Session) -> list[Alert]:
    wanted = Run.pause_reason.not_in(("person",))
    names = session.scalars(
        select(Run.name).where(Run.state == RunState.PAUSED, wanted).order_by(Run.id).limit(3)
    ).all()
    if not names:
        return []
    title, text = N_("A campaign paused by itself"), N_("%(names)s: see why, then resume or cancel.")
    action, values = N_("See the campaigns"), {"names": ", ".join(names)}
    return [Alert("paused", "warning", title, text, "player-pause", "campaigns.index", action, values)]


def _optouts(session: Session, now: datetime) -> list[Alert]:
    today = optouts.count_since(session, now - timedelta(days=1))
    if today < PEAK_LEAST:
        return []
    usual = (optouts.count_since(session, now - timedelta(days=PEAK_DAYS + 1)) - today) / PEAK_DAYS
    if today < usual * PEAK_TIMES:
        return []
    text = N_("%(today)s people opted out in the last 24 hours; usually it is %(usual)s a day. Look at what was sent.")
    title, action = N_("Many people are leaving"), N_("See the messages")
    values = {"today": today, "usual": round(usual, 1)}
    return [Alert("optouts", "warning", title, text, "user-minus", "reports.messages", action, values)]


def today_in(settings: Settings, now: datetime) -> date:
    """The installation's day."""
    return clock.aware(now).astimezone(clock.zone(settings.timezone)).date()

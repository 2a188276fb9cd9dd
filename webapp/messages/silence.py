"""Whether the gateway has stopped calling us while messages wait for its word.

A few phones that stay off are no silence: their messages are open for days. So it takes callbacks that came before,
none for half an hour, open messages, and proof that there was something to tell: the sweeps learnt it instead, or a
message has no status at all.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.i18n import N_
from webapp.core.settings import Settings
from webapp.credits.alerts import Alert
from webapp.gateway import codes
from webapp.messages.models import Cursor, DayCount, Receipt
from webapp.messages.rates import is_silent

SILENCE = timedelta(minutes=30)
GRACE = timedelta(minutes=5)  # a sweep may be quicker than the callback that follows it
NOTED = timedelta(seconds=10)  # how exactly the last callback's moment is kept
CURSOR = "callbacks"
NEVER_BY_CALLBACK = ("-1", "3", "6")


def note(session: Session, now: datetime) -> None:
    """Callbacks come: kept every few seconds, as the last lock of the caller's transaction."""
    kept = session.info.setdefault("kept", {})
    if not kept.get(CURSOR) or not timedelta(0) <= now - kept[CURSOR] < NOTED:
        kept[CURSOR] = now
        row = insert_for(session, Cursor).values(name=CURSOR, ran_at=now, rows=0, differences=0)
        session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"ran_at": now}))


def heard_last(session: Session) -> datetime | None:
    """When a callback came last, to about ten seconds; None where none ever did."""
    return session.scalar(select(Cursor.ran_at).where(Cursor.name == CURSOR))


def alert(session: Session, settings: Settings, now: datetime) -> Alert | None:
    """The warning, while callbacks are silent."""
    last = heard_last(session)
    if last is None or last > now - SILENCE:
        return None
    statuses = _open_statuses(session, settings, now)
    if not statuses or not ("" in statuses or _learnt_otherwise(session, last + GRACE)):
        return None
    text = N_(
        "Messages wait for news and the gateway last called at %(at)s. Recado asks by itself meanwhile. See that the "
        "addresses of the callbacks can be reached from outside, then ask the gateway's support whether they are set."
    )
    title, action = N_("The gateway's callbacks are silent"), N_("See the callbacks")
    return Alert("callbacks", "warning", title, text, "webhook", "admin.callbacks", action, {"at": clock.aware(last)})


def _open_statuses(session: Session, settings: Settings, now: datetime) -> set[str]:
    """Statuses, none the last word, of messages that were accepted in the day before the silence could begin."""
    zone = clock.zone(settings.timezone)
    until = clock.aware(now - SILENCE).astimezone(zone)
    since = until - timedelta(days=1)
    rows = session.execute(
        select(DayCount.day, DayCount.hour, DayCount.type, DayCount.carrier, DayCount.status)
        .where(DayCount.day >= since.date(), DayCount.day <= until.date(), DayCount.n > 0)
        .where(DayCount.status.not_in(codes.FINAL))
    )
    first, last = (since.date(), since.hour), (until.date(), until.hour)
    return {
        status
        for day, hour, kind, carrier, status in rows
        if first <= (day, hour) < last and not is_silent(kind, carrier, status)
    }


def _learnt_otherwise(session: Session, after: datetime) -> bool:
    """Whether a look-up told since then what a callback should have: look-ups keep only what was news."""
    news = select(Receipt.id).where(Receipt.heard_at > after, Receipt.source != "callback")
    return session.scalar(news.where(Receipt.status.not_in(NEVER_BY_CALLBACK)).limit(1)) is not None

"""What people must know about the credits before it hurts."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.i18n import N_
from webapp.core.settings import Settings
from webapp.credits import queries
from webapp.gateway import account
from webapp.gateway.codes import RESPONSES
from webapp.gateway.models import Account

POLLS = 5  # the balance is asked every so many poll times


class Word(str):
    """A value of a sentence that is itself a msgid, translated with it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One warning: msgids and their values, said by the template's `say`. `endpoint` is where it is mended.

    `values` may hold numbers, dates, moments and `Word`s; `look` is "danger" or "warning".
    """

    key: str
    look: str
    title: str
    text: str
    icon: str
    endpoint: str
    action: str
    values: dict[str, Any] = field(default_factory=dict)


def alerts(session: Session, settings: Settings, now: datetime | None = None) -> list[Alert]:
    """Everything that is wrong or soon will be, the worst first."""
    now = now or clock.now()
    reading = queries.latest(session)
    found = [*_stopped(session)]
    if reading is not None:
        found += _expiry(reading.expiration, queries.thresholds(session)["days"], now)
        found += _low(queries.purses(session, settings.gateway_dialect, now))
        found += _stale(reading.at, settings.poll_seconds, now)
    return sorted(found, key=lambda alert: alert.look != "danger")


def _stopped(session: Session) -> list[Alert]:
    kept = session.get(Account, account.ROW)
    if kept is None or kept.stopped_code is None:
        return []
    row = RESPONSES.get(kept.stopped_code)
    explanation = row.explanation if row else N_("The gateway's last answers could not be read.")
    advice = row.advice if row else N_("Nothing is lost: sending goes on once the gateway answers again.")
    values = {"explanation": Word(explanation), "advice": Word(advice), "code": kept.stopped_code}
    title, text = N_("All sending has stopped"), N_("%(explanation)s %(advice)s")
    return [Alert("stopped", "danger", title, text, "plug-connected-x", "admin.gateway", N_("See the account"), values)]


def _expiry(expiration: datetime | None, days: int, now: datetime) -> list[Alert]:
    if expiration is None or not days or expiration > now + timedelta(days=days):
        return []
    over = expiration <= now
    return [
        Alert(
            "expired" if over else "expiring",
            "danger" if over else "warning",
            N_("The credits have expired") if over else N_("The credits expire soon"),
            N_("They expired on %(day)s: the gateway refuses new messages until credits are bought.")
            if over
            else N_("They expire on %(day)s. What is not used by then is lost."),
            "calendar-event",
            "credits.index",
            N_("See the credits"),
            {"day": expiration},
        )
    ]


def _low(purses: list[queries.PurseState]) -> list[Alert]:
    return [
        Alert(
            f"low-{state.purse.number}",
            "warning" if state.credits else "danger",
            N_("Credits are running low: %(purse)s") if state.credits else N_("No credits left: %(purse)s"),
            N_("%(credits)s left, below the warning mark of %(threshold)s. Buy credits so that no campaign stops."),
            "coins",
            "credits.index",
            N_("See the credits"),
            {"purse": Word(state.purse.label), "credits": state.credits, "threshold": state.threshold},
        )
        for state in purses
        if state.low
    ]


def _stale(at: datetime, poll_seconds: float, now: datetime) -> list[Alert]:
    if now - at < timedelta(seconds=max(poll_seconds * POLLS * 4, 3600)):
        return []
    title = N_("The balance is out of date")
    text = N_("The gateway last told it on %(when)s. Check the connection before you rely on the figures.")
    return [Alert("stale", "warning", title, text, "clock-x", "credits.index", N_("See the credits"), {"when": at})]

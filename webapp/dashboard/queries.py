"""The dashboard's figures: counters of days and runs, never messages."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cryptography.fernet import MultiFernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.campaigns.models import Campaign
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core.i18n import N_
from webapp.core.settings import Settings
from webapp.credits import queries as credits
from webapp.dashboard.alerts import today_in
from webapp.gateway import account
from webapp.inbox import queries as inbox
from webapp.inbox.models import RawInbound
from webapp.messages.models import Receipt, Run
from webapp.messages.rates import Tally
from webapp.messages.states import RunState
from webapp.optouts import queries as optouts
from webapp.reports import filters, summary

DAYS = (1, 7, 30)
MOST = 6  # campaigns in a box


@dataclass(frozen=True, slots=True)
class Figures:
    """The four cards. `change` compares with the stretch a week (or a period) before; None = nothing to compare."""

    days: int
    tally: Tally
    change: float | None
    unread: int
    replies: int
    optouts: int
    purse: credits.PurseState | None

    @property
    def sent(self) -> int:
        """Messages the gateway accepted."""
        return self.tally.sent


def default_days(session: Session, settings: Settings, now: datetime) -> int:
    """Today, or the last week where nothing was sent today yet."""
    return 1 if summary.sent_on(session, today_in(settings, now)) else 7


def figures(session: Session, settings: Settings, days: int, now: datetime) -> Figures:
    """The figures of the last `days` days of the installation's zone, today included."""
    today = today_in(settings, now)
    first = today - timedelta(days=days - 1)
    tally = summary.total(session, first, today)
    since = filters.midnight(first, clock.zone(settings.timezone)) or now
    known = [purse for purse in credits.purses(session, settings.gateway_dialect, now) if purse.credits is not None]
    return Figures(
        days=days,
        tally=tally,
        change=_change(session, settings, today, days, tally.sent, now),
        unread=inbox.unread(session),
        replies=inbox.count_since(session, since),
        optouts=optouts.count_since(session, since),
        purse=known[0] if known else None,
    )


def _change(session: Session, settings: Settings, today: date, days: int, sent: int, now: datetime) -> float | None:
    if days == 1:
        hour = clock.aware(now).astimezone(clock.zone(settings.timezone)).hour
        before = summary.sent_on(session, today - timedelta(days=7), hour)
    else:
        last = today - timedelta(days=days)
        before = summary.sent_between(session, last - timedelta(days=days - 1), last)
    return (sent - before) / before if before else None


def running(session: Session, now: datetime) -> list[summary.Line]:
    """Campaigns under way: launching, sending or paused, the newest first."""
    under_way = (RunState.LAUNCHING, RunState.RUNNING, RunState.PAUSED)
    query = select(Run).where(Run.kind == "campaign", Run.state.in_(under_way)).order_by(Run.id.desc()).limit(40)
    lines = summary.lines(session, session.scalars(query), now)
    return [line for line in lines if line.state != "scheduled"][:MOST]


def scheduled(session: Session, now: datetime) -> list[summary.Line]:
    """The next campaigns whose time has not come, the nearest first."""
    query = (
        select(Run)
        .where(Run.kind == "campaign", Run.state == RunState.RUNNING, Run.not_before > now)
        .order_by(Run.not_before)
        .limit(MOST * 2)
    )
    return [line for line in summary.lines(session, session.scalars(query), now) if line.state == "scheduled"][:MOST]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first-run checklist, in msgids."""

    done: bool
    title: str
    text: str
    endpoint: str
    icon: str
    permission: str


def checklist(session: Session, settings: Settings, box: MultiFernet) -> list[Step]:
    """What a new installation needs until its first campaign; every step links to where it is done."""

    def any_of(model: type[object]) -> bool:
        return session.scalar(select(model).limit(1)) is not None

    heard = select(Receipt.id).where(Receipt.source == "callback").limit(1)
    replied = select(RawInbound.id).where(RawInbound.source == "callback").limit(1)
    called = session.scalar(heard) is not None or session.scalar(replied) is not None
    people = session.scalars(select(Person.id).limit(2)).all()
    launched = session.scalar(select(Campaign.id).where(Campaign.run_id.is_not(None)).limit(1)) is not None
    return [
        Step(
            account.login(session, settings, box) is not None,
            N_("Connect the gateway account"),
            N_("Address, user and password; Recado checks them by asking the balance."),
            "admin.gateway",
            "plug-connected",
            "admin",
        ),
        Step(
            any_of(ContactList),
            N_("Import the first list"),
            N_("A CSV or spreadsheet with names and numbers, or 20 sample contacts to look around with."),
            "contacts.start_import",
            "address-book",
            "lists",
        ),
        Step(
            launched,
            N_("Send the first campaign"),
            N_("Four steps: audience, message, schedule, review. A test message to your own phone first."),
            "campaigns.new",
            "send",
            "campaigns",
        ),
        Step(
            called,
            N_("Give the gateway the callback addresses"),
            N_("Its support registers them; then statuses and replies arrive by themselves, within seconds."),
            "admin.callbacks",
            "webhook",
            "admin",
        ),
        Step(
            len(people) > 1,
            N_("Invite the people you work with"),
            N_("Marketing sends, support answers, administrators see everything."),
            "admin.people",
            "users",
            "admin",
        ),
    ]


def is_new(session: Session) -> bool:
    """Whether nothing was ever launched or sent here."""
    return session.scalar(select(Run.id).limit(1)) is None

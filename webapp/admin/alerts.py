"""What needs somebody's hand, in typed sentences that templates say in the reader's language."""

from collections.abc import Iterator
from datetime import timedelta

from cryptography.fernet import MultiFernet
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.admin import queries
from webapp.admin.effective import only_this_machine
from webapp.admin.health import Health
from webapp.core.i18n import N_
from webapp.core.secrets import opened
from webapp.core.settings import Settings
from webapp.credits.alerts import Alert
from webapp.credits.alerts import alerts as credit_alerts
from webapp.gateway import account
from webapp.gateway.models import Account
from webapp.inbox.models import RawInbound
from webapp.messages import silence

RAW_LATE = timedelta(minutes=5)
UNKNOWN_LONG = timedelta(hours=1)
DISK_LOW, DISK_FULL = 2 * 1024**3, 256 * 1024**2  # bytes free


def alerts(session: Session, health: Health, settings: Settings, box: MultiFernet) -> list[Alert]:
    """Everything that is wrong or soon will be, the worst first."""
    found = [
        *_work(health),
        *_replies(session, health),
        *_gateway(session, settings, box),
        *_counters(health),
        *_storage(health),
        *filter(None, [silence.alert(session, settings, health.at)]),
        *credit_alerts(session, settings, health.at),
    ]
    return sorted(found, key=lambda alert: alert.look != "danger")


def _work(health: Health) -> Iterator[Alert]:
    if not health.has_worker:
        words = N_(
            "Nothing leaves, and no replies or statuses are asked for, until recado serve or recado worker runs."
        )
        yield _danger("worker", N_("No worker is running"), words, "server-off")
    late = [tick.name for tick in health.ticks if health.is_late(tick)]
    if health.has_worker and late:
        words = N_("Not run although due: %(names)s.")
        yield _warning("ticks", N_("Periodic work is late"), words, "clock", names=", ".join(late))
    held = sum(1 for each in health.stuck if each.for_person)
    if held:
        words = N_("How many: %(count)s. Nobody in them is marked as refused. Look at each and decide.")
        yield _danger("held", N_("Batches wait for a decision"), words, "hourglass", count=held)
    before = health.at - UNKNOWN_LONG
    if any(each.batch.unknown_since and each.batch.unknown_since < before for each in health.stuck):
        title = N_("An outcome has been unknown for more than an hour")
        words = N_("Recado keeps asking the gateway and sends nothing of it again before it knows.")
        yield _warning("unknown", title, words, "zoom-question")


def _replies(session: Session, health: Health) -> Iterator[Alert]:
    waiting = RawInbound.read_at.is_(None), RawInbound.received_at < health.at - RAW_LATE
    unread = session.scalar(select(func.count()).select_from(RawInbound).where(*waiting))
    if unread:
        words = N_("How many: %(count)s. They go to the inbox as soon as a worker reads them.")
        yield _warning("unread", N_("Replies are kept but not read yet"), words, "inbox", count=unread)
    odd = queries.open_raw_replies(session)
    if odd:
        title, words = N_("Replies that nobody could understand"), N_("How many: %(count)s. Nothing was dropped.")
        where = "admin.replies", N_("Look at them")
        yield Alert("odd", "warning", title, words, "message-question", *where, {"count": odd})


def _gateway(session: Session, settings: Settings, box: MultiFernet) -> Iterator[Alert]:
    kept = session.get(Account, account.ROW)
    sealed = kept.password_sealed if kept else None
    if sealed and not settings.gateway_password and opened(box, sealed) is None:
        words = N_("The secret key was replaced. Write the password again.")
        yield _at_gateway("key", "danger", N_("The gateway's password cannot be opened"), words, "key")
        return
    login = account.login(session, settings, box)
    if login is None:
        words = N_("Sending is off until address, user and password are there.")
        yield _at_gateway("account", "danger", N_("The gateway account is not set up yet"), words, "plug-connected-x")
        return
    if only_this_machine(login.url):  # a sandbox: nothing leaves this machine
        return
    if not login.encrypted:
        title = N_("The connection to the gateway is not encrypted")
        words = N_("Texts, numbers and the password travel readable. Ask the gateway for an https:// address.")
        yield _at_gateway("plain", "warning", title, words, "lock-open")
    if only_this_machine(settings.public_url):
        words = N_(
            "RECADO_PUBLIC_URL is an address of this machine only. Recado asks for statuses and replies instead."
        )
        where = "admin.callbacks", N_("See the callbacks")
        yield Alert("public", "warning", N_("The gateway cannot call us"), words, "webhook", *where)


def _counters(health: Health) -> Iterator[Alert]:
    if health.drifts:
        title = N_("Some figures were wrong and were counted anew")
        words = N_(
            "How many: %(count)s, in the last seven days. They are right again. If this comes back, tell whoever looks "
            "after Recado: something changes messages and does not count it."
        )
        yield _warning("drift", title, words, "hash", count=len(health.drifts))


def _storage(health: Health) -> Iterator[Alert]:
    if health.storage.free < DISK_LOW:
        made = _danger if health.storage.free < DISK_FULL else _warning
        words = N_("Without room neither answers nor replies can be kept. Make room where the instance folder is.")
        yield made("disk", N_("The disk is almost full"), words, "database")


def _danger(key: str, title: str, words: str, icon: str, **values: object) -> Alert:
    return Alert(key, "danger", title, words, icon, "admin.health", N_("See the health page"), values)


def _warning(key: str, title: str, words: str, icon: str, **values: object) -> Alert:
    return Alert(key, "warning", title, words, icon, "admin.health", N_("See the health page"), values)


def _at_gateway(key: str, look: str, title: str, words: str, icon: str) -> Alert:
    return Alert(key, look, title, words, icon, "admin.gateway", N_("See the account"))

"""`recado doctor`: looks at everything an installation needs, and says for each fault what mends it."""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import requests
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from webapp import schema
from webapp.accounts.models import Person
from webapp.core import assets, clock, installation
from webapp.core.db import moment
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import keys_of, make_services
from webapp.gateway import account
from webapp.gateway.codes import response
from webapp.gateway.errors import GatewayError
from webapp.gateway.models import Account
from webapp.messages.models import WorkerSeen
from webapp.optouts import erased

OK, WARN, FAIL = "ok", "warn", "FAIL"
QUIET = timedelta(seconds=60)  # a worker that was not seen for so long is away
APART = timedelta(seconds=60)  # clocks that differ by more
LITTLE, TOO_LITTLE = 2 << 30, 200 << 20  # bytes of free disk
TIMEOUT = 8.0  # seconds for each question over the network


class Finding(NamedTuple):
    """One thing looked at: how it stands, and in a sentence what was found and what mends it."""

    level: str
    what: str
    sentence: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one finding after another; what needs the database is left out where that fails."""
    yield Finding(OK, "settings", f"read; {len(settings.fixed)} of them are set outside the program")
    yield from _folder(settings)
    try:
        services = make_services(settings)
    except (psycopg.Error, sqlite3.Error, OSError) as error:
        yield Finding(FAIL, "database", f"it does not answer: {_first_line(error)}. Check RECADO_DATABASE_URL.")
        return
    try:
        database = _database(services)
        yield database
        if database.level != FAIL:
            for look in (_belongs, _people, _worker, _jobs, _gateway, _callbacks):
                yield from _guarded(look, services)
    finally:
        services.db.dispose()
    yield from _address(settings)
    yield _styles(settings)


def _guarded(look: Callable[[Services], Iterator[Finding]], services: Services) -> Iterator[Finding]:
    try:
        yield from look(services)
    except SQLAlchemyError as error:
        yield Finding(FAIL, look.__name__.strip("_"), f"the database failed: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0][:200]


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.instance
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        yield Finding(
            FAIL, "folder", f"{folder} cannot be written to: {error.strerror}. Give it to the user who runs this."
        )
        return
    free = shutil.disk_usage(folder).free
    level = FAIL if free < TOO_LITTLE else WARN if free < LITTLE else OK
    advice = "" if level == OK else " Make room: imports, exports and the database need it."
    yield Finding(level, "disk", f"{free / (1 << 30):.1f} GB free in {folder}.{advice}")
    key = folder / "secret_key"
    if settings.secret_key is None and key.exists():
        private = not stat.S_IMODE(key.stat().st_mode) & 0o077
        sentence = f"{key} is readable by its owner only" if private else f"others can read {key}. Run: chmod 600 {key}"
        yield Finding(OK if private else FAIL, "secret key", sentence)


def _database(services: Services) -> Finding:
    kind = "SQLite" if services.db.is_sqlite else "PostgreSQL"
    try:
        schema.require(services.db)
        with services.db.reading() as session:
            apart = abs(moment(session) - clock.now())
    except UserError as error:
        return Finding(FAIL, "database", str(error))
    except SQLAlchemyError as error:
        return Finding(FAIL, "database", f"{kind} does not answer: {_first_line(error)}. Check RECADO_DATABASE_URL.")
    if apart > APART:
        seconds = round(apart.total_seconds())
        return Finding(
            WARN, "database", f"{kind} answers, but its clock is {seconds} s away from ours. Set both by NTP."
        )
    return Finding(OK, "database", f"{kind} answers and has the schema of this version")


def _belongs(services: Services) -> Iterator[Finding]:
    """Machines of one installation share folder and key; what was never started has neither yet."""
    folder = services.settings.instance
    try:
        with services.db.reading() as session:
            if session.get(installation.Installation, 1) is None:
                return
            installation.check(session, folder)
            erased.check(session)
        installation.check_key(folder, keys_of(services.settings))
    except UserError as error:
        yield Finding(FAIL, "folder", error.msgid % error.values)
    else:
        yield Finding(OK, "folder", f"{folder} and its key belong to this database")


def _people(services: Services) -> Iterator[Finding]:
    able = select(func.count()).where(Person.role == "admin", Person.disabled_at.is_(None))
    with services.db.reading() as session:
        admins = session.scalar(able) or 0
    if admins:
        yield Finding(OK, "people", f"{admins} can administer")
    else:
        yield Finding(FAIL, "people", "nobody can administer. Run: recado user create EMAIL --role admin")


def _worker(services: Services) -> Iterator[Finding]:
    with services.db.reading() as session:
        seen, now = session.scalar(select(func.max(WorkerSeen.seen_at))), moment(session)
    if seen is None or now - seen > QUIET:
        when = f"was last seen {clock.aware(seen):%Y-%m-%d %H:%M} UTC" if seen else "has never run"
        yield Finding(FAIL, "worker", f"a worker {when}, so nothing is sent. Run: recado serve, or recado worker")
    else:
        yield Finding(OK, "worker", f"seen {round((now - seen).total_seconds())} s ago")


def _jobs(services: Services) -> Iterator[Finding]:
    try:
        waiting = services.jobs.huey.storage.queue_size()
    except Exception as error:
        yield Finding(FAIL, "jobs", f"the queue cannot be read: {_first_line(error)}")
        return
    level = WARN if waiting > 100 else OK
    yield Finding(level, "jobs", f"{waiting} waiting" + (". Start another worker." if level == WARN else ""))


def _gateway(services: Services) -> Iterator[Finding]:
    with services.db.reading() as session:
        login = account.login(session, services.settings, services.box)
        kept = session.get(Account, account.ROW)
    if login is None:
        yield Finding(
            FAIL, "gateway", "no account is set: enter it under Administration, Gateway, or as RECADO_GATEWAY_…"
        )
        return
    gateway = account.connect(login, services.settings)
    try:
        balance = gateway.balance(timeout=TIMEOUT)
    except GatewayError as error:
        yield Finding(FAIL, "gateway", f"{error.explanation} {error.advice} ({error})")
    else:
        purses = ", ".join(f"{number}: {credits}" for number, credits in sorted(balance.purses.items()))
        yield Finding(OK, "gateway", f"{login.url} accepts the account; credits by purse: {purses or 'not told'}")
    finally:
        gateway.close()
    if kept is not None and kept.stopped_code:
        yield Finding(
            FAIL, "sending", f"stopped: {response(kept.stopped_code).explanation} See Administration, Health."
        )
    if not login.encrypted and not _is_loopback(login.url):
        yield Finding(WARN, "gateway", f"{login.url} is not encrypted: the password and every number travel in clear")
    yield from _clock(login.url)


def _clock(url: str) -> Iterator[Finding]:
    """Schedules and look-ups go by the gateway's clock; its answers carry it."""
    with suppress(requests.RequestException, ValueError, TypeError):
        stated = requests.head(url, timeout=TIMEOUT).headers.get("Date")
        if stated:
            apart = abs(parsedate_to_datetime(stated) - clock.aware(clock.now()))
            if apart > APART:
                seconds = round(apart.total_seconds())
                yield Finding(
                    WARN, "clock", f"ours and the gateway's are {seconds} s apart. Set this machine's by NTP."
                )
            else:
                yield Finding(OK, "clock", "agrees with the gateway's")


def _callbacks(services: Services) -> Iterator[Finding]:
    """Our own public address must lead here: the gateway tells statuses and replies by it."""
    settings = services.settings
    with services.db.reading() as session:
        login = account.login(session, settings, services.box)
        token = next(iter(account.tokens(session, settings, services.box)), None)
    if _is_loopback(settings.public_url) and login and not _is_loopback(login.url):
        yield Finding(
            WARN, "callbacks",
            f"{settings.public_url} is this machine only: statuses and replies are asked for every "
            f"{settings.poll_seconds:g} s, and hosted media cannot be sent. Set RECADO_PUBLIC_URL.",
        )  # fmt: skip
    if token is None:
        yield Finding(FAIL, "callbacks", "there is no token yet. Run: recado db upgrade")
        return
    for path in ("/healthz", f"/callback/{token}/status"):
        shown = path.replace(token, "<token>")
        try:
            answer = requests.get(settings.public_url + path, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException:
            yield Finding(
                FAIL, "callbacks", f"{settings.public_url}{shown} does not answer. Is `recado serve` running there?"
            )
            return
        if answer.status_code != 200:
            sentence = f"{settings.public_url}{shown} answers {answer.status_code}: it leads somewhere else"
            yield Finding(
                FAIL, "callbacks", f"{sentence}. Check RECADO_PUBLIC_URL, RECADO_CALLBACK_NETS and the proxy."
            )
            return
    yield Finding(OK, "callbacks", f"{settings.public_url} leads here")


def _address(settings: Settings) -> Iterator[Finding]:
    if settings.public_url.startswith("https://"):
        yield Finding(OK, "cookies", "are sent over HTTPS only")
    elif not _is_loopback(settings.public_url):
        yield Finding(
            WARN, "cookies", f"{settings.public_url} is not HTTPS: passwords travel in clear. Put a proxy in front."
        )
    if not _is_loopback(settings.public_url) and not settings.trusted_hosts:
        yield Finding(WARN, "hosts", "any name is answered to. Set RECADO_TRUSTED_HOSTS to the public one.")


def _styles(settings: Settings) -> Finding:
    if assets.local_assets(settings.instance):
        return Finding(OK, "styles", "served from our own copy")
    if assets.cdn_answers(settings.assets_url):
        return Finding(OK, "styles", f"come from {settings.assets_url}")
    return Finding(
        WARN,
        "styles",
        f"{settings.assets_url} does not answer from here. Where browsers cannot reach it: recado assets fetch",
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"

"""The account in force: settings first, then what the admin page keeps."""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.fernet import MultiFernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.secrets import opened
from webapp.core.settings import Settings
from webapp.gateway.client import Gateway
from webapp.gateway.codes import DIALECTS
from webapp.gateway.models import Account

ROW = 1
UNREADABLE = "garbled"  # the stop of an account whose answers cannot be read; the column takes eight characters


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom we speak to the gateway."""

    url: str
    user: str
    password: str = field(repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether the connection is; the vendor's own host is plain HTTP."""
        return self.url.startswith("https://")


def row(session: Session) -> Account:
    """The account's row, made where it is missing (the caller's transaction must be a writing one then)."""
    found = session.get(Account, ROW)
    if found is None:  # somebody else may be making it at this moment
        made = insert_for(session, Account).values(id=ROW, unreadable_in_row=0, dates_zone="-03:00")
        session.execute(made.on_conflict_do_nothing())
        found = session.get_one(Account, ROW)
    return found


class Kept(NamedTuple):
    """What the admin page keeps of the login, sealed as it is."""

    url: str | None = None
    user: str | None = None
    password_sealed: str | None = None


_KEPT = select(Account.url, Account.user, Account.password_sealed).where(Account.id == ROW)


def kept(session: Session) -> Kept:
    """What is kept now: as long as it stays the same, so does the login."""
    found = session.execute(_KEPT).one_or_none()
    return Kept(*found) if found else Kept()


def login(session: Session, settings: Settings, box: MultiFernet) -> Login | None:
    """The login in force, or None while something of it is missing: sending is off until then."""
    return login_of(kept(session), settings, box)


def login_of(kept: Kept, settings: Settings, box: MultiFernet) -> Login | None:
    """The login that follows from what is kept and from the settings, which come first."""
    sealed = opened(box, kept.password_sealed) if kept.password_sealed else None
    url = settings.gateway_url or kept.url
    user = settings.gateway_user or kept.user
    password = settings.gateway_password or sealed
    return Login(url, user, password) if url and user and password else None


def connect(found: Login, settings: Settings) -> Gateway:
    """A client for that login."""
    return Gateway(
        found.url,
        found.user,
        found.password,
        timeout=settings.gateway_timeout,
        dialect=DIALECTS[settings.gateway_dialect],
    )


def tokens(session: Session, settings: Settings, box: MultiFernet) -> list[str]:
    """The callback tokens that are good now, the one to give the vendor first."""
    kept = session.get(Account, ROW) or Account()
    sealed = [] if settings.callback_token else [kept.callback_token_sealed]
    good = [settings.callback_token] if settings.callback_token else []
    for each in (*sealed, kept.previous_token_sealed):
        token = opened(box, each) if each else None
        if token:
            good.append(token)
    return [token for token in good if token]


def ensure_token(session: Session, settings: Settings, box: MultiFernet) -> str:
    """The callback token, made and sealed at first start."""
    good = tokens(session, settings, box)
    if good:
        return good[0]
    token = secrets.token_urlsafe(24)
    row(session).callback_token_sealed = box.encrypt(token.encode()).decode()
    return token


def rotate_token(session: Session, settings: Settings, box: MultiFernet) -> str:
    """A new token; the one before stays good until the next rotation, while the vendor changes over."""
    kept = row(session)
    kept.previous_token_sealed = kept.callback_token_sealed
    kept.callback_token_sealed = box.encrypt(secrets.token_urlsafe(24).encode()).decode()
    return tokens(session, settings, box)[0]


def is_token(given: str, good: list[str]) -> bool:
    """Constant-time comparison with each good token."""
    matches = [hmac.compare_digest(given.encode(), token.encode()) for token in good]
    return any(matches)


def stop(session: Session, code: str) -> None:
    """Note that the gateway refuses the account (or answers nothing readable): all sending rests until `clear_stop`."""
    kept = row(session)
    if kept.stopped_code != code:
        kept.stopped_code, kept.stopped_at = code, clock.now()


def clear_stop(session: Session) -> None:
    """Sending may go on."""
    kept = row(session)
    kept.stopped_code, kept.stopped_at, kept.unreadable_in_row = None, None, 0

"""What administrators change of the installation: the gateway account and the callback tokens."""

import re

from cryptography.fernet import MultiFernet
from sqlalchemy.orm import Session

from webapp.admin.health import Stuck
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.settings import PARSERS, Settings
from webapp.gateway import account
from webapp.inbox.models import RawInbound
from webapp.messages import reconcile

FIELDS = ("url", "user", "password")  # of the account, each with a setting `gateway_…` that wins over the page
_ZONE = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")


def fixed_fields(settings: Settings) -> frozenset[str]:
    """Which fields of the account come from the settings, so that the page can only show them."""
    return frozenset(name for name in FIELDS if getattr(settings, f"gateway_{name}"))


def save_account(
    session: Session,
    settings: Settings,
    box: MultiFernet,
    *,
    url: str = "",
    user: str = "",
    password: str = "",
    dates_zone: str = "-03:00",
) -> list[str]:
    """Keep the account; returns the names of what changed, never their values.

    Fields fixed by settings stay as they are, and an empty password keeps the one there is. UserError for an address
    that is no gateway's, or a zone that is no offset.
    """
    kept, fixed = account.row(session), fixed_fields(settings)
    if not _ZONE.fullmatch(dates_zone):
        raise UserError("The zone is an offset such as -03:00.", field="dates_zone")
    wanted: dict[str, str | None] = {"dates_zone": dates_zone}
    if "url" not in fixed:
        wanted["url"] = _gateway_url(url)
    if "user" not in fixed:
        wanted["user"] = user.strip()[:200] or None
    changed = [name for name, value in wanted.items() if getattr(kept, name) != value]
    for name in changed:
        setattr(kept, name, wanted[name])
    if password.strip() and "password" not in fixed:
        kept.password_sealed = box.encrypt(password.strip().encode()).decode()
        changed.append("password")
    return changed


def _gateway_url(url: str) -> str | None:
    if not url.strip():
        return None
    try:
        found = str(PARSERS["gateway_url"](url.strip()))
    except ValueError:
        raise UserError(
            "The address starts with http:// or https://, ends in /webservice-rest/ and holds no password.", field="url"
        ) from None
    if len(found) > 300:
        raise UserError("The address is too long.", field="url")
    return found


def rotate_token(session: Session, settings: Settings, box: MultiFernet) -> None:
    """A new callback token; the one before stays good until the next time. UserError where a setting fixes it."""
    if settings.callback_token:
        raise UserError("The token is fixed by RECADO_CALLBACK_TOKEN. Change it there.")
    account.rotate_token(session, settings, box)


def decide_batch(session: Session, stuck: Stuck, *, again: bool) -> int:
    """A person's word on a batch that goes no further by itself: send it again, or never.

    Returns how many messages it concerns. UserError while Recado can still find out by itself.
    """
    if not stuck.for_person:
        raise UserError("Recado is still asking the gateway about this batch. There is nothing to decide yet.")
    return reconcile.decide(session, stuck.batch, again=again)


def settle_raw(session: Session, raw: RawInbound) -> bool:
    """Somebody looked at a reply that could not be understood; it leaves the list. False where it had left already."""
    if raw.settled_at:
        return False
    raw.settled_at = clock.now()
    return True

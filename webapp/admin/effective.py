"""The settings in force and where each came from; what is secret only says whether it is there."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from webapp.core.i18n import N_
from webapp.core.settings import PREFIX, Settings, names

SECRET = frozenset({"gateway_password", "callback_token", "secret_key", "secret_key_fallbacks"})
MADE = frozenset({"callback_token", "secret_key"})  # made by Recado at first start where they are not given
FROM_PAGE = frozenset({"gateway_url", "gateway_user", "gateway_password"})  # kept by the gateway page else

GROUPS: dict[str, tuple[str, ...]] = {
    N_("Installation"): (
        "instance", "database_url", "environment", "public_url", "timezone", "locale", "upload_mb", "assets_url",
    ),
    N_("Gateway"): ("gateway_url", "gateway_user", "gateway_password", "gateway_dialect", "gateway_timeout"),
    N_("Sending"): (
        "sending_window", "batch_size", "concurrency", "rate", "handover_minutes", "settle_seconds", "poll_seconds",
    ),
    N_("Callbacks and access"): (
        "callback_token", "callback_nets", "trusted_hosts", "proxy_hops", "secret_key", "secret_key_fallbacks",
    ),
}  # fmt: skip

MEANINGS: dict[str, str] = {
    "instance": N_("Folder for the database, uploads, media, exports and keys"),
    "database_url": N_("Where the data is"),
    "environment": N_("Badge on every page that tells copies from the real thing"),
    "public_url": N_("How the gateway and phones reach us"),
    "timezone": N_("Zone of people and campaigns that choose none"),
    "locale": N_("Language of who chooses none"),
    "upload_mb": N_("Largest upload, in MB"),
    "assets_url": N_("Where style, scripts and icons come from"),
    "gateway_url": N_("Address of the gateway"),
    "gateway_user": N_("User of the gateway account"),
    "gateway_password": N_("Password of the gateway account"),
    "gateway_dialect": N_("How we write to the gateway"),
    "gateway_timeout": N_("Seconds for one whole call to the gateway"),
    "sending_window": N_("When messages may arrive, in the recipient's zone"),
    "batch_size": N_("Messages in one call"),
    "concurrency": N_("Calls under way at once, over all workers"),
    "rate": N_("Messages a second, 0 = no limit"),
    "handover_minutes": N_("Minutes before its time that a scheduled campaign leaves our hands"),
    "settle_seconds": N_("Seconds that a send of unknown outcome rests before it may be repeated"),
    "poll_seconds": N_("Seconds between two questions for replies and statuses"),
    "callback_token": N_("Secret part of the callback addresses"),
    "callback_nets": N_("Networks that callbacks may come from"),
    "trusted_hosts": N_("Host names that we answer to"),
    "proxy_hops": N_("Proxies in front of us"),
    "secret_key": N_("Key of cookies and of what is encrypted"),
    "secret_key_fallbacks": N_("Older keys that still open what they closed"),
}

ORIGINS: dict[str, str] = {
    "environment": N_("Environment"),
    "file": N_("Settings file"),
    "start": N_("Start command"),
    "page": N_("Gateway page"),
    "made": N_("Made by Recado"),
    "default": N_("Standard"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the page shows it. `value` is None for what is not set; secrets have `hidden` and no value."""

    name: str
    variable: str
    meaning: str
    value: str | None
    hidden: bool
    origin: str  # a key of ORIGINS


def in_force(settings: Settings, kept: Mapping[str, str]) -> dict[str, list[Setting]]:
    """Every setting by group; `kept` is what the gateway page holds of "url", "user" and "password"."""
    grouped = {name for group in GROUPS.values() for name in group}
    rest = tuple(name for name in names() if name not in grouped)
    groups = {**GROUPS, **({N_("Other"): rest} if rest else {})}
    return {title: [_setting(settings, name, kept) for name in members] for title, members in groups.items()}


def _setting(settings: Settings, name: str, kept: Mapping[str, str]) -> Setting:
    value = getattr(settings, name)
    origin = settings.sources.get(name, "default")
    if origin == "default" and name in FROM_PAGE and name.removeprefix("gateway_") in kept:
        origin, value = "page", kept[name.removeprefix("gateway_")]
    elif origin == "default" and name in MADE:
        origin = "made"
    hidden = name in SECRET and (bool(value) or origin in {"page", "made"})
    shown = None if hidden else _shown(name, value)
    return Setting(name, PREFIX + name.upper(), MEANINGS.get(name, ""), shown, hidden, origin)


def _shown(name: str, value: Any) -> str | None:
    if value is None or value == () or value == "":
        return None
    if name == "database_url":
        return _without_password(str(value))
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":…@") if parts.password else url


def only_this_machine(url: str) -> bool:
    """Whether nobody but this machine can reach a URL, as `public_url` is until it is set."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

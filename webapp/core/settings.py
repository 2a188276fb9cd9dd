"""Settings: `RECADO_*` in the environment, then `instance/recado.toml`. Nonsense stops the start with one sentence.

Values are read as text and parsed here: guessing types would turn the password `1e5` into a number.
"""

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webapp.core import clock
from webapp.core.i18n import LOCALES
from webapp.core.window import SendingWindow

ROOT = Path(__file__).parent.parent.parent
DEFAULT_ASSETS_URL = "https://cdn.jsdelivr.net/npm"


class SettingError(ValueError):
    """A setting that cannot be used; its text names the key and says what would do."""


SOURCES = ("environment", "file", "start")  # where a setting that is not the default came from
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one installation, checked. `fixed` names those that came from outside (read-only in pages)."""

    instance: Path
    database_url: str
    gateway_url: str | None = None
    gateway_user: str | None = None
    gateway_password: str | None = field(default=None, repr=False)
    gateway_dialect: str = "classic"
    public_url: str = "http://127.0.0.1:8000"
    callback_token: str | None = field(default=None, repr=False)
    callback_nets: tuple[Network, ...] = ()
    secret_key: str | None = field(default=None, repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    upload_mb: int = 200
    timezone: str = "America/Sao_Paulo"
    locale: str = "pt_BR"
    sending_window: str = "mon-fri 09:00-20:00; sat 09:00-13:00"
    batch_size: int = 5000
    concurrency: int = 4
    rate: float = 0.0
    gateway_timeout: float = 30.0
    settle_seconds: float = 600.0
    handover_minutes: float = 10.0
    poll_seconds: float = 60.0
    assets_url: str = DEFAULT_ASSETS_URL
    environment: str = ""
    fixed: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)  # name → one of SOURCES

    @property
    def window(self) -> SendingWindow:
        """The sending window, parsed."""
        return SendingWindow.parse(self.sending_window, self.timezone)

    @property
    def sqlite_path(self) -> Path | None:
        """The database's file where it is SQLite."""
        prefix = "sqlite:///"
        return Path(self.database_url[len(prefix) :]) if self.database_url.startswith(prefix) else None


def _text(value: str) -> str:
    return value


def _trimmed(value: str) -> str:
    return value.strip()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"a number from {low:g} to {high:g}") from None
        if not low <= number <= high:  # also refuses NaN
            raise ValueError(f"a number from {low:g} to {high:g}")
        return number

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return value

    return parse


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("a URL without user and password in it (they have settings of their own)")
    return value.rstrip("/")


def _gateway_url(value: str) -> str:
    url = _url(value) + "/"
    if not urlsplit(url).path.endswith("/webservice-rest/"):
        raise ValueError("a URL that ends in /webservice-rest/")
    return url


def _assets_url(value: str) -> str:
    if value.startswith("/") and not value.startswith("//"):
        return value.rstrip("/")
    return _url(value)


def _database_url(value: str) -> str:
    if value.startswith(("sqlite:///", "postgresql+psycopg://")):
        return value
    raise ValueError("sqlite:///… or postgresql+psycopg://…")


def _zone(value: str) -> str:
    clock.zone(value)
    return value


def _window(value: str) -> str:
    SendingWindow.parse(value)
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in _list(value))
    except ValueError as error:
        raise ValueError(f"networks like 203.0.113.0/24, separated by commas ({error})") from None


def _token(value: str) -> str:
    token = value.strip()
    if len(token) < 22 or not token.replace("-", "").replace("_", "").isalnum():
        raise ValueError("at least 22 letters, digits, - or _ (128 bits)")
    return token


def _secret(value: str) -> str:
    if len(value) < 16:
        raise ValueError("at least 16 characters")
    return value


PARSERS: dict[str, Callable[[str], Any]] = {
    "instance": Path,
    "database_url": _database_url,
    "gateway_url": _gateway_url,
    "gateway_user": _trimmed,
    "gateway_password": _trimmed,
    "gateway_dialect": _one_of("classic"),
    "public_url": _url,
    "callback_token": _token,
    "callback_nets": _networks,
    "secret_key": _secret,
    "secret_key_fallbacks": _list,
    "trusted_hosts": _list,
    "proxy_hops": _whole(0, 10),
    "upload_mb": _whole(1, 4096),
    "timezone": _zone,
    "locale": _one_of(*LOCALES),
    "sending_window": _window,
    "batch_size": _whole(1, 5000),
    "concurrency": _whole(1, 20),
    "rate": _number(0, 1_000_000),
    "gateway_timeout": _number(0.5, 600),
    "settle_seconds": _number(0, 86_400),
    "handover_minutes": _number(0, 1440),
    "poll_seconds": _number(1, 86_400),
    "assets_url": _assets_url,
    "environment": _text,
}
PREFIX = "RECADO_"


def load(environ: Mapping[str, str] | None = None, *, instance: Path | None = None, **overrides: str) -> Settings:
    """Read the settings; `overrides` (lower-case names) win over the environment, as the demo's do.

    Raises SettingError, whose text names the key, for an unknown key or a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    given = {
        key[len(PREFIX) :].lower(): value for key, value in environ.items() if key.startswith(PREFIX) and value != ""
    }
    sources = {name: PREFIX + name.upper() for name in given}
    kinds = dict.fromkeys(given, "environment")
    folder = instance or Path(overrides.get("instance") or given.get("instance") or ROOT / "instance")
    folder = folder.expanduser().absolute()
    path = folder / "recado.toml"
    for name, value in _file(path).items():
        if name not in given:
            given[name] = value
            sources[name], kinds[name] = f"{name} in {path}", "file"
    for name, value in overrides.items():
        given[name], sources[name], kinds[name] = value, name, "start"
    values = {name: _parse(name, value, sources[name]) for name, value in given.items()}
    values["instance"] = folder
    values.setdefault("database_url", f"sqlite:///{folder / 'recado.db'}")
    return Settings(**values, fixed=frozenset(given), sources=kinds)


def _parse(name: str, value: str, source: str) -> Any:
    if name not in PARSERS:
        known = ", ".join(PREFIX + key.upper() for key in PARSERS)
        raise SettingError(f"{source} is no setting of Recado; the settings are {known}.")
    try:
        return PARSERS[name](value)
    except ValueError as error:
        shown = "" if name in {"gateway_password", "secret_key", "callback_token"} else f" {value!r}"
        raise SettingError(f"{source}{shown} cannot be used: it must be {error}.") from None


def _file(path: Path) -> dict[str, str]:
    """The settings file as text values; TOML's own numbers and lists are written back as text and parsed by us."""
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} cannot be read: {error}.") from None
    values: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict) or name == "instance":
            raise SettingError(f"{name} in {path} is no setting of Recado.")
        values[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return values


def names() -> list[str]:
    """Every setting's name, for documentation tests."""
    return [item.name for item in fields(Settings) if item.name not in {"fixed", "sources"}]

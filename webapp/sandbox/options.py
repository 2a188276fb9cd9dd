"""Every switch of the sandbox, in one place: who may log in, how fast life passes, and how the answers look."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from threading import Lock

from webapp.gateway.codes import DIALECTS, RESPONSES

CHOICES: dict[str, tuple[str, ...]] = {
    "dialect": tuple(DIALECTS),
    "account": ("ok", "080", "090", "091", "100", "110"),
    "empty_list": ("list", "absent", "null", "text"),
    "messages_shape": ("list", "single", "data", "bare"),
    "row_names": ("classic", "aliases"),
    "balance_keys": ("old", "new", "both"),
    "reply_ids": ("message", "own"),
}
SHARES = ("failures", "reply_share", "stop_share", "callback_repeat", "callback_drop")


@dataclass
class Options:
    """The switches, each with the value that a plain gateway has. Shares run from 0 to 1, times are seconds."""

    user: str = "demo"
    password: str = "demo"  # noqa: S105 - the stand-in's well-known login
    dialect: str = "classic"

    # Life of a message
    speed: float = 1.0  # delays are divided by this; 1000 makes a whole life pass in milliseconds
    seed: int = 1
    failures: float = 0.06  # ordinary messages that end otherwise than well
    special_numbers: bool = True  # number endings that decide the outcome (`people`)

    # People who answer
    replies: bool = True
    reply_share: float = 0.08
    stop_share: float = 0.12  # of those who answer, how many write SAIR
    reply_ids: str = "message"  # an inbound id is that of the message answered, or one of its own

    # The account
    account: str = "ok"  # or the response code that every call gets
    refuse_duplicates: bool = False  # a campaign_id that was accepted before gets 070
    strict_parameters: bool = True  # unknown parameters get 160
    reference_limit: int = 0  # campaign_id is cut to this length; 0 keeps it whole

    # What look-ups show
    late_seconds: float = 0.0  # rows stay invisible this long after acceptance
    hide_scheduled: bool = False  # rows stay invisible until they are due
    strict_status_filter: bool = True
    http_2026: bool = False  # 010, 080, 090, 091 come with the HTTP status of the newer guide
    empty_list: str = "absent"
    messages_shape: str = "list"
    row_names: str = "classic"
    balance_keys: str = "old"

    # Callbacks
    status_url: str = ""
    reply_url: str = ""
    callback_bearer: str = ""
    callback_shuffle: bool = False
    callback_repeat: float = 0.0
    callback_drop: float = 0.0
    callback_tries: int = 3
    callback_retry_seconds: float = 1.0
    callback_workers: int = 8  # as many at once; fixed at the start

    def __post_init__(self) -> None:
        self._lock = Lock()
        self.change(asdict(self))

    def change(self, values: Mapping[str, object]) -> None:
        """Set several switches at once, or none; ValueError with a sentence for an unknown name or a wrong value."""
        known = {field.name: field.type for field in fields(self)}
        read = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"there is no setting called {name!r}")
            read[name] = _read(name, known[name], value)
        with self._lock:
            for name, value in read.items():
                setattr(self, name, value)

    def shown(self) -> dict[str, object]:
        """Every switch but the password, for the control API."""
        return {name: value for name, value in asdict(self).items() if name != "password"}


def _read(name: str, kind: object, value: object) -> object:
    try:
        read = _converted(kind, value)
    except (TypeError, ValueError, KeyError):
        raise ValueError(f"{name}: {value!r} is not possible here") from None
    if name in CHOICES and read not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}")
    if name in SHARES and not 0 <= float(str(read)) <= 1:
        raise ValueError(f"{name} must lie between 0 and 1")
    if kind in (int, float) and name != "seed" and float(str(read)) < 0:
        raise ValueError(f"{name} must not be negative")
    if name in ("speed", "callback_workers", "callback_tries") and not read:
        raise ValueError(f"{name} must be above 0")
    return read


def _converted(kind: object, value: object) -> object:
    if kind is bool:
        if isinstance(value, bool):
            return value
        return {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False, "": False}[
            str(value).lower()
        ]
    if kind is int:
        return int(str(value))
    if kind is float:
        number = float(str(value))
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError
        return number
    return "" if value is None else str(value)


def known_code(code: str) -> str:
    """A response code of the table; ValueError with a sentence for any other."""
    if code not in RESPONSES:
        raise ValueError(f"there is no response code {code!r}")
    return code

"""What the gateway accepts, in the order in which it complains.

The vendor documents the codes but not their order. The sandbox asks from the account inwards to the message, and says
only the first thing that is wrong:

1. of the call: 010 login → 080/090/091/100/110 the account's state → 160 unknown method or parameter →
   120/130 the batch;
2. of each message: 160 unknown parameter → 020 type → 030 content → 050/060 number → 150 file → 140 zone → 040 date →
   070 caption too long → the code that the number's ending asks for;
3. where money moves (`store`): 070 a reference used before, if protection is on → 080 purse short or expired.

In a batch everything of 2 and 3 is said item by item under 001. Each item is judged by itself, so when a purse runs
low an item of one credit may still pass behind an item of two that did not. Only when every item fails with 080 does
the whole call answer 080.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from webapp.core.clock import GATEWAY_ZONE
from webapp.core.text import segments
from webapp.gateway.codes import DIALECTS, Dialect, ServiceType, status_code
from webapp.sandbox.options import Options
from webapp.sandbox.people import Number, read_number, refusal

COMMON = frozenset(
    {"type", "country_code", "number", "content", "caption", "campaign_id", "schedule", "timezone", "user", "password"}
)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:(?:[T +]|%20)(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*(Z|[+ -]\d\d:?\d\d)?", re.ASCII
).fullmatch
_ZONE = re.compile(r"([+ -])(\d{1,2})(?::?(\d\d))?", re.ASCII).fullmatch
_NO_DATE = ("0000-00-00", "0000-00-00 00:00:00")


class Draft(NamedTuple):
    """A message that passed the checks of its own; `due_at` is None for "now"."""

    service: ServiceType
    number: Number
    content: str
    caption: str
    reference: str
    due_at: float | None
    credit: int


def parameters(dialect: Dialect) -> frozenset[str]:
    """Every parameter of a message that the dialect documents."""
    return COMMON.union(*((row.body_field, *row.fields) for row in dialect.types.values()))


def text_of(value: object) -> str:
    """A parameter as text, whether it came as JSON number or string; "" for none, lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def judge(
    fields: Mapping[str, object], dialect: Dialect, allowed: frozenset[str], options: Options, now: float
) -> Draft | str:
    """One message as a draft, or the response code that refuses it."""
    if options.strict_parameters and not fields.keys() <= allowed:
        return "160"
    service = service_of(text_of(fields.get("type")), dialect.name)
    if service is None:
        return "020"
    content = text_of(fields.get(service.body_field))
    if not content.strip():
        return "030"
    number = read_number(text_of(fields.get("number")), text_of(fields.get("country_code")))
    if isinstance(number, str):
        return number
    if service.media and not file_allowed(content, service.extensions):
        return "150"
    due_at = schedule(text_of(fields.get("schedule")), text_of(fields.get("timezone")))
    if isinstance(due_at, str):
        return due_at
    if due_at is not None and due_at < now:
        return "040"
    caption = text_of(fields.get("caption"))
    if service.caption_max and len(caption) > service.caption_max:
        return "070"
    refused = refusal(number.digits, options)
    if refused is not None:
        return refused
    reference = text_of(fields.get("campaign_id"))
    if options.reference_limit:
        reference = reference[: options.reference_limit]
    return Draft(service, number, content, caption, reference, due_at, credits_of(service, content))


def credits_of(service: ServiceType, content: str) -> int:
    """What a message costs: one credit a part for SMS, one for everything else."""
    return max(1, segments(content).parts) if service.by_segments else 1


@lru_cache(maxsize=1024)
def service_of(text: str, dialect: str) -> ServiceType | None:
    """The service type that a text names ("2", "02", " 2 "), None for none."""
    kind = status_code(text) or ""
    return DIALECTS[dialect].types.get(int(kind)) if kind.isascii() and kind.isdigit() else None


@lru_cache(maxsize=1024)
def file_allowed(url: str, extensions: tuple[str, ...]) -> bool:
    """Whether the content is the web address of a file with one of the extensions."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.path.lower().endswith(extensions)


@lru_cache(maxsize=1024)
def schedule(date: str, zone: str) -> float | str | None:
    """When a message is due, in seconds since 1970; None for now, 140 or 040 where zone or date make no sense."""
    offset = read_zone(zone)
    if offset is None:
        return "140"
    date = date.strip()
    if not date or date in _NO_DATE:
        return None
    moment = read_date(date, offset)
    return "040" if moment is None else moment


@lru_cache(maxsize=1024)
def read_zone(text: str) -> timezone | None:
    """An offset such as `-03:00`; Brasília's for none, None for what is no offset.

    A leading space is a "+" that an unescaped query string lost.
    """
    if not text.strip():
        return GATEWAY_ZONE
    if text.strip() == "Z":
        return UTC
    match = _ZONE(text.rstrip())
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    minutes = -minutes if match[1] == "-" else minutes
    if int(match[3] or 0) > 59 or not -12 * 60 <= minutes <= 14 * 60:
        return None
    return timezone(timedelta(minutes=minutes))


def read_date(text: str, zone: timezone, end_of_day: bool = False) -> float | None:
    """A date in any of the spellings that clients send, in seconds since 1970; None where it is none.

    A day without a time is its midnight, or with `end_of_day` its last second. An offset of its own wins over `zone`.
    """
    match = _DATE(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, own = match.groups()
    if hour is None:
        hour, minute, second = ("23", "59", "59") if end_of_day else ("0", "0", "0")
    offset = read_zone(own) if own else zone
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=offset)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None

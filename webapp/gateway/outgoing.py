"""What is written to the gateway: parameters by the dialect's table, nothing that the dialect does not document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from webapp.core import phone
from webapp.core.clock import GATEWAY_ZONE
from webapp.gateway.codes import MAX_BATCH, RESPONSES, Dialect
from webapp.gateway.errors import OurMistake

Parameters = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Manner:
    """What all messages of one call have in common.

    `content` is the text of those without one of their own, or the URL of the file for media types; `schedule` is an
    aware moment, None for now.
    """

    type: int
    content: str = ""
    caption: str = ""
    schedule: datetime | None = None


class Recipient(NamedTuple):
    """Who gets a message: E.164 digits, the reference that travels as `campaign_id`, the text where it is their own."""

    number: int
    reference: str
    content: str | None = None


def _mistake(code: str) -> OurMistake:
    return OurMistake(code, detail=f"not sent: {RESPONSES[code].description}")


def _shared(manner: Manner, dialect: Dialect) -> tuple[str, Parameters]:
    """The parameter that carries the content, and those that every message has. Raises OurMistake for a type that the
    dialect does not have."""
    kind = dialect.types.get(manner.type)
    if kind is None:
        raise _mistake("020")
    shared: Parameters = {"type": kind.type}
    for name in kind.fields:
        value = getattr(manner, name)
        if value:
            shared[name] = value
    if manner.schedule is not None:
        shared["schedule"], shared["timezone"] = scheduled(manner.schedule)
    return kind.body_field, shared


def _national(digits: str) -> str | int:
    """A number in the vendor's samples is one of JSON; it goes as text only where it would lose a leading zero."""
    return digits if digits.startswith("0") else int(digits)


def parameters(manner: Manner, to: Recipient, dialect: Dialect) -> Parameters:
    """One message as the gateway's parameters. Raises OurMistake for a type that the dialect does not have."""
    field, shared = _shared(manner, dialect)
    country, national = phone.split(to.number)
    own: Parameters = {"country_code": country, "number": _national(national), "campaign_id": to.reference}
    return shared | own | {field: manner.content if to.content is None else to.content}


def scheduled(moment: datetime) -> tuple[str, str]:
    """`schedule` and `timezone` of an aware moment, in its own offset. Raises ValueError for a naive one."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a schedule needs a time zone")
    if offset % timedelta(minutes=1):  # local mean times of old zones cannot be written as ±HH:MM
        moment = moment.astimezone(GATEWAY_ZONE)
    written = moment.isoformat(sep=" ", timespec="seconds")
    return written[:19], written[19:]


def single_body(manner: Manner, to: Recipient, dialect: Dialect) -> bytes:
    """The form body of send-single."""
    return urlencode(parameters(manner, to, dialect), encoding="utf-8", errors="replace").encode("ascii")


def batch_body(manner: Manner, people: Sequence[Recipient], dialect: Dialect) -> bytes:
    """The JSON body of send-multiple; what all messages share goes to `defaultValues`.

    Raises OurMistake where the gateway would answer 020, 120 or 130.
    """
    if not people:
        raise _mistake("130")
    if len(people) > MAX_BATCH:
        raise _mistake("120")
    field, shared = _shared(manner, dialect)
    messages = _addressed(people, shared)
    if all(to.content is None for to in people):
        shared[field] = manner.content
    else:
        for message, to in zip(messages, people, strict=True):
            message[field] = manner.content if to.content is None else to.content
    body = {"defaultValues": shared, "messages": messages}
    try:
        return orjson.dumps(body)
    except TypeError:  # half of an emoji, which is no text: the gateway gets a "?" in its place
        return orjson.dumps(_readable(body))


def _addressed(people: Sequence[Recipient], shared: Parameters) -> list[Parameters]:
    """Number and reference of each; a country that is everybody's goes to `shared`."""
    if phone.all_mobile([to.number for to in people]):
        shared["country_code"] = 55
        return [{"number": number - phone.BRAZILIAN, "campaign_id": reference} for number, reference, _ in people]
    split = [phone.split(to.number) for to in people]
    messages: list[Parameters] = [
        {"number": _national(national), "campaign_id": to.reference}
        for to, (_, national) in zip(people, split, strict=True)
    ]
    if len({country for country, _ in split}) == 1:
        shared["country_code"] = split[0][0]
    else:
        for message, (country, _) in zip(messages, split, strict=True):
            message["country_code"] = country
    return messages


def _readable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _readable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_readable(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

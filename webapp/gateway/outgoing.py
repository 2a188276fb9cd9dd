"""What is written to the gateway: parameters by the dialect's table, nothing that the dialect does not document."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from webapp.core import phone
from webapp.core.clock import GATEWAY_ZONE
from webapp.gateway.codes import MAX_BATCH, RESPONSES, Dialect
from webapp.gateway.errors import OurMistake

Parameters = dict[str, str | int]


@dataclass(slots=True)  # not frozen: thousands are made for each call
class Outgoing:
    """One message to hand over.

    `number` is E.164 digits; `content` the text, or the URL of the file for media types; `reference` travels as
    `campaign_id`; `schedule` is an aware moment, None for now. `type` and `schedule` may be left to the batch.
    """

    number: int
    content: str
    reference: str
    type: int | None = None
    caption: str = ""
    schedule: datetime | None = None


def _mistake(code: str) -> OurMistake:
    return OurMistake(code, detail=f"not sent: {RESPONSES[code].description}")


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a message travels beside its content and its person: `others` are parameters, `field` carries the content."""

    field: str
    others: Parameters


def _manner(out: Outgoing, dialect: Dialect) -> _Manner:
    kind = dialect.types.get(-1 if out.type is None else out.type)
    if kind is None:
        raise _mistake("020")
    others: Parameters = {"type": kind.type}
    for name in kind.fields:
        value = getattr(out, name)
        if value:
            others[name] = value
    if out.schedule is not None:
        others["schedule"], others["timezone"] = scheduled(out.schedule)
    return _Manner(kind.body_field, others)


def _address(number: int) -> tuple[int, str | int]:
    """Country code and national number. A number in the vendor's samples is one of JSON; as text only where it would
    lose a leading zero."""
    country, national = phone.split(number)
    return country, national if national.startswith("0") else int(national)


def parameters(out: Outgoing, dialect: Dialect) -> Parameters:
    """A message as the gateway's parameters. Raises OurMistake for a type that the dialect does not have."""
    manner, (country, national) = _manner(out, dialect), _address(out.number)
    own: Parameters = {"country_code": country, "number": national, "campaign_id": out.reference}
    return manner.others | own | {manner.field: out.content}


def scheduled(moment: datetime) -> tuple[str, str]:
    """`schedule` and `timezone` of an aware moment, in its own offset. Raises ValueError for a naive one."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a schedule needs a time zone")
    if offset % timedelta(minutes=1):  # local mean times of old zones cannot be written as ±HH:MM
        moment = moment.astimezone(GATEWAY_ZONE)
    written = moment.isoformat(sep=" ", timespec="seconds")
    return written[:19], written[19:]


def single_body(out: Outgoing, dialect: Dialect) -> bytes:
    """The form body of send-single."""
    return urlencode(parameters(out, dialect), encoding="utf-8", errors="replace").encode("ascii")


def batch_body(
    outs: Sequence[Outgoing], dialect: Dialect, *, type: int | None = None, schedule: datetime | None = None
) -> bytes:
    """The JSON body of send-multiple; what all messages share goes to `defaultValues`.

    `type` and `schedule` are those of messages that state none. Raises OurMistake where the gateway would answer 020,
    120 or 130.
    """
    if not outs:
        raise _mistake("130")
    if len(outs) > MAX_BATCH:
        raise _mistake("120")
    if type is not None or schedule is not None:
        outs = [_completed(out, type, schedule) for out in outs]
    first = outs[0]
    if all(out.type == first.type and out.caption == first.caption and out.schedule == first.schedule for out in outs):
        shared, messages = _alike(outs, _manner(first, dialect))
    else:
        shared, messages = {}, [parameters(out, dialect) for out in outs]
    text = json.dumps({"defaultValues": shared, "messages": messages}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _alike(outs: Sequence[Outgoing], manner: _Manner) -> tuple[Parameters, list[Parameters]]:
    """What messages of one manner share, and what stays with each."""
    addresses = [_address(out.number) for out in outs]
    shared, content, (country, _) = dict(manner.others), outs[0].content, addresses[0]
    pairs = zip(outs, addresses, strict=True)
    messages: list[Parameters] = [{"number": national, "campaign_id": out.reference} for out, (_, national) in pairs]
    if all(address[0] == country for address in addresses):
        shared["country_code"] = country
    else:
        for message, address in zip(messages, addresses, strict=True):
            message["country_code"] = address[0]
    if all(out.content == content for out in outs):
        shared[manner.field] = content
    else:
        for message, out in zip(messages, outs, strict=True):
            message[manner.field] = out.content
    return shared, messages


def _completed(out: Outgoing, type: int | None, schedule: datetime | None) -> Outgoing:
    if (out.type is None and type is not None) or (out.schedule is None and schedule is not None):
        return replace(
            out,
            type=type if out.type is None else out.type,
            schedule=schedule if out.schedule is None else out.schedule,
        )
    return out

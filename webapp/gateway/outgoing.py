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
_OWN = frozenset({"number", "campaign_id"})  # what makes a message this person's stays with the message


@dataclass(frozen=True, slots=True)
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


def parameters(out: Outgoing, dialect: Dialect) -> Parameters:
    """A message as the gateway's parameters. Raises OurMistake for a type that the dialect does not have."""
    kind = dialect.types.get(-1 if out.type is None else out.type)
    if kind is None:
        raise _mistake("020")
    country, national = phone.split(out.number)
    found: Parameters = {
        "type": kind.type,
        "country_code": country,
        # A number in the vendor's samples is one of JSON; as text only where it would lose a leading zero.
        "number": national if national.startswith("0") else int(national),
        kind.body_field: out.content,
        "campaign_id": out.reference,
    }
    for name in kind.fields:
        value = getattr(out, name)
        if value:
            found[name] = value
    if out.schedule is not None:
        found["schedule"], found["timezone"] = scheduled(out.schedule)
    return found


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
    rows = [parameters(_completed(out, type, schedule), dialect) for out in outs]
    shared = {
        name: value
        for name, value in rows[0].items()
        if name not in _OWN and all(row.get(name) == value for row in rows)
    }
    messages = [{name: value for name, value in row.items() if name not in shared} for row in rows]
    text = json.dumps({"defaultValues": shared, "messages": messages}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _completed(out: Outgoing, type: int | None, schedule: datetime | None) -> Outgoing:
    if (out.type is None and type is not None) or (out.schedule is None and schedule is not None):
        return replace(
            out,
            type=type if out.type is None else out.type,
            schedule=schedule if out.schedule is None else out.schedule,
        )
    return out

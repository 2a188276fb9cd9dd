"""When two things we heard are one reply.

The gateway tells of a reply by callback, by `mo_new` and by `mo`, with no id of its own and with seconds and zones that
may differ. Each way counts on its own: what a way said twice in the same second is one, what it said a minute apart is
two. Across ways, the same number and text within 30 s, or a whole number of hours apart, is one.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.inbox.models import Inbound, Sighting

NEAR = 30  # seconds between what two ways state
ZONES = 14  # whole hours that two ways may differ by: no zone is further from UTC
HOUR = 3600
# How far back a way's row without a date looks for the reply that it repeats. `mo` brings the same rows at every sweep.
UNDATED_REACH = {"callback": timedelta(seconds=NEAR), "mo_new": timedelta(minutes=15), "mo": timedelta(days=32)}
PLAUSIBLE_PAST, PLAUSIBLE_FUTURE = timedelta(days=40), timedelta(hours=ZONES)


class Moment(NamedTuple):
    """When a reply was written. `second` is epoch seconds as stated (ours where `stated` is false); `at` naive UTC."""

    second: int
    at: datetime
    stated: bool


def moment_of(stated: datetime | None, received: datetime) -> Moment:
    """The gateway's moment, or ours where it gave none or an absurd one. Nothing was written after we had it."""
    if stated is not None:
        at = clock.naive(stated)
        if received - PLAUSIBLE_PAST <= at <= received + PLAUSIBLE_FUTURE:
            return Moment(_second(at), min(at, received), True)
    return Moment(_second(received), received, False)


def _second(moment: datetime) -> int:
    return int(clock.aware(moment).timestamp())


def text_key(text: str) -> str:
    """The hash of a text by which replies are compared: composed, without blanks around it."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).strip().encode("utf-8", "replace")).hexdigest()


def seen(session: Session, number: int, key: str, source: str, moment: Moment) -> bool:
    """Whether this way told of this reply before. Asked first and without a lock: sweeps repeat themselves a lot."""
    if moment.stated:
        return session.get(Sighting, (number, key, source, moment.second)) is not None
    since = moment.at - UNDATED_REACH[source]
    told = select(Sighting.inbound_id).join(Inbound).where(
        Sighting.number == number, Sighting.text_key == key, Sighting.source == source, Inbound.received_at >= since
    )  # fmt: skip
    return source != "mo_new" and session.scalar(told.limit(1)) is not None


def twin(session: Session, number: int, key: str, source: str, moment: Moment) -> Inbound | None:
    """The reply that another way told of already and this way has not; the nearest where there are several."""
    span = ZONES * HOUR + NEAR
    told_here = select(Sighting.inbound_id).where(
        Sighting.number == number, Sighting.text_key == key, Sighting.source == source
    )
    query = select(Inbound).where(
        Inbound.number == number, Inbound.text_key == key, Inbound.id.not_in(told_here)
    )  # fmt: skip
    if moment.stated:
        query = query.where(Inbound.second.between(moment.second - span, moment.second + span))
    else:
        query = query.where(Inbound.received_at >= moment.at - UNDATED_REACH[source])
    return _nearest(session.scalars(query), moment)


def _nearest(candidates: Iterable[Inbound], moment: Moment) -> Inbound | None:
    ranked = [
        (*distance, found.id, found)
        for found in candidates
        if (distance := _distance(found, moment)) is not None
    ]  # fmt: skip
    return min(ranked)[-1] if ranked else None


def _distance(found: Inbound, moment: Moment) -> tuple[int, int] | None:
    """Hours apart, and seconds beside whole hours; None where they cannot be one reply."""
    apart = abs(found.second - moment.second)
    if not moment.stated or found.undated:  # one of the seconds is only when we were told
        return (0, apart) if apart <= UNDATED_REACH["mo_new"].total_seconds() or not moment.stated else None
    hours, beside = divmod(apart + NEAR, HOUR)
    return (hours, abs(beside - NEAR)) if beside <= 2 * NEAR and hours <= ZONES else None


def free_second(session: Session, number: int, key: str, second: int) -> int:
    """The first second from this one on that no reply with this number and text has."""
    while session.scalar(
        select(Inbound.id).where(Inbound.number == number, Inbound.text_key == key, Inbound.second == second)
    ):
        second += 1
    return second

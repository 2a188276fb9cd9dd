"""One batch's way out: claim ¦ read its rows ¦ call ¦ record. No transaction is open across the call."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from webapp.core import clock, phone
from webapp.core.db import Database, moment
from webapp.core.settings import Settings
from webapp.core.window import SendingWindow
from webapp.gateway.client import Gateway
from webapp.gateway.codes import DIALECTS
from webapp.gateway.errors import GatewayError
from webapp.gateway.outgoing import Manner, Recipient
from webapp.gateway.wire import ItemAnswer
from webapp.messages import record
from webapp.messages.claim import LEASE_MARGIN, Claimed, claim
from webapp.messages.models import Message
from webapp.messages.reference import encoded
from webapp.messages.states import RowState
from webapp.optouts.models import EVERY_CHANNEL, OptOut

log = structlog.get_logger(__name__)
SINGLES = frozenset({"reply", "test"})  # these travel by send-single, which tells the id at once


@dataclass(frozen=True, slots=True)
class Load:
    """What of a claimed batch leaves now, as columns: keys, numbers and texts (None: the run's) of its rows.

    `later`: when the next of the others may arrive (naive UTC). `gone`: keys of people who opted out since the launch.
    """

    keys: Sequence[int]
    numbers: Sequence[int]
    texts: Sequence[str | None]
    later: datetime | None
    gone: Sequence[int]


def send_next(db: Database, settings: Settings, gateway: Gateway, worker: str | None = None) -> bool:
    """Send one due batch, whatever comes of it. False where nothing may leave now. `worker` is who sends."""
    claimed = db.retrying(lambda session: claim(session, settings, worker))
    if claimed is None:
        return False
    with db.reading() as session:
        load = prepare(session, settings, claimed)
    if load.gone:
        db.retrying(lambda session: record.left_out(session, claimed, load.gone, "optout"))
    if not load.keys:
        db.retrying(lambda session: record.nothing_to_send(session, claimed, load.later))
        return True
    if time.monotonic() - claimed.since > LEASE_MARGIN:  # the whole call must fit into what is left of the lease
        db.retrying(lambda session: record.given_back(session, claimed, "slow"))
        return True
    outcome = call(gateway, claimed, load)
    seconds = round(time.monotonic() - claimed.since, 3)
    if isinstance(outcome, GatewayError):
        log.warning(
            "batch without answer", batch=claimed.batch_id, run=claimed.run_id, attempt=claimed.attempt,
            error=type(outcome).__name__, code=outcome.code, detail=outcome.detail, seconds=seconds,
        )  # fmt: skip
        db.retrying(lambda session: record.failed(session, settings, claimed, outcome))
    else:
        db.retrying(lambda session: record.answered(session, settings, claimed, load.keys, outcome, load.later))
        log.info("batch sent", batch=claimed.batch_id, run=claimed.run_id, rows=len(load.keys), seconds=seconds)
    return True


_MESSAGE, _OPT_OUT = Message.__table__.c, OptOut.__table__.c
_IN_THE_BATCH = _MESSAGE.id.between(bindparam("first"), bindparam("last")), _MESSAGE.run_id == bindparam("run")
_PENDING = (
    select(_MESSAGE.id, _MESSAGE.number, _MESSAGE.text)
    .where(*_IN_THE_BATCH, _MESSAGE.state == RowState.PENDING)
    .order_by(_MESSAGE.id)
)
_OPTED_OUT = (
    select(_MESSAGE.number)
    .join(OptOut.__table__, _OPT_OUT.number == _MESSAGE.number)
    .where(*_IN_THE_BATCH, _OPT_OUT.channel.in_(bindparam("channels", expanding=True)))
)


def prepare(session: Session, settings: Settings, claimed: Claimed) -> Load:
    """The rows that leave now: still pending, nobody who opted out since, nobody whose window is closed."""
    kind = DIALECTS[settings.gateway_dialect].types.get(claimed.type)
    batch = {"first": claimed.first_key, "last": claimed.last_key, "run": claimed.run_id}
    channels = [EVERY_CHANNEL, *([kind.channel] if kind else [])]
    connection = session.connection()  # thousands of rows: nothing of the ORM stands between
    rows: Sequence[Any] = connection.execute(_PENDING, batch).all()
    out = set(connection.scalars(_OPTED_OUT, {**batch, "channels": channels}))
    gone = [key for key, number, _ in rows if number in out] if out else []
    rows = [row for row in rows if row[1] not in out] if out else rows
    later = None
    if not claimed.ignores_window:
        rows, later = _by_window(rows, settings.window, clock.aware(claimed.deliver_at or moment(session)))
    keys, numbers, texts = zip(*rows, strict=True) if rows else ((), (), ())
    return Load(keys, numbers, texts, later, gone)


def _by_window(rows: Sequence[Any], window: SendingWindow, arrival: datetime) -> tuple[Sequence[Any], datetime | None]:
    """The rows that may arrive then, and when the next of the others may (naive UTC). Judged at the moment of arrival,
    in the recipient's own zone: a late worker must not ring anybody at night."""
    if all(window.is_open(arrival, area) for area in phone.areas([number for _, number, _ in rows])):
        return rows, None  # as nearly always: a launch sorts people by their openings
    now, later = [], []
    opening_of = window.openings_from(arrival)
    for row in rows:
        opening = opening_of(row[1])
        if opening <= arrival:
            now.append(row)
        else:
            later.append(clock.naive(opening))
    return now, min(later) if later else None


def call(gateway: Gateway, claimed: Claimed, load: Load) -> Sequence[ItemAnswer] | GatewayError:
    """Hand the rows over: an answer for each, or the error of the whole call."""
    schedule = None
    if claimed.deliver_at is not None:
        schedule = clock.aware(claimed.deliver_at).astimezone(ZoneInfo(claimed.deliver_zone or "America/Sao_Paulo"))
    manner = Manner(claimed.type, claimed.text, claimed.caption, schedule)
    people = list(map(Recipient, load.numbers, encoded(claimed.token, load.keys), load.texts))
    try:
        if claimed.kind in SINGLES and len(people) == 1:
            answer = gateway.send_single(manner, people[0])
            return [ItemAnswer(answer.code, answer.credit, answer.id)]
        return gateway.send_multiple(manner, people).items
    except GatewayError as error:
        return error

"""One batch's way out: claim ¦ read its rows ¦ call ¦ record. No transaction is open across the call."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import Database, moment
from webapp.core.settings import Settings
from webapp.core.window import SendingWindow
from webapp.gateway.client import Gateway
from webapp.gateway.codes import DIALECTS
from webapp.gateway.errors import GatewayError
from webapp.gateway.outgoing import Outgoing
from webapp.gateway.wire import ItemAnswer
from webapp.messages import record
from webapp.messages.claim import LEASE_MARGIN, Claimed, claim
from webapp.messages.models import Message
from webapp.messages.reference import encode
from webapp.messages.states import RowState
from webapp.optouts.models import EVERY_CHANNEL, OptOut

log = structlog.get_logger(__name__)
SINGLES = frozenset({"reply", "test"})  # these travel by send-single, which tells the id at once


class Row(NamedTuple):
    """What of a row travels."""

    id: int
    number: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """A claimed batch's rows: those to hand over now, when the next of the others may arrive (naive UTC), and the keys
    of people who opted out since the launch."""

    rows: Sequence[Row]
    later: datetime | None
    gone: Sequence[int] = ()


def send_next(db: Database, settings: Settings, gateway: Gateway, worker: str | None = None) -> bool:
    """Send one due batch, whatever comes of it. False where nothing may leave now. `worker` is who sends."""
    claimed = db.retrying(lambda session: claim(session, settings, worker))
    if claimed is None:
        return False
    began = time.monotonic()
    with db.reading() as session:
        load = prepare(session, settings, claimed)
    if load.gone:
        db.retrying(lambda session: record.left_out(session, claimed, load.gone, "optout"))
    if not load.rows:
        db.retrying(lambda session: record.nothing_to_send(session, claimed, load.later))
        return True
    if time.monotonic() - began > LEASE_MARGIN:  # the whole call must fit into what is left of the lease
        db.retrying(lambda session: record.given_back(session, claimed, "slow"))
        return True
    outcome = call(gateway, claimed, load.rows)
    seconds = round(time.monotonic() - began, 3)
    if isinstance(outcome, GatewayError):
        log.warning(
            "batch without answer", batch=claimed.batch_id, run=claimed.run_id, attempt=claimed.attempt,
            error=type(outcome).__name__, code=outcome.code, detail=outcome.detail, seconds=seconds,
        )  # fmt: skip
        db.retrying(lambda session: record.failed(session, settings, claimed, outcome))
    else:
        db.retrying(lambda session: record.answered(session, settings, claimed, load.rows, outcome, load.later))
        log.info("batch sent", batch=claimed.batch_id, run=claimed.run_id, rows=len(load.rows), seconds=seconds)
    return True


def prepare(session: Session, settings: Settings, claimed: Claimed) -> Load:
    """The rows that leave now: still pending, nobody who opted out since, nobody whose window is closed."""
    found = session.execute(
        select(Message.id, Message.number, Message.text)
        .where(Message.id.between(claimed.first_key, claimed.last_key), Message.run_id == claimed.run_id)
        .where(Message.state == RowState.PENDING)
        .order_by(Message.id)
    )
    rows = [Row._make(row) for row in found]
    out = _opted_out(session, settings, claimed)
    gone = [row.id for row in rows if row.number in out] if out else []
    rows = [row for row in rows if row.number not in out] if out else rows
    if claimed.ignores_window:
        return Load(rows, None, gone)
    now, later = _by_window(rows, settings.window, clock.aware(claimed.deliver_at or moment(session)))
    return Load(now, later, gone)


def _opted_out(session: Session, settings: Settings, claimed: Claimed) -> set[int]:
    kind = DIALECTS[settings.gateway_dialect].types.get(claimed.type)
    channels = [EVERY_CHANNEL, *([kind.channel] if kind else [])]
    found = (
        select(Message.number)
        .join(OptOut, OptOut.number == Message.number)
        .where(Message.id.between(claimed.first_key, claimed.last_key), Message.run_id == claimed.run_id)
        .where(OptOut.channel.in_(channels))
    )
    return set(session.scalars(found))


def _by_window(rows: Sequence[Row], window: SendingWindow, arrival: datetime) -> tuple[Sequence[Row], datetime | None]:
    """The rows that may arrive then, and when the next of the others may (naive UTC). Judged at the moment of arrival,
    in the recipient's own zone: a late worker must not ring anybody at night."""
    now, later = [], []
    opening_of = window.openings_from(arrival)
    for row in rows:
        opening = opening_of(row.number)
        if opening <= arrival:
            now.append(row)
        else:
            later.append(clock.naive(opening))
    return now, min(later) if later else None


def call(gateway: Gateway, claimed: Claimed, rows: Sequence[Row]) -> Sequence[ItemAnswer] | GatewayError:
    """Hand the rows over: an answer for each, or the error of the whole call."""
    schedule = None
    if claimed.deliver_at is not None:
        schedule = clock.aware(claimed.deliver_at).astimezone(ZoneInfo(claimed.deliver_zone or "America/Sao_Paulo"))
    outs = [
        Outgoing(
            number=row.number, content=claimed.text if row.text is None else row.text,
            reference=encode(claimed.token, row.id), type=claimed.type, caption=claimed.caption, schedule=schedule,
        )
        for row in rows
    ]  # fmt: skip
    try:
        if claimed.kind in SINGLES and len(outs) == 1:
            answer = gateway.send_single(outs[0])
            return [ItemAnswer(answer.code, answer.credit, answer.id)]
        return gateway.send_multiple(outs).items
    except GatewayError as error:
        return error

"""One batch's way out: claim ¦ read its rows ¦ call ¦ record. No transaction is open across the call."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from threading import Semaphore
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from webapp.core import clock, phone
from webapp.core.db import Database, moment
from webapp.core.settings import Settings
from webapp.core.window import SendingWindow
from webapp.gateway.client import Gateway, Letter
from webapp.gateway.codes import DIALECTS
from webapp.gateway.errors import GatewayError
from webapp.gateway.outgoing import Manner, Recipient
from webapp.gateway.wire import ItemAnswer
from webapp.messages import record
from webapp.messages.claim import LEASE_MARGIN, Claimed, claim, still_goes
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


def _enough() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Sender:
    """What sends claimed batches, in as many threads as one likes.

    `worker` is who claims them. `lines` are the calls that may be under way. `turn` is held while thousands of rows are
    computed with: Python runs one thread at a time anyway, and threads that take it from each other every few
    milliseconds are all done late together, with nobody waiting for the gateway meanwhile. While `more` says so, the
    next batch is claimed in the transaction that writes the last one down: one wait for the database's writers less.
    """

    db: Database
    settings: Settings
    worker: str | None = None
    lines: Semaphore = field(default_factory=Semaphore)
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext)
    more: Callable[[], bool] = _enough

    def claim(self) -> Claimed | None:
        """The next due batch, None where nothing may leave now."""
        return self.db.retrying(lambda session: claim(session, self.settings, self.worker))

    def send(self, gateway: Gateway, claimed: Claimed) -> Claimed | None:
        """A batch's way out, whatever comes of it. Returns the next one, if more is wanted and due."""
        with self.turn, self.db.reading() as session:
            load = prepare(session, self.settings, claimed)
        if load.gone:
            self.db.retrying(lambda session: record.left_out(session, claimed, load.gone, "optout"))
        if not load.keys:
            return self._written(lambda session: record.nothing_to_send(session, claimed, load.later))
        outcome = self._outcome(gateway, claimed, load)
        if outcome is None:
            return self._written(lambda session: record.given_back(session, claimed, None))
        tell(claimed, len(load.keys), outcome)
        if isinstance(outcome, GatewayError):
            return self._written(lambda session: record.failed(session, self.settings, claimed, outcome))
        return self._written(
            lambda session: record.answered(session, self.settings, claimed, load.keys, outcome, load.later)
        )

    def _outcome(self, gateway: Gateway, claimed: Claimed, load: Load) -> Sequence[ItemAnswer] | GatewayError | None:
        """An answer for each message, the error of the whole call, or None where nothing left us after all."""
        try:
            with self.turn:
                letter = written(gateway, claimed, load)
            at_once = self.lines.acquire(blocking=False)
            if not at_once and not self.lines.acquire(timeout=max(_left(claimed), 0)):
                return None
            try:
                if _left(claimed) < 0 or not (at_once or self._still_goes(claimed)):
                    return None
                raw = call(gateway, letter)
            finally:
                self.lines.release()
            with self.turn:
                return gateway.answers(letter, raw)
        except GatewayError as error:
            return error

    def _still_goes(self, claimed: Claimed) -> bool:
        """Whether nothing spoke against it while it waited for a line: a pause, a stop, somebody who opted out."""
        with self.db.reading() as session:
            return still_goes(session, claimed) and not opted_out(session, self.settings, claimed)

    def give_back(self, claimed: Claimed) -> None:
        """Nothing of it left us: it is due again."""
        self.db.retrying(lambda session: record.given_back(session, claimed, None))

    def _written(self, write: Callable[[Session], None]) -> Claimed | None:
        def work(session: Session) -> Claimed | None:
            write(session)
            return claim(session, self.settings, self.worker, in_passing=True) if self.more() else None

        return self.db.retrying(work)


def send_next(db: Database, settings: Settings, gateway: Gateway, worker: str | None = None) -> bool:
    """Send one due batch. False where nothing may leave now."""
    sender = Sender(db, settings, worker)
    claimed = sender.claim()
    if claimed is not None:
        sender.send(gateway, claimed)
    return claimed is not None


def _left(claimed: Claimed) -> float:
    """Seconds within which a call must begin, so that the whole of it fits into the lease."""
    return LEASE_MARGIN - claimed.since.seconds()


def tell(claimed: Claimed, rows: int, outcome: Sequence[ItemAnswer] | GatewayError) -> None:
    """A line in the log about a call."""
    about = {"batch": claimed.batch_id, "run": claimed.run_id, "seconds": round(claimed.since.seconds(), 3)}
    if isinstance(outcome, GatewayError):
        log.warning(
            "batch without answer", **about, attempt=claimed.attempt, error=type(outcome).__name__, code=outcome.code,
            detail=outcome.detail,
        )  # fmt: skip
    else:
        log.info("batch answered", **about, rows=rows)


_MESSAGE, _OPT_OUT = Message.__table__.c, OptOut.__table__.c
# "+ 0": the range of keys is walked in the table itself, where an index on the run would lead to each row by a detour.
_IN_THE_BATCH = _MESSAGE.id.between(bindparam("first"), bindparam("last")), _MESSAGE.run_id + 0 == bindparam("run")
_PENDING = (
    select(_MESSAGE.id, _MESSAGE.number, _MESSAGE.text)
    .where(*_IN_THE_BATCH, _MESSAGE.state == RowState.PENDING)
    .order_by(_MESSAGE.id)
)
_OPTED_OUT = (
    select(_MESSAGE.number)
    .join(OptOut.__table__, _OPT_OUT.number == _MESSAGE.number)
    .where(*_IN_THE_BATCH, _MESSAGE.state == RowState.PENDING)
    .where(_OPT_OUT.channel.in_(bindparam("channels", expanding=True)))
)


def _range(claimed: Claimed) -> dict[str, int]:
    return {"first": claimed.first_key, "last": claimed.last_key, "run": claimed.run_id}


def opted_out(session: Session, settings: Settings, claimed: Claimed) -> set[int]:
    """Numbers of pending rows of the batch that must not be written to."""
    kind = DIALECTS[settings.gateway_dialect].types.get(claimed.type)
    channels = [EVERY_CHANNEL, *([kind.medium] if kind else [])]
    return set(session.connection().scalars(_OPTED_OUT, {**_range(claimed), "channels": channels}))


def prepare(session: Session, settings: Settings, claimed: Claimed) -> Load:
    """The rows that leave now: still pending, nobody who opted out since, nobody whose window is closed."""
    # Thousands of rows: nothing of the ORM stands between.
    rows: Sequence[Any] = session.connection().execute(_PENDING, _range(claimed)).all()
    out = opted_out(session, settings, claimed)
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


def written(gateway: Gateway, claimed: Claimed, load: Load) -> Letter:
    """The rows as one call's letter. Raises OurMistake."""
    schedule = None
    if claimed.deliver_at is not None:
        schedule = clock.aware(claimed.deliver_at).astimezone(ZoneInfo(claimed.deliver_zone or "America/Sao_Paulo"))
    manner = Manner(claimed.type, claimed.text, claimed.caption, schedule)
    people = list(map(Recipient, load.numbers, encoded(claimed.token, load.keys), load.texts))
    return gateway.letter(manner, people, single=claimed.kind in SINGLES and len(people) == 1)


def call(gateway: Gateway, letter: Letter) -> bytes:
    """Hand it over: from here on something may have left."""
    return gateway.hand_over(letter)

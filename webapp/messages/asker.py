"""Asking the gateway about statuses, call by call, with its patience in mind: sending goes first.

Before each call it is seen whether anything speaks against it: this process ends, the gateway rests or has stopped the
account, somebody else asks by now, a person waits for an answer of their own. What was read until then stays.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import moment
from webapp.core.web import Services
from webapp.gateway import codes
from webapp.gateway.client import IDS_PER_CALL, WINDOW_LIMIT, Gateway
from webapp.gateway.errors import LookupFailed
from webapp.gateway.models import Account
from webapp.gateway.wire import Receipt, Receipts
from webapp.messages import claim, receipts, windows
from webapp.messages.hours import OTHER_KIND
from webapp.messages.inquiries import is_waiting
from webapp.messages.models import Batch, Dispatch
from webapp.messages.states import BatchState
from webapp.messages.turn import Turn

log = structlog.get_logger(__name__)
OVERLAP = timedelta(seconds=10)  # of two windows, so that nothing falls between them
CHUNK = 5000  # rows applied in one transaction
# Calls without an answer in a row, after which the gateway is left alone: it takes fewer to come down from an hour to
# the smallest window, or from 100 references to one.
FAILURES = 9
COURTESY = 2.0  # seconds between two calls at most, while batches leave


class LeaveOff(Exception):
    """Asking ends here for now and goes on later. `word` says why: slice, wanted, ending, turn, resting, stopped …"""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class Asked:
    """What asking did: calls made, rows new to us, messages that moved."""

    asked: int = 0
    new: int = 0
    changed: int = 0
    rows: int = 0  # told by the gateway, each once an answer
    skipped: int = 0  # windows or references that even alone brought no answer

    def as_dict(self) -> dict[str, int]:
        """For the commands' JSON."""
        return {"asked": self.asked, "new": self.new, "changed": self.changed}

    def add(self, other: "Asked") -> None:
        """Add another piece of work's counts."""
        for name in ("asked", "new", "changed", "rows", "skipped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Window:
    """One window's answer (naive UTC); `rows` None: it has none, however small it was made."""

    start: datetime
    end: datetime
    called_at: datetime
    rows: list[Receipt] | None


@dataclass(slots=True)
class Asker:
    """Asks, counts, and takes in what is told.

    `turn` is None for a question that a person waits for: then nothing but the end of the process speaks against it.
    `slice` is how many seconds the work in hand may take before the next has its turn; `begin` starts it anew.
    """

    services: Services
    gateway: Gateway
    turn: Turn | None = None
    slice: float = float("inf")
    urgent: bool = False
    done: Asked = field(default_factory=Asked)
    _until: float = float("inf")
    _took: float = 0.0

    def begin(self, *, urgent: bool = False) -> None:
        """The next piece of work begins, with counts of its own. `urgent`: what a person wants need not come first."""
        self.done, self.urgent = Asked(), urgent
        self._until = time.monotonic() + self.slice

    def windows(self, type: int, start: datetime, end: datetime) -> Iterator[Window]:
        """The answers about a period (naive UTC), window by window, the oldest first. `type` −1 means every type.

        A window whose answer does not come whole is halved; the smallest is skipped and reported. Raises LeaveOff,
        GatewayError.
        """
        with self.services.db.reading() as session:
            size = windows.read(session, type)
        kept, at, failed = (size.length, size.easy), start, 0
        while at < end:
            until, called_at = min(at + size.length, end), clock.now()
            rows: list[Receipt] | None = None
            try:
                rows, came = self._by_date(type, at, until)
            except LookupFailed as error:
                failed = self._no_answer(error, failed, type=type, start=str(at), end=str(until))
                if size.failed(until - at) or failed == 1:  # the smallest gets a second chance, if it had but one
                    continue
                self.done.skipped += 1
                log.warning("a window of statuses is skipped", type=type, start=str(at), end=str(until))
            else:
                failed = 0
                size.answered(until - at, came)
                if (size.length, size.easy) != kept:
                    kept = size.length, size.easy
                    self.services.db.retrying(lambda session: windows.remember(session, size), durable=False)
            yield Window(at, until, called_at, rows)
            at = until

    def references(self, references: Sequence[str], ids: Sequence[str] = ()) -> Iterator[list[Receipt]]:
        """What the gateway knows by our references, or by its ids, a hundred a call. Raises as `windows`."""
        for name, keys in (("references", references), ("ids", ids)):
            at, count, failed = 0, IDS_PER_CALL, 0
            while at < len(keys):
                chunk = keys[at : at + count]
                try:
                    found = self._call(lambda chunk=chunk, name=name: self.gateway.look_up(**{name: chunk}))  # type: ignore[misc]
                except LookupFailed as error:
                    failed = self._no_answer(error, failed, references=len(chunk))
                    if count > 1:
                        count = (count + 1) // 2
                        continue
                    self.done.skipped += 1
                else:
                    failed = 0
                    yield _once(found.rows)
                at += len(chunk)

    def take(self, rows: Sequence[Receipt], source: str) -> frozenset[int]:
        """Apply what was told, some thousands a transaction. Returns the keys of ours that it was about."""
        keys: set[int] = set()
        for at in range(0, len(rows), CHUNK):
            part = rows[at : at + CHUNK]
            applied = self.services.db.retrying(lambda session, part=part: receipts.apply(session, part, source))  # type: ignore[misc]
            self.done.new += applied.new
            self.done.changed += applied.changed
            keys |= applied.keys
        self.done.rows += len(rows)
        return frozenset(keys)

    def _by_date(self, type: int, start: datetime, end: datetime) -> tuple[list[Receipt], int]:
        """A window's messages, each once, and how many rows its answer had."""
        kind = None if type == OTHER_KIND else type
        since, until = clock.aware(start), clock.aware(end + OVERLAP)
        found = self._call(lambda: self.gateway.by_date(since, until, type=kind, limit=WINDOW_LIMIT))
        return _once(found.rows), len(found.rows) + len(found.odd)

    def _call(self, ask: Callable[[], Receipts]) -> Receipts:
        self.gate()
        self._courtesy()
        self.done.asked += 1
        began = time.monotonic()
        try:
            found = ask()
        finally:
            self._took = time.monotonic() - began
        if found.odd:
            log.warning("rows of the gateway that nobody understands", rows=len(found.odd))
        return found

    def _no_answer(self, error: LookupFailed, failed: int, **about: object) -> int:
        """One more call without an answer; raises it where they have become too many in a row."""
        log.info("no whole answer about statuses", **about, detail=error.detail, code=error.code)
        if failed + 1 >= FAILURES:
            raise error
        return failed + 1

    def gate(self) -> None:
        """Raises LeaveOff where something speaks against going on."""
        if self.services.jobs.stopping.is_set():
            raise LeaveOff("ending")
        if self.turn is None:
            return
        if time.monotonic() > self._until:
            raise LeaveOff("slice")
        with self.services.db.reading() as session:
            if (word := against(session)) is not None:
                raise LeaveOff(word)
            if not self.urgent and is_waiting(session):
                raise LeaveOff("wanted")

    def _courtesy(self) -> None:
        """Between two calls: while batches leave, a wait as long as the last call took. Raises LeaveOff."""
        if self.turn is None:
            return
        with self.services.db.reading() as session:
            leaving = self._took > 0 and _is_sending(session)
        if leaving and self.services.jobs.stopping.wait(min(self._took, COURTESY)):
            raise LeaveOff("ending")
        if not self.turn.renew():
            raise LeaveOff("turn")


def against(session: Session) -> str | None:
    """What speaks against asking at all now: "stopped 010", "resting", or nothing."""
    stopped = session.scalar(select(Account.stopped_code).where(Account.stopped_code.is_not(None)))
    if stopped:
        return f"stopped {stopped}"
    rest = session.execute(select(Dispatch.free_at, Dispatch.failures).where(Dispatch.id == 1)).one_or_none()
    if rest and rest.failures and rest.free_at and rest.free_at > moment(session):
        return "resting"
    return None


def _is_sending(session: Session) -> bool:
    under_way = select(Batch.id).where(Batch.state == BatchState.SENDING).limit(1)
    return session.scalar(under_way) is not None or claim.something_due(session)


def _once(rows: Sequence[Receipt]) -> list[Receipt]:
    """Each message once: of what one answer says twice, that which ranks higher."""
    found: dict[tuple[str, str, int | None], Receipt] = {}
    for row in rows:
        key = row.reference.lower(), row.gateway_id, row.number
        before = found.get(key)
        if before is None or codes.rank(row.status) > codes.rank(before.status):
            found[key] = row
    return list(found.values())

"""The outbox: runs, batches, messages, receipts, and the counters that change with them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, BigKey


def _where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """An index of some rows only."""
    return Index(name, *columns, unique=unique, sqlite_where=text(condition), postgresql_where=text(condition))


class KeyCounter(Base):
    """The one counter that gives message keys; holes are allowed, repeats are not."""

    __tablename__ = "key_counter"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Run(Base):
    """One launch: a campaign's, a reply's or a test's. Everything that sending needs to know of it."""

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_kind_first_key", "kind", "first_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # campaign | reply | test
    name: Mapped[str] = mapped_column(String(120))
    type: Mapped[int]  # service type of the gateway
    text: Mapped[str] = mapped_column(Text)  # what rows without a text of their own say (or the media's URL)
    caption: Mapped[str] = mapped_column(Text, default="")
    token: Mapped[str] = mapped_column(String(5))  # random part of its references
    state: Mapped[str] = mapped_column(String(10), index=True)  # states.RunState
    pause_reason: Mapped[str | None] = mapped_column(String(20))  # "person", or what stopped it: "080", "refusals", …
    priority: Mapped[int] = mapped_column(default=10)  # smaller goes first: replies and tests 0
    served: Mapped[int] = mapped_column(BigInteger, default=0)  # turn of its last batch, for round-robin
    first_key: Mapped[int] = mapped_column(BigInteger)
    last_key: Mapped[int] = mapped_column(BigInteger)
    launched_keys: Mapped[int] = mapped_column(BigInteger, default=0)  # rows written so far, while launching
    not_before: Mapped[datetime]  # undo, or the schedule less the hand-over time
    deliver_at: Mapped[datetime | None]  # the schedule that travels to the gateway
    deliver_zone: Mapped[str | None] = mapped_column(String(64))
    valid_until: Mapped[datetime | None]
    ignores_window: Mapped[bool] = mapped_column(default=False)
    canary: Mapped[bool] = mapped_column(default=False)  # the first few go ahead; the rest is held until judged
    canary_done_at: Mapped[datetime | None]  # when the last of the few had left
    refused_in_row: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)  # everyone of the audience
    forecast: Mapped[int] = mapped_column(BigInteger, default=0)  # credits
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    finished_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


class Batch(Base):
    """A range of keys that leaves in one call."""

    __tablename__ = "batch"
    __table_args__ = (
        Index("ix_batch_state_not_before", "state", "not_before"),
        Index("ix_batch_first_key", "first_key", unique=True),
        Index("ix_batch_run_id_state", "run_id", "state"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    first_key: Mapped[int] = mapped_column(BigInteger)
    last_key: Mapped[int] = mapped_column(BigInteger)
    pending: Mapped[int]  # rows of it that are still pending
    state: Mapped[str] = mapped_column(String(8))  # states.BatchState
    not_before: Mapped[datetime]  # the window's opening, the schedule, or a wait before trying again
    lease_until: Mapped[datetime | None]  # while sending
    worker: Mapped[str | None] = mapped_column(String(80))  # who sends it, or did last
    attempts: Mapped[int] = mapped_column(default=0)
    settle_at: Mapped[datetime | None]  # while unknown: no look-up's "never heard of it" counts before
    look_at: Mapped[datetime | None]  # while unknown: when the gateway is asked next; what it knows counts at once
    unknown_since: Mapped[datetime | None]
    doubts: Mapped[int] = mapped_column(default=0)  # attempts whose outcome was unknown, so that the gateway was asked
    looks: Mapped[int] = mapped_column(default=0)  # look-ups that counted and found nothing more
    scheduled: Mapped[bool] = mapped_column(default=False)  # this attempt travelled with a schedule
    problem: Mapped[str | None] = mapped_column(String(60))  # the last thing that went wrong, or why it is held


# Rows that a page may be asked for by an index of their own: what became of few messages, so that most cost it nothing.
# A query that is to take such an index says the same words.
TOLD_ROWS = "state = 'accepted' AND (status IS NULL OR status <> '1')"
CLOSED_ROWS = "state IN ('refused', 'suppressed', 'cancelled', 'expired')"
OTHERS_ROWS = "run_id IS NULL"


class Message(Base):
    """One message to one person. Rows without a run were sent by other systems on the account.

    Of a person who was erased the row stays for counts and money: its number is minus its key, which no phone has, and
    its text is empty.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("run_id", "number"),
        Index("ix_message_number_id", "number", "id"),
        Index("ix_message_at_id", "at", "id"),
        Index("ix_message_type_at_id", "type", "at", "id"),
        _where("ix_message_carrier_at_id", "carrier IS NOT NULL", "carrier", "at", "id"),
        _where("ix_message_told", TOLD_ROWS, "status", "at", "id"),
        _where("ix_message_closed", CLOSED_ROWS, "state", "at", "id"),
        _where("ix_message_others", OTHERS_ROWS, "at", "id"),
        _where("ix_message_outside", OTHERS_ROWS, "gateway_id", unique=True),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    number: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[int | None]
    text: Mapped[str | None] = mapped_column(Text)  # None: the run's text
    state: Mapped[str] = mapped_column(String(10))  # states.RowState
    reason: Mapped[str | None] = mapped_column(String(20))  # response code of a refusal, or why it was left out
    at: Mapped[datetime]  # when it was accepted; until then when it was launched
    gateway_id: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str | None] = mapped_column(String(8))  # highest heard, the gateway's code
    status_at: Mapped[datetime | None]
    carrier: Mapped[str | None] = mapped_column(String(60))
    credits: Mapped[int | None]  # debited by the gateway
    reference: Mapped[str | None] = mapped_column(String(60))  # only of rows without a run: theirs, not ours


class Receipt(Base):
    """What we heard of a message's status: every callback, and every poll that told something new."""

    __tablename__ = "receipt"
    __table_args__ = (Index("ix_receipt_message_id_id", "message_id", "id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    message_id: Mapped[int | None] = mapped_column(BigInteger)  # None: a reference that is not ours
    heard_at: Mapped[datetime] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(10))  # callback | mt_id | mt_date
    raw: Mapped[str | None] = mapped_column(Text)  # the query string, for callbacks
    reference: Mapped[str | None] = mapped_column(String(60))
    gateway_id: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str | None] = mapped_column(String(8))
    status_at: Mapped[datetime | None]
    carrier: Mapped[str | None] = mapped_column(String(60))
    problem: Mapped[str | None] = mapped_column(String(40))  # "unknown reference", "odd date", …


class RunCount(Base):
    """How many rows of a run stand where, and what they cost. `carrier` and `status` are '' where there is none."""

    __tablename__ = "run_count"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10), primary_key=True)
    reason: Mapped[str] = mapped_column(String(20), primary_key=True)
    status: Mapped[str] = mapped_column(String(8), primary_key=True)
    carrier: Mapped[str] = mapped_column(String(60), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    credits: Mapped[int] = mapped_column(BigInteger)


class DayCount(Base):
    """How many accepted messages of a day (of the installation's zone) stand where, whichever run they are of."""

    __tablename__ = "day_count"

    day: Mapped[date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[int] = mapped_column(primary_key=True)
    carrier: Mapped[str] = mapped_column(String(60), primary_key=True)
    status: Mapped[str] = mapped_column(String(8), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    credits: Mapped[int] = mapped_column(BigInteger)


class CountRound(Base):
    """How far a round of recounting has come and what it found: "young" counts what still changes, "all" everything."""

    __tablename__ = "count_round"

    name: Mapped[str] = mapped_column(String(10), primary_key=True)
    stage: Mapped[str] = mapped_column(String(10))  # runs | days | done
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # the last that came to its end
    after_run: Mapped[int] = mapped_column(default=0)  # the last run counted
    after_day: Mapped[date | None]  # the last day counted
    messages: Mapped[int] = mapped_column(BigInteger, default=0)  # counted, run by run
    accepted: Mapped[int] = mapped_column(BigInteger, default=0)  # counted, day by day
    milliseconds: Mapped[int] = mapped_column(BigInteger, default=0)  # of counting
    moving: Mapped[int] = mapped_column(default=0)  # stretches that changed faster than they could be counted
    drifts: Mapped[int] = mapped_column(default=0)  # records of `count_drift` that it made


class CountDrift(Base):
    """Counters of a run or a day that differed from its messages and were set right."""

    __tablename__ = "count_drift"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    found_at: Mapped[datetime]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    day: Mapped[date | None]
    counters: Mapped[int]  # how many of them
    messages: Mapped[int] = mapped_column(BigInteger)  # by how many in all
    credits: Mapped[int] = mapped_column(BigInteger)  # missing in all; negative: too many
    cells: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # of: the rest of the key; held and counted: n, credits


class Dispatch(Base):
    """One row (id 1) that every claim locks: concurrency and rate hold over all workers by it."""

    __tablename__ = "dispatch"

    id: Mapped[int] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(BigInteger, default=0)
    free_at: Mapped[datetime | None]  # the rate, or a rest after the gateway was out of reach, ends then
    failures: Mapped[int] = mapped_column(default=0)  # calls in a row that did not reach the gateway or found it busy


class Cursor(Base):
    """How far a sweep of the gateway's look-ups has come."""

    __tablename__ = "cursor"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    until: Mapped[datetime | None]
    ran_at: Mapped[datetime | None]
    rows: Mapped[int] = mapped_column(default=0)
    differences: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str | None] = mapped_column(String(200))
    held_until: Mapped[datetime | None]  # a lease: until then it is one worker's


class WindowSize(Base):
    """How long a window of `mt_date` may be, so that its answer comes whole and in time."""

    __tablename__ = "window_size"

    type: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # -1: windows of every type
    seconds: Mapped[int]
    easy: Mapped[int] = mapped_column(default=0)  # small answers in a row since the size last changed


class Inquiry(Base):
    """A period that the gateway is asked about, window by window, and what it says that we did not know.

    `reached` is None until the first window has been answered, and where the next question begins from then on;
    `ended_at` None: not to its end yet. One question by hand at a time: `hand` is 1 for it while it is not over.
    """

    __tablename__ = "inquiry"
    __table_args__ = (
        Index("ix_inquiry_hand", "hand", unique=True),
        Index("ix_inquiry_kind_id", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # audit | hand
    hand: Mapped[int | None]
    since: Mapped[datetime]
    until: Mapped[datetime]
    reached: Mapped[datetime | None]
    wanted_at: Mapped[datetime]
    wanted_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime | None]
    judged_at: Mapped[datetime | None]  # when `missed` was told from what callbacks told by themselves
    hearing: Mapped[bool] = mapped_column(default=False)  # whether callbacks were coming in at that time
    calls: Mapped[int] = mapped_column(default=0)
    rows: Mapped[int] = mapped_column(default=0)  # told by the gateway, each message once a window
    ours: Mapped[int] = mapped_column(default=0)  # of these about messages of ours: compared
    others: Mapped[int] = mapped_column(default=0)  # of these sent by other systems
    news: Mapped[int] = mapped_column(default=0)  # messages that are further, or known at all, by this
    missed: Mapped[int] = mapped_column(default=0)  # statuses of ours that no callback told: mended
    ahead: Mapped[int] = mapped_column(default=0)  # the gateway says less than we heard before: left as it is
    missing: Mapped[int] = mapped_column(default=0)  # accepted, and the gateway does not know them
    skipped: Mapped[int] = mapped_column(default=0)  # windows, even the smallest, that brought no answer
    problem: Mapped[str | None] = mapped_column(String(200))  # why it stands still, or ended before its end

    @property
    def differences(self) -> int:
        """What we held and what the gateway says, apart."""
        return self.missed + self.ahead + self.missing

    @property
    def share(self) -> int:
        """How much of the period has been asked about, in percent."""
        if self.ended_at is not None and self.problem is None:
            return 100
        whole = (self.until - self.since).total_seconds()
        done = ((self.reached or self.since) - self.since).total_seconds()
        return min(int(100 * done / whole), 99) if whole > 0 else 0


class WorkerSeen(Base):
    """A worker that is alive, or was."""

    __tablename__ = "worker_seen"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)  # host:pid:random
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)

"""Questions about runs and people, answered from counters and batches, never by counting messages."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.gateway.codes import DELIVERED, UNDELIVERED
from webapp.messages.models import Batch, Message, Run, RunCount
from webapp.messages.states import BatchState, RowState, RunState


@dataclass(frozen=True, slots=True)
class Counts:
    """How a run stands. The nine counts after `total` add up to it; the three after them split `accepted`."""

    total: int
    held: int
    queued: int
    sending: int
    unknown: int
    accepted: int
    refused: int
    cancelled: int
    expired: int
    suppressed: int
    delivered: int
    undelivered: int
    in_transit: int
    credits: int

    @property
    def waiting(self) -> int:
        """Not handed over yet, for whatever reason."""
        return self.held + self.queued + self.sending + self.unknown

    @property
    def recipients(self) -> int:
        """Who was to be written to."""
        return self.total - self.suppressed

    @property
    def moving(self) -> bool:
        """Whether something is still to change: messages to leave, or receipts to come."""
        return self.waiting > 0 or self.in_transit > 0

    @property
    def adds_up(self) -> bool:
        """The equation of the campaign's page."""
        return self.total == self.waiting + (
            self.accepted + self.refused + self.cancelled + self.expired + self.suppressed
        )

    def as_dict(self) -> dict[str, Any]:
        """For the commands' JSON."""
        return asdict(self)


def breakdown(session: Session, run_id: int) -> list[RunCount]:
    """A run's counters: state, reason, status, carrier → n and credits."""
    return list(session.scalars(select(RunCount).where(RunCount.run_id == run_id, RunCount.n != 0)))


def counts(session: Session, run: Run, now: datetime | None = None) -> Counts:
    """How a run stands at a moment (naive UTC)."""
    now = now or clock.now()
    rows = breakdown(session, run.id)
    states = dict.fromkeys(RowState, 0)
    for row in rows:
        states[RowState(row.state)] += row.n
    accepted = [row for row in rows if row.state == RowState.ACCEPTED]
    delivered = sum(row.n for row in accepted if row.status in DELIVERED)
    undelivered = sum(row.n for row in accepted if row.status in UNDELIVERED)
    debited = sum(row.credits for row in rows)
    held, queued, sending, unknown = _pending(session, run, states[RowState.PENDING], now)
    return Counts(
        total=run.total, held=held, queued=queued, sending=sending, unknown=unknown,
        accepted=states[RowState.ACCEPTED], refused=states[RowState.REFUSED], cancelled=states[RowState.CANCELLED],
        expired=states[RowState.EXPIRED], suppressed=states[RowState.SUPPRESSED], delivered=delivered,
        undelivered=undelivered, in_transit=states[RowState.ACCEPTED] - delivered - undelivered,
        credits=debited if states[RowState.ACCEPTED] or states[RowState.REFUSED] else run.forecast,
    )  # fmt: skip


def _pending(session: Session, run: Run, pending: int, now: datetime) -> tuple[int, int, int, int]:
    """Pending rows by what their batches do: held, queued, sending, unknown. Rows not written yet are held."""
    by_state = dict.fromkeys(BatchState, 0)
    due = 0
    resting = run.state != RunState.RUNNING or run.not_before > now
    now_due = func.sum(case((Batch.not_before <= now, Batch.pending), else_=0))
    for state, n, n_due in session.execute(
        select(Batch.state, func.sum(Batch.pending), now_due)
        .where(Batch.run_id == run.id, Batch.pending > 0)
        .group_by(Batch.state)
    ):
        by_state[BatchState(state)] += int(n)
        if state == BatchState.QUEUED and not resting:
            due = int(n_due)
    sending, unknown = by_state[BatchState.SENDING], by_state[BatchState.UNKNOWN]
    return pending - due - sending - unknown + unwritten(run), due, sending, unknown


def unwritten(run: Run) -> int:
    """People of a launch whose rows are still to be written: one that was cancelled in the middle goes on, too."""
    going_on = run.state in (RunState.LAUNCHING, RunState.CANCELLED)
    return max(run.total - run.launched_keys, 0) if going_on else 0


def public_state(run: Run, now: datetime | None = None) -> str:
    """A launched run's state in the words of the contract: scheduled while its time has not come."""
    now = now or clock.now()
    if run.state == RunState.RUNNING and run.served == 0 and run.not_before > now:
        return "scheduled"
    return run.state


def by_batch(session: Session, message: Message) -> Batch | None:
    """The batch that a message leaves in, if any."""
    return session.scalar(
        select(Batch).where(Batch.first_key <= message.id, Batch.last_key >= message.id, Batch.run_id == message.run_id)
    )


def seen_state(session: Session, message: Message, now: datetime | None = None) -> str:
    """A row's state as seen from outside: held, queued, sending and unknown tell a pending row's batch."""
    if message.state != RowState.PENDING or message.run_id is None:
        return message.state
    now = now or clock.now()
    batch, run = by_batch(session, message), session.get_one(Run, message.run_id)
    if batch is None or batch.state in {BatchState.HELD, BatchState.DONE}:
        return "held"
    if batch.state in {BatchState.SENDING, BatchState.UNKNOWN}:
        return batch.state
    resting = run.state != RunState.RUNNING or max(run.not_before, batch.not_before) > now
    return "held" if resting else "queued"


def history(session: Session, number: int, limit: int = 200) -> list[tuple[Message, Run | None]]:
    """The newest messages to one person, of every run and of other systems."""
    rows = session.execute(
        select(Message, Run)
        .outerjoin(Run, Run.id == Message.run_id)
        .where(Message.number == number)
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return [(message, run) for message, run in rows]

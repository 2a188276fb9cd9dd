"""What a send came to, written down: every row of the batch ends in exactly one place, and the counters with it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import moment, one_of
from webapp.core.settings import Settings
from webapp.gateway import account, codes
from webapp.gateway.codes import Verdict
from webapp.gateway.errors import Busy, GatewayError, NotSent, OurMistake, OutcomeUnknown, Refused, Stopped
from webapp.gateway.wire import ItemAnswer
from webapp.messages import claim, doubt, outbox
from webapp.messages.claim import Claimed
from webapp.messages.counters import Changes, Place
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import BatchState, RowState, RunState

log = structlog.get_logger(__name__)
REFUSALS_LIMIT = 500  # in a row, after which a campaign asks a person
Said = dict[ItemAnswer, list[int]]  # keys of rows by what the gateway said of them
UNREADABLE_LIMIT = 5  # unreadable answers in a row after which sending rests until `balance` answers


# Statements that every batch needs are built once: building them costs as much as all else about them.
_BATCH = select(Batch).where(Batch.id == bindparam("batch")).with_for_update()
_ROWS = Message.__table__.c
_ACCEPT = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(_ROWS.run_id + 0 == bindparam("run"), _ROWS.state == RowState.PENDING)  # "+ 0": by key, as in `sending`
    .values(state=RowState.ACCEPTED, reason=None, at=bindparam("accepted_at"), credits=bindparam("cost"))
)
_ACCEPT_RANGE = _ACCEPT.where(_ROWS.id.between(bindparam("first"), bindparam("last")))


def _ours(session: Session, claimed: Claimed) -> Batch | None:
    """The batch, locked, while it is still this attempt's: a lease that ran out has made it somebody else's matter."""
    batch = session.scalar(_BATCH, {"batch": claimed.batch_id})
    if batch is None or batch.attempts != claimed.attempt:
        return None
    return batch if batch.state in {BatchState.SENDING, BatchState.UNKNOWN} else None


def _place(claimed: Claimed, state: str, reason: str | None = None, at: datetime | None = None) -> Place:
    return Place(claimed.run_id, state, reason, None, None, claimed.type, at or clock.now(), None)


def left_out(session: Session, claimed: Claimed, keys: Sequence[int], reason: str) -> None:
    """Rows of the claimed batch that must not leave after all (they opted out since the launch)."""
    done = session.execute(
        update(Message)
        .where(Message.id.in_(keys), Message.state == RowState.PENDING)
        .values(state=RowState.SUPPRESSED, reason=reason)
    ).rowcount  # type: ignore[attr-defined]
    changes = Changes()
    changes.add(_place(claimed, RowState.PENDING), -done)
    changes.add(_place(claimed, RowState.SUPPRESSED, reason), done)
    session.execute(update(Batch).where(Batch.id == claimed.batch_id).values(pending=Batch.pending - done))
    changes.write(session)


def nothing_to_send(session: Session, claimed: Claimed, later: datetime | None) -> None:
    """No row may leave now: the batch waits for the next opening of a window, or is done."""
    batch = _ours(session, claimed)
    if batch is None:
        return
    batch.attempts -= 1
    if later is None and batch.pending:  # counted wrong: it would be due for ever
        log.error("a batch without pending rows counted some", batch=batch.id, pending=batch.pending)
        batch.pending = 0
    _settle(session, batch, BatchState.QUEUED, later)


def given_back(session: Session, claimed: Claimed, problem: str | None) -> None:
    """Nothing left us: the batch is due again, as if this attempt had not been."""
    batch = _ours(session, claimed)
    if batch is not None and batch.state == BatchState.SENDING:
        batch.attempts -= 1
        batch.problem = problem
        _settle(session, batch, BatchState.QUEUED, None)


def failed(session: Session, settings: Settings, claimed: Claimed, error: GatewayError) -> None:
    """The call as a whole brought no answer for each message."""
    batch = _ours(session, claimed)
    if batch is None:
        return
    problem = (error.code or type(error).__name__)[:60]
    if isinstance(error, NotSent | Busy):
        given_back(session, claimed, problem)
        claim.rest(session)
    elif isinstance(error, Stopped):
        given_back(session, claimed, problem)
        _stop(session, claimed.run_id, error.code)
    elif isinstance(error, Refused) and batch.first_key == batch.last_key:
        rows = session.scalars(select(Message.id).where(Message.id == batch.first_key)).all()
        _record_items(session, settings, claimed, batch, rows, [ItemAnswer(error.code, 0, None)], None)
    elif isinstance(error, Refused):
        _split(session, batch, problem)
    elif isinstance(error, OurMistake):
        batch.attempts -= 1
        batch.problem = problem
        _settle(session, batch, BatchState.HELD, None)
    else:
        batch.problem = problem
        _unknown(session, settings, claimed, batch)
        if isinstance(error, OutcomeUnknown) and not error.code:
            _count_unreadable(session)


def answered(
    session: Session,
    settings: Settings,
    claimed: Claimed,
    keys: Sequence[int],
    items: Sequence[ItemAnswer],
    later: datetime | None,
) -> None:
    """Each row (by its key) by the code of its own item; `later` is when rows that did not travel may."""
    claim.reached(session)
    kept = account.row(session)
    if kept.unreadable_in_row:
        kept.unreadable_in_row = 0
    batch = _ours(session, claimed)
    if batch is None:
        log.warning("late answer left to the look-up", batch=claimed.batch_id, attempt=claimed.attempt)
        return
    _record_items(session, settings, claimed, batch, keys, items, later)


def _record_items(
    session: Session,
    settings: Settings,
    claimed: Claimed,
    batch: Batch,
    keys: Sequence[int],
    items: Sequence[ItemAnswer],
    later: datetime | None,
) -> None:
    by_verdict = _by_verdict(keys, items)
    now, changes = clock.now(), Changes()
    accepted = by_verdict.pop(Verdict.ACCEPTED, {})
    moved = _accept(session, claimed, batch, accepted, now, changes, whole=later is None and not by_verdict)
    refused = by_verdict.pop(Verdict.REFUSED, {})
    doubtful = refused if claimed.attempt > 1 else {}
    moved += _refuse(session, claimed, {} if doubtful else refused, now, changes)
    for item, those in doubtful.items():  # a repeat is refused where the first was accepted: ask before believing it
        session.execute(
            update(Message)
            .where(Message.id.in_(those), Message.state == RowState.PENDING)
            .values(reason=codes.response_code(item.code))
        )
    batch.pending -= moved
    changes.write(session)
    _count_refusals(session, claimed, items, bool(refused))
    _what_remains(session, settings, claimed, batch, by_verdict, bool(doubtful), later)


def _by_verdict(keys: Sequence[int], items: Sequence[ItemAnswer]) -> dict[Verdict, Said]:
    """The rows by what was said of them, and that by what it means."""
    said: Said = {}
    if items.count(items[0]) == len(items):  # as nearly always
        said[items[0]] = list(keys)
    else:
        for key, item in zip(keys, items, strict=True):
            said.setdefault(item, []).append(key)
    found: dict[Verdict, Said] = defaultdict(dict)
    for item, those in said.items():
        found[codes.response(item.code).verdict][item] = those
    return found


def _count_refusals(session: Session, claimed: Claimed, items: Sequence[ItemAnswer], any_refused: bool) -> None:
    """A row of refusals says that something is wrong with the campaign, not with its people."""
    run = session.get_one(Run, claimed.run_id)
    if not any_refused and not run.refused_in_row:
        return
    for item in items:
        verdict = codes.response(item.code).verdict
        if verdict is Verdict.REFUSED:
            run.refused_in_row += 1
        elif verdict is Verdict.ACCEPTED:
            run.refused_in_row = 0
    session.flush()
    if run.refused_in_row >= REFUSALS_LIMIT and outbox.pause(session, run, "refusals"):
        log.error("campaign paused", run=run.id, reason="refusals")


def _accept(
    session: Session,
    claimed: Claimed,
    batch: Batch,
    accepted: Said,
    now: datetime,
    changes: Changes,
    *,
    whole: bool,
) -> int:
    """Mark accepted rows; returns how many were pending. `whole`: every row of the batch travelled and was accepted, so
    where all cost the same one statement over the range does it."""
    by_credit: dict[int | None, list[int]] = defaultdict(list)
    for item, those in accepted.items():
        by_credit[item.credit] += those
    whole = whole and len(by_credit) == 1
    moved = 0
    for credit, those in by_credit.items():
        said: dict[str, Any] = {"run": claimed.run_id, "accepted_at": now, "cost": credit}
        if whole:
            marked = session.execute(_ACCEPT_RANGE, {**said, "first": batch.first_key, "last": batch.last_key})
        else:
            marked = session.execute(_ACCEPT.where(one_of(session, _ROWS.id, those)), said)
        n = marked.rowcount  # type: ignore[attr-defined]
        changes.add(_place(claimed, RowState.PENDING), -n)
        changes.add(_place(claimed, RowState.ACCEPTED, at=now), n, (credit or 0) * n)
        moved += n
        if n < len(those) and credit is not None:
            _add_credits(session, those, credit, changes)
    with_ids = [{"key": key, "given": item.id[:40]} for item, those in accepted.items() if item.id for key in those]
    if with_ids:
        session.connection().execute(_SET_ID, with_ids)
    return moved


def _add_credits(session: Session, keys: Sequence[int], credit: int, changes: Changes) -> None:
    """Rows that a receipt accepted before this answer came learn what they cost."""
    early = session.scalars(
        select(Message).where(Message.id.in_(keys), Message.state == RowState.ACCEPTED, Message.credits.is_(None))
    ).all()
    for row in early:
        here = Place(row.run_id, row.state, row.reason, row.status, row.carrier, row.type, row.at, None)
        changes.add(here, 0, credit)
        row.credits = credit
    session.flush()


_SET_ID = (
    update(Message.__table__)  # type: ignore[arg-type]
    .where(Message.__table__.c.id == bindparam("key"), Message.__table__.c.gateway_id.is_(None))
    .values(gateway_id=bindparam("given"))
)


def _refuse(session: Session, claimed: Claimed, refused: Said, now: datetime, changes: Changes) -> int:
    by_code: dict[str, list[int]] = defaultdict(list)
    for item, those in refused.items():
        by_code[codes.response_code(item.code)] += those
    moved = 0
    for code, those in by_code.items():
        n = session.execute(
            update(Message)
            .where(Message.id.in_(those), Message.state == RowState.PENDING)
            .values(state=RowState.REFUSED, reason=code, at=now)
            .execution_options(synchronize_session=False)
        ).rowcount  # type: ignore[attr-defined]
        changes.add(_place(claimed, RowState.PENDING), -n)
        changes.add(_place(claimed, RowState.REFUSED, code), n)
        moved += n
    return moved


def _what_remains(
    session: Session,
    settings: Settings,
    claimed: Claimed,
    batch: Batch,
    by_verdict: dict[Verdict, Said],
    doubtful: bool,
    later: datetime | None,
) -> None:
    """Where the batch goes with the rows that are still pending, and what stops because of them."""
    stops = by_verdict.get(Verdict.STOP_ACCOUNT, {}) | by_verdict.get(Verdict.STOP_BALANCE, {})
    if stops:
        batch.problem = codes.response_code(max(stops, key=lambda item: len(stops[item])).code)
        _stop(session, claimed.run_id, batch.problem)
    if by_verdict.get(Verdict.BUSY):
        claim.rest(session)
    mistakes = by_verdict.get(Verdict.OUR_MISTAKE)
    unsure = [
        item for verdict in (Verdict.UNSURE, Verdict.ITEMS, Verdict.FOUND) for item in by_verdict.get(verdict, {})
    ]
    if batch.pending and (unsure or doubtful):
        batch.problem = batch.problem or (codes.response_code(unsure[0].code) if unsure else "refused twice")
        _unknown(session, settings, claimed, batch)
    elif mistakes:
        batch.problem = codes.response_code(next(iter(mistakes)).code)
        _settle(session, batch, BatchState.HELD, None)
    else:
        _settle(session, batch, BatchState.QUEUED, later)


def _settle(session: Session, batch: Batch, state: BatchState, later: datetime | None) -> None:
    batch.lease_until = None
    batch.state = state if batch.pending else BatchState.DONE
    if later is not None:
        batch.not_before = later
    session.flush()
    if session.get_one(Run, batch.run_id).state == RunState.CANCELLED and batch.state != BatchState.DONE:
        outbox.close_rows(session, RowState.CANCELLED, None, Batch.id == batch.id)
    outbox.finish_if_done(session, batch.run_id)


def _unknown(session: Session, settings: Settings, claimed: Claimed, batch: Batch) -> None:
    """Something may have left: nothing of it is sent again before the gateway was asked."""
    doubt.begin(batch, settings, moment(session), claimed.deliver_at)


def _split(session: Session, batch: Batch, problem: str) -> None:
    """The whole call was refused for one message's sake: halve it until that one stands alone."""
    batch.attempts -= 1
    batch.problem = problem
    _settle(session, batch, BatchState.QUEUED, None)
    outbox.cut(session, batch.id, max(batch.pending // 2, 1))
    if batch.pending == 1:  # what stands alone is known by its range: one key
        batch.first_key = batch.last_key = session.scalars(
            select(Message.id)
            .where(Message.id.between(batch.first_key, batch.last_key), Message.run_id == batch.run_id)
            .where(Message.state == RowState.PENDING)
        ).one()


def _stop(session: Session, run_id: int, code: str) -> None:
    """080 pauses the campaign until a person resumes it; whatever concerns the account stops all sending."""
    if codes.response(code).verdict is Verdict.STOP_BALANCE:
        outbox.pause(session, session.get_one(Run, run_id), code)
    else:
        account.stop(session, code)
    log.error("sending stopped", code=code, run=run_id)


def _count_unreadable(session: Session) -> None:
    kept = account.row(session)
    kept.unreadable_in_row += 1
    if kept.unreadable_in_row >= UNREADABLE_LIMIT:
        account.stop(session, account.UNREADABLE)
        log.error("sending stopped", code=account.UNREADABLE)

"""Counters are counted anew from the messages: exact after any history, and set right where somebody broke them."""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from tests.messages.conftest import FIRST, Launch
from tests.messages.test_receive_receipts import assert_counters_exact
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.web import Services
from webapp.gateway import codes
from webapp.gateway.wire import ItemAnswer
from webapp.gateway.wire import Receipt as Told
from webapp.messages import counters, doubt, drift, outbox, privacy, receipts, reconcile, record, recount, rounds, sweep
from webapp.messages.claim import claim
from webapp.messages.models import Batch, CountDrift, CountRound, DayCount, Message, Run, RunCount
from webapp.messages.outbox import NewMessage
from webapp.messages.reference import encode
from webapp.messages.states import BatchState, RowState, RunState

STATUSES = [*codes.STATUSES, "77"]
CARRIERS = ["Vivo", "Claro", "Oi", ""]


@dataclass
class Life:
    """Everything that happens to messages, each deed in a transaction of its own, as the parts themselves do it."""

    services: Services
    launch: Launch
    dice: random.Random

    def runs(self) -> Sequence[Run]:
        with self.services.db.reading() as session:
            return session.scalars(select(Run).order_by(Run.id.desc()).limit(4)).all()

    def send_out(self) -> None:
        out = [None, None, None, "optout", "landline"]
        rows = [NewMessage(FIRST + n, None, None, self.dice.choice(out)) for n in range(self.dice.randint(1, 30))]
        self.launch(rows=rows, type=self.dice.choice([0, 1, 7]))

    def answer(self) -> None:
        """A call's answer, item by item: taken, refused, unclear, busy, without credits."""
        settings = self.services.settings
        with self.services.db.writing() as session:
            claimed = claim(session, settings)
        if claimed is None:
            return
        with self.services.db.reading() as session:
            rows = select(Message.id).where(Message.run_id == claimed.run_id, Message.state == "pending")
            within = Message.id.between(claimed.first_key, claimed.last_key)
            keys = list(session.scalars(rows.where(within).order_by(Message.id)))
        if len(keys) > 3 and self.dice.random() < 0.3:  # somebody opted out since
            gone, keys = keys[:1], keys[1:]
            with self.services.db.writing() as session:
                record.left_out(session, claimed, gone, "optout")
        if not keys:
            with self.services.db.writing() as session:
                record.nothing_to_send(session, claimed, None)
            return
        some = ["000"] if self.dice.random() < 0.4 else ["000", "000", "050", "070", "110", "080"]
        items = [ItemAnswer(self.dice.choice(some), self.dice.choice([1, 2, None]), None) for _ in keys]
        if self.dice.random() < 0.4:
            self.hear()  # a receipt that is quicker than the answer
        with self.services.db.writing() as session:
            record.answered(session, settings, claimed, keys, items, None)

    def hear(self) -> None:
        """Receipts, of ours and of other systems' messages, in any order and again."""
        with self.services.db.writing() as session:
            rows = session.execute(select(Message.id, Run.token).join(Run).order_by(func.random()).limit(12)).all()
            news = [self._told(encode(token, key), None) for key, token in rows for _ in range(self.dice.randint(1, 2))]
            receipts.apply(session, news, self.dice.choice(["callback", "mt_id"]))
        with self.services.db.writing() as session:
            others = [self._told("", f"x{self.dice.randint(1, 20)}") for _ in range(4)]
            receipts.apply(session, others, "mt_date")

    def _told(self, reference: str, gateway_id: str | None) -> Told:
        at = datetime.now(UTC) - timedelta(hours=self.dice.randint(-20, 90))
        number = FIRST + 1 if gateway_id else None
        status = self.dice.choice([*STATUSES, None])
        carrier = self.dice.choice(CARRIERS)
        return Told(gateway_id or "7", reference, number, status, status or "", at, "", carrier, None)

    def cancel(self) -> None:
        with self.services.db.writing() as session:
            outbox.cancel(session, session.get_one(Run, self.dice.choice(self.runs()).id))

    def pause_or_resume(self) -> None:
        with self.services.db.writing() as session:
            run = session.get_one(Run, self.dice.choice(self.runs()).id)
            (outbox.pause if run.state == RunState.RUNNING else outbox.resume)(session, run)

    def forget(self) -> None:
        """Somebody's erasure: what has not left is kept back, what has loses its number."""
        number = FIRST + self.dice.randint(0, 30)
        with self.services.db.writing() as session:
            privacy.stop(session, number)
            privacy.forget_person(session, number)

    def never_heard_of(self) -> None:
        """The gateway knows nothing of an unknown batch; or a person decides."""
        with self.services.db.writing() as session:
            batch = session.scalar(select(Batch).where(Batch.state.in_([BatchState.UNKNOWN, BatchState.HELD])).limit(1))
            if batch is None:
                return
            if batch.state == BatchState.UNKNOWN and self.dice.random() < 0.7:
                batch.looks = reconcile.LOOKS - 1
                session.flush()
                asked = reconcile.Asked(batch.id, batch.attempts, (), True)
                reconcile._conclude(session, asked, [], None)
            else:
                reconcile.decide(session, batch, again=self.dice.random() < 0.5)

    def too_late(self) -> None:
        with self.services.db.writing() as session:
            run = session.get_one(Run, self.dice.choice(self.runs()).id)
            run.valid_until = clock.now() - timedelta(minutes=1)
            session.flush()
            sweep.sweep(session, self.services.settings)

    def cut(self) -> None:
        with self.services.db.writing() as session:
            batch = session.scalar(select(Batch).where(Batch.state == BatchState.QUEUED, Batch.pending > 1).limit(1))
            if batch is not None:
                outbox.cut(session, batch.id, 1)


DEEDS = [
    "answer", "answer", "answer", "hear", "hear", "send_out", "cancel", "pause_or_resume", "forget", "never_heard_of",
    "too_late", "cut",
]  # fmt: skip


@pytest.fixture
def life(services: Services, launch: Launch) -> Life:
    return Life(services, launch, random.Random(7))


@pytest.fixture
def sent(life: Life) -> Life:
    """Two runs with every kind of fate, of which nothing differs from its counters."""
    for _ in range(2):
        life.send_out()
        for deed in ("answer", "hear", "answer", "never_heard_of", "hear"):
            getattr(life, deed)()
    life.launch(5)
    return life


@property_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(deeds=st.lists(st.sampled_from(DEEDS), min_size=5, max_size=20), seed=st.integers(0, 10**6))
def test_after_any_history_nothing_differs(services: Services, launch: Launch, deeds: list[str], seed: int) -> None:
    life = Life(services, launch, random.Random(seed))
    life.send_out()
    for deed in deeds:
        getattr(life, deed)()
    found = rounds.whole(services.db)
    assert (found.drifts, found.moving) == ([], 0)
    with services.db.reading() as session:
        assert_counters_exact(session)
        ours, accepted = Message.run_id.is_not(None), Message.state == RowState.ACCEPTED
        assert found.messages == session.scalar(select(func.count()).where(ours))
        assert found.accepted == session.scalar(select(func.count()).where(accepted))


def _more(model: Any) -> Callable[[Any], None]:
    def spoil(session: Any) -> None:
        row = session.scalars(select(model).where(model.n > 0).limit(1)).one()
        row.n, row.credits = row.n + 3, row.credits - 5

    return spoil


def _gone(model: Any) -> Callable[[Any], None]:
    return lambda session: session.execute(delete(model))


def _made_up(session: Any) -> None:
    run_id = session.scalar(select(func.min(Run.id)))
    session.add(RunCount(run_id=run_id, state="refused", reason="050", status="", carrier="Nobody", n=-4, credits=1))
    session.add(DayCount(day=date(2020, 1, 5), hour=3, type=0, carrier="Nobody", status="2", n=9, credits=9))


def _everything(session: Any) -> None:
    for spoil in (_more(RunCount), _more(DayCount), _made_up):
        spoil(session)


SPOILT = {
    "a run's counter has too many": _more(RunCount),
    "a day's counter has too many": _more(DayCount),
    "all counters of runs are gone": _gone(RunCount),
    "all counters of days are gone": _gone(DayCount),
    "counters of what never was": _made_up,
}


def in_pieces(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """So many messages in one snapshot."""
    monkeypatch.setattr(recount, "PIECE", most)
    monkeypatch.setattr(recount, "WHOLE", most)


@pytest.mark.parametrize(
    ("spoil", "piece"),
    [*((spoil, recount.PIECE) for spoil in SPOILT.values()), (_everything, 7)],
    ids=[*SPOILT, "piece by piece"],
)
def test_spoilt_counters_are_found_told_and_set_right(
    sent: Life, spoil: Callable[[Any], None], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(monkeypatch, piece)
    db = sent.services.db
    with db.writing() as session:
        spoil(session)
    found = rounds.whole(db)
    assert found.drifts
    assert found.moving == 0
    with db.reading() as session:
        assert_counters_exact(session)
        kept = session.scalars(select(CountDrift)).all()
        assert {row.id for row in kept} == {row.id for row in found.drifts}
        assert all(row.cells and row.messages for row in kept)
    assert rounds.whole(db).drifts == []


def test_the_record_of_a_drift_names_the_counter_and_what_it_said_before_and_after(services: Services, launch: Launch):
    run = launch(4)
    with services.db.writing() as session:
        session.execute(update(RunCount).values(n=6, credits=2))
    found = rounds.whole(services.db)
    assert [(row.run_id, row.day, row.counters, row.messages, row.credits) for row in found.drifts] == [
        (run.id, None, 1, 2, -2)
    ]
    assert found.drifts[0].cells == [{"of": ["pending", "", "", ""], "held": [6, 2], "counted": [4, 0]}]


def test_batches_that_count_their_rows_wrong_are_set_right(sent: Life) -> None:
    db = sent.services.db
    with db.writing() as session:
        batch = session.scalars(select(Batch).where(Batch.pending > 1).limit(1)).one()
        batch.pending += 2
        others = session.scalars(select(Batch).where(Batch.pending == 0).limit(1)).all()
        for other in others:
            other.pending = 5
    found = rounds.whole(db)
    assert len(found.drifts) == 1 + len(others)
    assert {row.cells[0]["of"][0] for row in found.drifts} == {"batch"}
    with db.reading() as session:
        assert_counters_exact(session)


def test_rows_that_would_never_leave_wait_for_a_person(services: Services, launch: Launch) -> None:
    run = launch(3)
    with services.db.writing() as session:  # counted as gone, though nothing has left
        session.execute(update(Batch).values(pending=0, state=BatchState.DONE))
        outbox.finish_if_done(session, run.id)
    rounds.whole(services.db)
    with services.db.reading() as session:
        batch = session.scalars(select(Batch)).one()
        assert (batch.pending, batch.state, batch.problem) == (3, BatchState.HELD, drift.RECOUNTED)
        assert session.get_one(Run, run.id).state == RunState.RUNNING


def test_a_batch_without_rows_to_send_is_done(services: Services, launch: Launch) -> None:
    run = launch(2)
    with services.db.writing() as session:
        outbox.close_rows(session, RowState.CANCELLED, None, Batch.run_id == run.id)
        batch = session.scalars(select(Batch)).one()
        batch.pending, batch.state = 2, BatchState.UNKNOWN
        doubt.begin(batch, services.settings, clock.now(), None)
        session.get_one(Run, run.id).state = RunState.RUNNING
    rounds.whole(services.db)
    with services.db.reading() as session:
        batch = session.scalars(select(Batch)).one()
        assert (batch.pending, batch.state) == (0, BatchState.DONE)
        assert session.get_one(Run, run.id).state == RunState.FINISHED


@contextmanager
def _meanwhile(life: Life, *deeds: str) -> Any:
    """Deeds in another thread, again and again, while the block runs."""
    stop, failed = threading.Event(), []

    def work() -> None:
        other = Life(life.services, life.launch, random.Random(3))
        try:
            while not stop.is_set():
                for deed in deeds:
                    getattr(other, deed)()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed


def test_sending_and_receipts_meanwhile_raise_no_false_alarm(sent: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    db = sent.services.db
    with _meanwhile(sent, "send_out", "answer", "hear", "forget"):
        for piece in (recount.PIECE, 20):
            in_pieces(monkeypatch, piece)
            for _ in range(2):
                assert rounds.whole(db).drifts == []
    with db.reading() as session:
        assert_counters_exact(session)


def test_a_counter_is_set_right_while_receipts_come_in(sent: Life) -> None:
    db = sent.services.db
    with _meanwhile(sent, "hear", "answer"):
        with db.writing() as session:
            session.execute(update(RunCount).values(n=RunCount.n + 7))
            session.execute(update(DayCount).values(credits=DayCount.credits - 1))
        assert rounds.whole(db).drifts
    with db.reading() as session:
        assert_counters_exact(session)


def test_two_who_find_the_same_drift_mend_it_once(services: Services, launch: Launch) -> None:
    run = launch(4)
    runs = recount.Runs((run.id,), run.first_key, run.last_key)
    with services.db.writing() as session:
        session.execute(update(RunCount).values(n=1))
    one, other = recount.compare(services.db, runs), recount.compare(services.db, runs)
    assert one is not None
    assert other is not None
    mended = []
    for found in (one, other):
        with services.db.writing() as session:
            mended.append(len(drift.mend(session, found.off, found.seen)))
    assert mended == [1, 0]
    with services.db.reading() as session:
        assert_counters_exact(session)


def test_what_moves_while_it_is_counted_piece_by_piece_is_left_for_another_time(
    services: Services, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(20)
    in_pieces(monkeypatch, 5)

    class Moving(recount.Runs):
        def counted(self, session: Any, piece: Any) -> recount.Tally:
            with services.db.writing() as other:
                told = Told("7", encode(run.token, piece[0]), None, "2", "2", None, "", "Vivo", None)
                receipts.apply(other, [told], "mt_id")
            return super().counted(session, piece)

    whole = run.id, run.first_key, run.last_key
    assert recount.compare(services.db, Moving((whole[0],), *whole[1:])) is None
    still = recount.compare(services.db, recount.Runs((whole[0],), *whole[1:]))
    assert still is not None
    assert (still.messages, still.off) == (20, {})


def test_a_round_that_was_cut_off_goes_on_where_it_was(sent: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rounds.WORK_SECONDS, rounds.ALL, 0.000001)  # one stretch, then no more for now
    monkeypatch.setattr(rounds, "TOGETHER", 1)
    url, parts = sent.services.db.url, []
    while True:
        worker = Database(url)  # each part by another worker: all that is known is in the database
        found = rounds.go_on(worker, rounds.ALL)
        worker.dispose()
        if found is None:
            break
        parts.append(found)
    assert len(parts) >= 5
    with sent.services.db.reading() as session:
        ours, accepted = Message.run_id.is_not(None), Message.state == RowState.ACCEPTED
        total = session.scalar(select(func.count()).where(ours)), session.scalar(select(func.count()).where(accepted))
        kept = session.get_one(CountRound, rounds.ALL)
        assert session.scalar(select(func.count()).select_from(Run)) == sum(found.runs for found in parts) == 3
    assert (sum(found.messages for found in parts), sum(found.accepted for found in parts)) == total
    assert (kept.messages, kept.accepted, kept.stage) == (*total, "done")
    assert kept.ended_at is not None


def _round(db: Database, name: str, now: datetime | None = None) -> rounds.Found:
    """All parts of a round, until none is due any more."""
    total = rounds.Found()
    while (found := rounds.go_on(db, name, now)) is not None:
        total.add(found)
    return total


def test_what_is_young_is_counted_often_and_everything_once_a_day(services: Services, launch: Launch) -> None:
    old, new = launch(3), launch(2)
    ago = clock.now() - timedelta(days=4)
    with services.db.writing() as session:
        session.execute(update(Run).where(Run.id == old.id).values(state=RunState.FINISHED, finished_at=ago))
        session.add(DayCount(day=ago.date(), hour=5, type=0, carrier="", status="2", n=9, credits=9))
    young = _round(services.db, rounds.YOUNG)
    assert (young.messages, young.drifts) == (2, [])
    assert rounds.go_on(services.db, rounds.YOUNG) is None
    assert _round(services.db, rounds.YOUNG, clock.now() + timedelta(minutes=6)).messages == 2
    everything = _round(services.db, rounds.ALL)
    assert (everything.messages, len(everything.drifts)) == (5, 1)
    assert rounds.go_on(services.db, rounds.ALL, clock.now() + timedelta(hours=23)) is None
    assert rounds.go_on(services.db, rounds.ALL, clock.now() + timedelta(hours=25)) is not None
    assert new.id > old.id


@pytest.fixture
def zone() -> Any:
    yield counters.set_zone
    counters.set_zone("America/Sao_Paulo")


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("America/Sao_Paulo", date(2026, 11, 29)), ("America/Sao_Paulo", date(2018, 11, 4)),
        ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
        ("Asia/Kathmandu", date(2026, 5, 5)), ("Australia/Lord_Howe", date(2026, 4, 5)),
    ],
)  # fmt: skip
def test_every_moment_of_a_day_lies_in_the_hour_under_which_it_is_counted(zone: Any, name: str, day: date) -> None:
    zone(name)
    spans = list(recount.spans_of(day))
    moment = datetime.combine(day, datetime.min.time()) - timedelta(days=1)
    for _ in range(3 * 24 * 12):
        within = [(span.day, span.hour) for span in spans if span.start <= moment < span.end]
        here = counters.day_and_hour(moment)
        assert within == ([here] if here[0] == day else [])
        moment += timedelta(minutes=5)


def test_another_time_zone_puts_the_days_counters_right(sent: Life, zone: Any) -> None:
    zone("Asia/Kathmandu")
    assert rounds.whole(sent.services.db).drifts
    with sent.services.db.reading() as session:
        assert_counters_exact(session)
    assert rounds.whole(sent.services.db).drifts == []

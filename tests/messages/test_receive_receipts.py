"""Receipts: forward only, any order, any number of times, counters exact."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tests.messages import orders
from tests.messages.conftest import FIRST, Launch
from webapp.core import clock
from webapp.core.web import Services
from webapp.gateway import codes
from webapp.gateway.wire import Receipt as Told
from webapp.messages import queries, receipts
from webapp.messages.counters import day_and_hour
from webapp.messages.models import Batch, DayCount, Message, Receipt, Run, RunCount
from webapp.messages.reference import encode


def told(
    reference: str, status: str | None, *, number: int | None = None, carrier: str = "Vivo", id: str = "7"
) -> Told:
    return Told(id, reference, number, status, status or "", datetime.now(UTC), "", carrier, None)


def recounted(session: Session) -> tuple[Counter[tuple[object, ...]], Counter[tuple[object, ...]]]:
    """What the counters should say, counted from the rows."""
    runs: Counter[tuple[object, ...]] = Counter()
    days: Counter[tuple[object, ...]] = Counter()
    for row in session.scalars(select(Message)):
        reason = "" if row.state == "pending" else row.reason or ""
        if row.run_id is not None:
            runs[(row.run_id, row.state, reason, row.status or "", row.carrier or "")] += 1
        if row.state == "accepted":
            kind = -1 if row.type is None else row.type
            days[(*day_and_hour(row.at), kind, row.carrier or "", row.status or "")] += 1
    return runs, days


def assert_counters_exact(session: Session) -> None:
    runs, days = recounted(session)
    assert runs == Counter(
        {(c.run_id, c.state, c.reason, c.status, c.carrier): c.n for c in session.scalars(select(RunCount)) if c.n}
    )
    assert days == Counter(
        {(c.day, c.hour, c.type, c.carrier, c.status): c.n for c in session.scalars(select(DayCount)) if c.n}
    )
    for batch in session.scalars(select(Batch)):
        pending = session.scalars(
            select(Message.id).where(Message.id.between(batch.first_key, batch.last_key), Message.state == "pending")
        ).all()
        assert batch.pending == len(pending)


def test_a_receipt_that_comes_before_our_own_record_proves_acceptance(services: Services, launch: Launch) -> None:
    run = launch(2)
    with services.db.writing() as session:
        applied = receipts.apply(session, [told(encode(run.token, run.first_key), "0")], "callback")
        assert (applied.new, applied.changed) == (1, 1)
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).state == "accepted"
        assert_counters_exact(session)


@pytest.mark.parametrize("code", list(codes.STATUSES))
def test_every_status_of_the_table_is_kept_and_counted(services: Services, launch: Launch, code: str) -> None:
    run = launch(1)
    with services.db.writing() as session:
        receipts.apply(session, [told(encode(run.token, run.first_key), code)], "mt_id")
    with services.db.reading() as session:
        found = queries.counts(session, session.get_one(Run, run.id))
        expected = codes.status(code).outcome.value
        assert getattr(found, expected) == 1
        assert found.accepted == 1
        assert found.adds_up


def test_the_same_callback_twice_has_one_effect(services: Services, launch: Launch) -> None:
    run = launch(1)
    news = told(encode(run.token, run.first_key), "1")
    for _ in range(2):
        with services.db.writing() as session:
            receipts.apply(session, [news, news], "callback")
    with services.db.reading() as session:
        assert_counters_exact(session)
        assert len(session.scalars(select(Receipt)).all()) == 4  # kept raw all the same


def test_an_unknown_reference_is_kept_aside_and_creates_nothing(services: Services, launch: Launch) -> None:
    run = launch(1)
    strangers = [
        told("abc123", "1"),
        told(encode("zzzzz", run.first_key), "1"),  # a copy of this installation
        told(encode(run.token, run.last_key + 50), "1"),
        told(encode(run.token, run.first_key), "1", number=FIRST + 77),  # right reference, somebody else's number
    ]
    with services.db.writing() as session:
        applied = receipts.apply(session, strangers, "callback")
        assert (applied.found, applied.changed) == (0, 0)
    with services.db.reading() as session:
        assert {row.problem for row in session.scalars(select(Receipt))} == {"unknown_reference"}
        assert session.get_one(Message, run.first_key).state == "pending"
        assert len(session.scalars(select(Message)).all()) == 1


def test_an_unknown_status_is_shown_raw_and_is_never_final(services: Services, launch: Launch) -> None:
    run = launch(1)
    reference = encode(run.token, run.first_key)
    with services.db.writing() as session:
        receipts.apply(session, [told(reference, "42")], "callback")
        assert session.get_one(Message, run.first_key).status == "42"
        receipts.apply(session, [told(reference, "-1")], "mt_id")
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).status == "-1"
        assert [row.problem for row in session.scalars(select(Receipt).order_by(Receipt.id))] == [
            "unknown_status",
            None,
        ]


def test_a_date_no_message_of_ours_can_have_is_flagged_and_not_believed(services: Services, launch: Launch) -> None:
    run = launch(1)
    odd = Told(
        "7", encode(run.token, run.first_key), None, "1", "1", datetime.now(UTC) + timedelta(days=9), "x", "", None
    )
    with services.db.writing() as session:
        receipts.apply(session, [odd], "callback")
    with services.db.reading() as session:
        message = session.get_one(Message, run.first_key)
        assert message.status_at is not None
        assert abs(message.status_at - clock.now()) < timedelta(minutes=1)
        assert session.scalars(select(Receipt.problem)).one() == "odd_date"


def test_messages_of_other_systems_are_listed_once_and_move_forward(services: Services) -> None:
    first = told("theirs-1", "0", number=FIRST, id="900")
    for news in ([first, first], [told("theirs-1", "1", number=FIRST, id="900")], [first]):
        with services.db.writing() as session:
            receipts.apply(session, news, "mt_date")
    with services.db.reading() as session:
        (row,) = session.scalars(select(Message)).all()
        assert (row.run_id, row.gateway_id, row.status, row.reference) == (None, "900", "1", "theirs-1")
        assert_counters_exact(session)


def _forget_everything(services: Services) -> None:
    with services.db.writing() as session:
        for table in (Receipt, RunCount, DayCount, Batch, Message, Run):
            session.execute(delete(table))


def _ends(session: Session, run: Run) -> dict[str, orders.End]:
    rows = session.scalars(select(Message).where(Message.status.is_not(None) | Message.gateway_id.is_not(None)))
    return {
        encode(run.token, row.id): orders.End(row.status, row.status_at, row.carrier, row.gateway_id) for row in rows
    }


_news = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(orders.STATUSES), st.sampled_from(orders.CARRIERS), st.integers(0, 5),
        st.sampled_from(["7", "12"]),
    ),
    max_size=12,
)  # fmt: skip


@property_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(news=_news, seed=st.randoms(use_true_random=False))
def test_whatever_is_said_comes_to_what_the_model_says(
    services: Services,
    launch: Launch,
    news: list[tuple[int, str | None, str, int, str]],
    seed: random.Random,
) -> None:
    _forget_everything(services)
    run = launch(4)
    since = datetime.now(UTC) - timedelta(days=1)
    pile = [
        Told(
            id,
            encode(run.token, run.first_key + place),
            None,
            code,
            code or "",
            since + timedelta(hours=hour),
            "x",
            by,
            None,
        )
        for place, code, by, hour, id in news
    ]
    for group in orders.in_groups(pile, seed, 3):
        with services.db.writing() as session:
            receipts.apply(session, group, "callback")
    with services.db.reading() as session:
        assert_counters_exact(session)
        assert _ends(session, run) == orders.ends(pile)


@pytest.mark.parametrize("order", range(3))
def test_thousands_of_receipts_with_repeats_end_alike_in_any_order(
    services: Services, launch: Launch, order: int
) -> None:
    run = launch(300)
    keys = range(run.first_key, run.last_key + 1)
    pile = orders.pile(random.Random(3), run.token, keys, 3000, datetime.now(UTC) - timedelta(days=1))
    dice = random.Random(order)
    dice.shuffle(pile)
    for group in orders.in_groups(pile, dice, 400):
        with services.db.writing(durable=False) as session:
            receipts.apply(session, group, "callback")
    with services.db.reading() as session:
        assert _ends(session, run) == orders.ends(pile)
        assert_counters_exact(session)
        assert session.scalar(select(func.count()).select_from(Receipt)) == len(pile)


def test_receipts_of_a_cancelled_message_tell_that_it_left_after_all(services: Services, launch: Launch) -> None:
    run = launch(1)
    with services.db.writing() as session:
        session.execute(update(Message).values(state="cancelled"))
        session.execute(update(RunCount).values(state="cancelled"))
        session.execute(update(Batch).values(pending=0, state="done"))
    with services.db.writing() as session:
        receipts.apply(session, [told(encode(run.token, run.first_key), "1")], "callback")
    with services.db.reading() as session:
        assert session.get_one(Message, run.first_key).state == "accepted"
        assert_counters_exact(session)


def test_ids_and_codes_of_other_systems_may_be_as_long_as_they_like(services: Services) -> None:
    long = told("x" * 90, "status nobody knows", number=FIRST, carrier="c" * 90, id="9" * 60)
    for _ in range(2):  # and are known again
        with services.db.writing() as session:
            receipts.apply(session, [long], "mt_date")
    with services.db.reading() as session:
        row = session.scalars(select(Message)).one()
        assert (row.gateway_id, row.status) == ("9" * 40, "status n")
        assert_counters_exact(session)

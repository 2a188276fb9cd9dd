"""Chunks of a launch, written in bulk: whoever the run has already is left alone, on both databases."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.web import Services
from webapp.messages import outbox, queries
from webapp.messages.models import Batch, Message, Run
from webapp.messages.outbox import NewMessage

FIRST = 5511981232000


def opened(session: Session, total: int) -> Run:
    return outbox.open_run(
        session, kind="campaign", name="Promoção", type=0, text="Oi!", total=total, not_before=clock.now()
    )


def test_whoever_the_run_has_already_leaves_a_hole_and_is_not_counted_again(services: Services) -> None:
    with services.db.writing() as session:
        run = opened(session, 7)
        assert outbox.write_chunk(session, run, [NewMessage(FIRST), NewMessage(FIRST + 1, left_out="optout")], 2) == 2
    again = [NewMessage(FIRST + place, "Olá\t\\N\n€") for place in (0, 1, 2, 3, 2)]
    with services.db.writing() as session:
        run = session.get_one(Run, run.id)
        assert outbox.write_chunk(session, run, again, 2) == 2
    with services.db.reading() as session:
        run = session.get_one(Run, run.id)
        rows = session.execute(select(Message.id, Message.number, Message.text).order_by(Message.id)).all()
        first = run.first_key
        assert [(key - first, number - FIRST, text) for key, number, text in rows] == [
            (0, 0, None), (1, 1, None), (4, 2, "Olá\t\\N\n€"), (5, 3, "Olá\t\\N\n€"),
        ]  # fmt: skip
        counts = queries.counts(session, run)
        assert (run.launched_keys, counts.suppressed, counts.waiting) == (7, 1, 3)
        batches = session.execute(select(Batch.first_key, Batch.last_key, Batch.pending).order_by(Batch.first_key))
        assert [(a - first, b - first, n) for a, b, n in batches] == [(0, 0, 1), (4, 5, 2)]


def test_a_key_that_somebody_else_has_stops_the_launch_instead_of_passing_for_a_double(services: Services) -> None:
    with services.db.writing() as session:
        run, other = opened(session, 1), opened(session, 1)
        other.first_key = other.last_key = run.first_key
        outbox.write_chunk(session, run, [NewMessage(FIRST)], 1)
    with pytest.raises(Exception, match=r"(?i)unique"), services.db.writing() as session:
        outbox.write_chunk(session, session.get_one(Run, other.id), [NewMessage(FIRST + 1)], 1)
    with services.db.reading() as session:
        assert session.scalars(select(Message.number)).all() == [FIRST]


def test_times_are_stored_as_they_are_everywhere_else(services: Services) -> None:
    with services.db.writing() as session:
        run = opened(session, 1)
        outbox.write_chunk(session, run, [NewMessage(FIRST)], 1)
    with services.db.reading() as session:
        soon = select(Message.id).where(Message.at > clock.now() - timedelta(minutes=1), Message.at <= clock.now())
        assert session.scalars(soon).all() == [run.first_key]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_every_text_is_stored_as_it_is(services: Services, texts: list[str | None]) -> None:
    rows = [NewMessage(FIRST + place, text) for place, text in enumerate([*texts, "\\", "\\.", "\\N", "\t\r\n\\t", ""])]
    with services.db.writing() as session:
        run = opened(session, len(rows))
        assert outbox.write_chunk(session, run, rows, 100) == len(rows)
    with services.db.writing() as session:
        written = select(Message.number, Message.text).where(Message.run_id == run.id).order_by(Message.id)
        assert [tuple(row) for row in session.execute(written)] == [(row.number, row.text) for row in rows]
        for table in (Message, Batch):
            session.execute(delete(table).where(table.run_id == run.id))


def test_a_canary_and_an_opening_cut_the_batches_and_whoever_is_left_out_is_in_none(services: Services) -> None:
    later = clock.now() + timedelta(days=1)
    rows = [NewMessage(FIRST + place, None, later if place >= 150 else None) for place in range(299)]
    rows += [NewMessage(FIRST + 299, left_out="optout")]
    with services.db.writing() as session:
        run = opened(session, 300)
        run.canary, first, soon = True, run.first_key, run.not_before
        outbox.write_chunk(session, run, rows, 60)
    with services.db.reading() as session:
        found = select(Batch.first_key, Batch.last_key, Batch.pending, Batch.state, Batch.not_before)
        batches = session.execute(found.order_by(Batch.first_key))
        assert [(a - first, b - first, n, state, at) for a, b, n, state, at in batches] == [
            (0, 59, 60, "queued", soon), (60, 99, 40, "queued", soon), (100, 149, 50, "held", soon),
            (150, 209, 60, "held", later), (210, 269, 60, "held", later), (270, 298, 29, "held", later),
        ]  # fmt: skip

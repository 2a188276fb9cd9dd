"""From a click to rows of the outbox: once, whole, and whatever dies on the way."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.campaigns.cast import balance, contact_list, counted, draft, found, people
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import counting, forecast, jobs, launch
from webapp.campaigns.leases import LATE
from webapp.campaigns.models import Campaign
from webapp.campaigns.spool import Spool
from webapp.contacts import service as contacts
from webapp.contacts.models import Contact
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.db import moment
from webapp.core.errors import UserError
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.messages import outbox, queries
from webapp.messages.models import Batch, Message, Run
from webapp.optouts import service as optouts


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only",
        sending_window="always", batch_size="4",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "CHUNK", 8)


def ready(services: Services, rows: list[Any], text: str = "Oi {{nome|tudo bem}}!", **values: Any) -> int:
    """A campaign that is counted and may be sent."""
    with services.db.writing() as session:
        balance(session)
        key = draft(session, [contact_list(session, "Loja", rows)], text, **values).id
    counted(services, key)
    return key


def click(services: Services, key: int, undo: int = 0) -> int:
    """What the confirming click does, without the job; returns the run's id."""
    with services.db.writing() as session:
        campaign = session.get_one(Campaign, key)
        return launch.launch(session, services.settings, campaign, person_id=None, undo_seconds=undo).id


def work(services: Services, key: int) -> None:
    launch.carry_out(services.db, services.settings, key)


def rows_of(services: Services, run_id: int) -> list[Message]:
    with services.db.reading() as session:
        return list(session.scalars(select(Message).where(Message.run_id == run_id).order_by(Message.id)))


def let_lease_run_out(services: Services, key: int) -> None:
    with services.db.writing() as session:
        campaign = session.get_one(Campaign, key)
        campaign.lease_until = clock.now() - LATE * 2


def lease_from_an_hour_ahead(services: Services, key: int) -> None:
    """What a worker leaves that was killed just before the clock went back by an hour."""
    with services.db.writing() as session:
        session.get_one(Campaign, key).lease_until = moment(session) + timedelta(hours=1)


def test_everybody_gets_one_row_with_their_own_text_and_the_left_out_come_last(services: Services) -> None:
    rows = [(ANA, "Ana", {}), (BRUNO, "Bruno", {}), (CARLA, "", {}), (551133334444, "Padaria", {})]
    key = ready(services, rows, "Oi {{nome}}!\nAté já")
    with services.db.writing() as session:
        optouts.add(session, BRUNO, origin="reply", reason="SAIR")
    run_id = click(services, key)
    work(services, key)
    written = rows_of(services, run_id)
    assert [(row.number, row.text, row.state, row.reason) for row in written] == [
        (ANA, "Oi Ana!\nAté já", "pending", None),
        (BRUNO, None, "suppressed", "optout"),
        (CARLA, None, "suppressed", "missing_field"),
        (551133334444, None, "suppressed", "landline"),
    ]
    with services.db.reading() as session:
        run = session.get_one(Run, run_id)
        counts = queries.counts(session, run)
        assert (run.state, run.total, counts.suppressed, counts.recipients) == ("running", 4, 3, 1)
        assert counts.adds_up
        assert session.get_one(Campaign, key).lease_until is None
    assert not Spool(services.settings.instance, run_id).path.exists()


def test_a_text_without_fields_is_kept_once(services: Services) -> None:
    run_id = click(services, key := ready(services, people(3), "Promoção hoje", accents="save"))
    work(services, key)
    assert {row.text for row in rows_of(services, run_id)} == {None}
    with services.db.reading() as session:
        assert session.get_one(Run, run_id).text == "Promoção hoje"


def test_the_second_of_two_clicks_sends_nothing(services: Services) -> None:
    key = ready(services, people(3))
    click(services, key)
    with pytest.raises(UserError, match="already"):
        click(services, key)
    work(services, key)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1
        assert session.scalar(select(func.count()).select_from(Message)) == 3


def test_of_two_people_who_launch_at_once_one_is_told_that_it_was_sent(services: Services) -> None:
    key = ready(services, people(3))
    together, told = threading.Barrier(2), []

    def one() -> None:
        together.wait()
        try:
            told.append(click(services, key))
        except UserError as error:
            told.append(str(error))

    both = [threading.Thread(target=one) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(map(type, told), key=str) == [int, str]
    assert "This campaign was sent already." in told
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1


class Killed(BaseException):
    """The worker's process is gone."""


@pytest.mark.parametrize(("where", "at"), [("write_chunk", 0), ("write_chunk", 2), ("finish_launch", 0)])
def test_a_launch_killed_anywhere_goes_on_with_nobody_twice_and_nobody_missed(
    services: Services, monkeypatch: pytest.MonkeyPatch, where: str, at: int
) -> None:
    key = ready(services, people(30))
    run_id = click(services, key)
    real, calls = getattr(outbox, where), []

    def dying(*args):
        calls.append(args)
        if len(calls) == at + 1:
            raise Killed
        return real(*args)

    monkeypatch.setattr(outbox, where, dying)
    with pytest.raises(Killed):
        work(services, key)
    with services.db.writing() as session:  # the list changes meanwhile: somebody leaves, somebody comes
        session.delete(session.scalars(select(Contact).order_by(Contact.id.desc())).first())
        first = session.scalars(select(Contact)).first()
        assert first is not None
        session.add(
            Contact(list_id=first.list_id, number=CARLA, name="Carla", fields={}, created_at=clock.now(),
                    updated_at=clock.now())
        )  # fmt: skip
    let_lease_run_out(services, key)
    jobs.sweep(services)
    written = rows_of(services, run_id)
    assert sorted(row.number for row in written) == [row[0] for row in people(30)]
    with services.db.reading() as session:
        run = session.get_one(Run, run_id)
        assert (run.state, run.total, run.launched_keys) == ("running", 30, 30)
        assert session.scalar(select(func.sum(Batch.pending)).where(Batch.run_id == run_id)) == 30
        assert queries.counts(session, run).adds_up


def test_after_the_clock_was_set_back_a_dead_workers_launch_rests_no_longer_than_its_lease(
    services: Services,
) -> None:
    key = ready(services, people(3))
    run_id = click(services, key)
    lease_from_an_hour_ahead(services, key)
    work(services, key)
    assert len(rows_of(services, run_id)) == 3


def test_after_the_clock_was_set_back_a_dead_workers_count_is_taken_up_by_the_sweep(services: Services) -> None:
    with services.db.writing() as session:
        key = draft(session, [contact_list(session, "Loja", people(3))]).id
        counting.begin(session, session.get_one(Campaign, key))
    lease_from_an_hour_ahead(services, key)
    jobs.sweep(services)
    with services.db.reading() as session:
        assert forecast.progress(session, session.get_one(Campaign, key), clock.now()).state == "done"


def test_a_count_made_before_the_clock_was_set_back_does_not_stay_fresh_for_that_hour(services: Services) -> None:
    key = ready(services, people(3))
    with clock.shifted(-timedelta(hours=1)), pytest.raises(UserError, match="counted again"):
        click(services, key)


def test_a_slow_worker_that_was_taken_for_dead_writes_nothing_more(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ready(services, people(30))
    run_id = click(services, key)
    real, inside = outbox.write_chunk, []

    def overtaken(session, run, rows, size):
        if run.launched_keys == 8 and not inside:
            inside.append(True)
            session.rollback()
            let_lease_run_out(services, key)
            work(services, key)
            raise launch.Lost
        return real(session, run, rows, size)

    monkeypatch.setattr(outbox, "write_chunk", overtaken)
    work(services, key)
    assert Counter(row.number for row in rows_of(services, run_id)) == Counter(row[0] for row in people(30))


def test_a_launch_whose_files_were_lost_writes_those_who_are_missing(services: Services, monkeypatch) -> None:
    key = ready(services, people(30))
    run_id = click(services, key)
    real = outbox.write_chunk

    def dying(session, run, rows, size):
        if run.launched_keys == 16:
            raise Killed
        return real(session, run, rows, size)

    monkeypatch.setattr(outbox, "write_chunk", dying)
    with pytest.raises(Killed):
        work(services, key)
    monkeypatch.undo()
    Spool(services.settings.instance, run_id).remove()
    let_lease_run_out(services, key)
    work(services, key)
    assert sorted(row.number for row in rows_of(services, run_id)) == [row[0] for row in people(30)]
    with services.db.reading() as session:
        assert session.get_one(Run, run_id).total == 30


def test_a_launch_cancelled_in_the_middle_still_accounts_for_everybody(services: Services, monkeypatch) -> None:
    key = ready(services, people(30))
    run_id = click(services, key)
    real = outbox.write_chunk

    def cancelled_meanwhile(session, run, rows, size):
        written = real(session, run, rows, size)
        if run.launched_keys == 8:
            outbox.cancel(session, run)
        return written

    monkeypatch.setattr(outbox, "write_chunk", cancelled_meanwhile)
    work(services, key)
    with services.db.reading() as session:
        run = session.get_one(Run, run_id)
        counts = queries.counts(session, run)
        assert (run.state, counts.cancelled, counts.total, counts.waiting) == ("cancelled", 30, 30, 0)


def test_people_are_ordered_by_the_hour_at_which_their_window_opens(services: Services, tmp_path: Path) -> None:
    manaus, rio_branco = 5592987654321, 5568987654321
    with services.db.writing() as session:
        balance(session)
        shop = contact_list(session, "Loja", [(rio_branco, "R", {}), (manaus, "M", {}), (ANA, "A", {})])
        nine = datetime(2027, 3, 3, 12, 0)  # a Wednesday, 9:00 in São Paulo
        key = draft(session, [shop], send_at=nine).id
    counted(services, key)
    open_days = replace(services.settings, sending_window="mon-fri 09:00-20:00")
    with services.db.writing() as session:
        run = launch.launch(session, open_days, session.get_one(Campaign, key), person_id=None, undo_seconds=15)
        assert run.not_before == nine - timedelta(minutes=10)
    launch.carry_out(services.db, open_days, key)
    assert [row.number for row in rows_of(services, run.id)] == [ANA, manaus, rio_branco]
    with services.db.reading() as session:
        opens = list(session.scalars(select(Batch.not_before).where(Batch.run_id == run.id).order_by(Batch.first_key)))
    assert opens == [nine - timedelta(minutes=10), nine + timedelta(hours=1), nine + timedelta(hours=2)]


def test_undo_holds_everything_back_for_its_seconds(services: Services) -> None:
    key = ready(services, people(2))
    before = clock.now()
    run_id = click(services, key, undo=15)
    work(services, key)
    with services.db.reading() as session:
        run = session.get_one(Run, run_id)
        assert timedelta(seconds=14) < run.not_before - before < timedelta(seconds=20)
        assert queries.counts(session, run).held == 2


class TestRefusals:
    """What speaks against a launch, each in a sentence, and nothing is lost."""

    def test_nobody_is_left_after_the_opt_outs(self, services: Services) -> None:
        with services.db.writing() as session:
            optouts.add(session, ANA, origin="reply", reason="SAIR")
        key = ready(services, [(ANA, "Ana", {})])
        with pytest.raises(UserError, match="Nobody would receive"):
            click(services, key)
        assert found(services.db, key).run_id is None

    def test_too_little_credit_with_the_numbers(self, services: Services) -> None:
        key = ready(services, people(5))
        with services.db.writing() as session:
            balance(session, balance_1=3)
        with pytest.raises(UserError, match="needs 5 credits and the purse has 3 free: 2 are missing"):
            click(services, key)

    def test_credits_that_running_campaigns_will_take_are_not_free(self, services: Services) -> None:
        first = ready(services, people(5))
        with services.db.writing() as session:
            balance(session, balance_1=8)
            second = draft(session, found(services.db, first).lists).id
        counted(services, second)
        click(services, first)
        with pytest.raises(UserError, match="needs 5 credits and the purse has 3 free"):
            click(services, second)

    def test_an_unknown_purse_is_the_gateways_to_judge(self, services: Services) -> None:
        key = ready(services, people(5))
        with services.db.writing() as session:
            balance(session, balance_1=None)
        assert click(services, key)

    def test_a_time_that_has_passed(self, services: Services) -> None:
        key = ready(services, people(1), send_at=clock.now() - timedelta(minutes=1))
        with pytest.raises(UserError, match="has passed"):
            click(services, key)

    def test_a_draft_that_was_not_counted_since_its_last_change(self, services: Services) -> None:
        key = ready(services, people(1))
        with services.db.writing() as session:
            session.get_one(Campaign, key).text = "Mudou"
        with pytest.raises(UserError, match="counted again"):
            click(services, key)

    def test_a_field_that_the_lists_do_not_have(self, services: Services) -> None:
        key = ready(services, people(1), "Oi {{cpf}}")
        with pytest.raises(UserError, match=r"no field called \{\{cpf\}\}\. They have: \{\{nome\}\}"):
            click(services, key)


def test_a_list_is_not_deleted_while_a_launch_still_reads_it(services: Services) -> None:
    key = ready(services, people(3))
    click(services, key)
    with services.db.reading() as session:
        list_id = session.get_one(Campaign, key).lists[0]
    with pytest.raises(UserError, match="needs this list"), services.db.writing() as session:
        contacts.delete_list(session, list_id)
    launch.carry_out(services.db, services.settings, key)
    with services.db.writing() as session:
        contacts.delete_list(session, list_id)

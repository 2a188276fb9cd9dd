"""What people and lists do while a campaign is launched: clear words, nobody twice, nobody missed, sums that add up."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update

from tests.campaigns.cast import balance, contact_list, counted, draft, found, people
from tests.campaigns.test_compose import text_of
from tests.campaigns.test_launch import ready, rows_of, work
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import audience, launch
from webapp.campaigns.jobs import LAUNCH
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.messages import outbox, queries
from webapp.messages.models import Message, Run
from webapp.messages.queries import Counts
from webapp.optouts import service as optouts

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only",
        sending_window="always", batch_size="4",
    )  # fmt: skip


@pytest.fixture
def no_worker(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job of a click comes when the test calls `work`."""
    real = services.jobs.start
    monkeypatch.setattr(services.jobs, "start", lambda name, *ids: None if name == LAUNCH else real(name, *ids))


def click(browser: FlaskClient, key: int) -> Any:
    return browser.post(f"/campaigns/{key}/launch")


def run_of(services: Services, key: int) -> Run:
    run = found(services.db, key).run
    assert run is not None
    return run


def counts_of(services: Services, key: int) -> Counts:
    with services.db.reading() as session:
        return queries.counts(session, session.get_one(Run, run_of(services, key).id))


def numbers_of(services: Services, key: int) -> list[int]:
    return sorted(row.number for row in rows_of(services, run_of(services, key).id))


def add(services: Services, list_id: int, number: int, name: str = "Nova", **values: Any) -> None:
    with services.db.writing() as session:
        now = clock.now()
        session.add(
            Contact(list_id=list_id, number=number, name=name, fields={}, created_at=now, updated_at=now, **values)
        )
        session.get_one(ContactList, list_id).size += 1


def remove(services: Services, list_id: int, number: int) -> None:
    with services.db.writing() as session:
        session.execute(delete(Contact).where(Contact.list_id == list_id, Contact.number == number))
        session.get_one(ContactList, list_id).size -= 1


def list_of(services: Services, key: int) -> int:
    return found(services.db, key).lists[0]


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """What several people's deeds come to, done at the same moment."""
    together, answers = threading.Barrier(len(deeds)), [None] * len(deeds)

    def one(place: int) -> None:
        together.wait()
        answers[place] = deeds[place]()

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class TestTwoPeople:
    def test_who_launch_at_once_send_it_once_and_the_second_reads_that_it_was_sent(
        self, services: Services, signed_in: SignIn
    ) -> None:
        key = ready(services, people(9))
        ana, bruno = signed_in("marketing", locale="en"), signed_in("admin", locale="en")
        answers = at_once(lambda: click(ana, key), lambda: click(bruno, key))
        assert [(answer.status_code, answer.location) for answer in answers] == [(303, f"/campaigns/{key}")] * 2
        read = [text_of(browser.get(f"/campaigns/{key}")) for browser in (ana, bruno)]
        assert sorted("On its way to 9 people." in page for page in read) == [False, True]
        assert sorted("was sent already" in page for page in read) == [False, True]
        with services.db.reading() as session:
            assert session.scalar(select(func.count()).select_from(Run)) == 1
            assert session.scalar(select(func.count()).select_from(Message)) == 9

    def test_who_launch_two_campaigns_at_once_do_not_spend_the_same_credits(
        self, services: Services, signed_in: SignIn
    ) -> None:
        first, second = ready(services, people(5)), 0
        with services.db.writing() as session:
            balance(session, balance_1=8)
            second = draft(session, [list_of(services, first)]).id
        counted(services, second)
        ana, bruno = signed_in("marketing", locale="en"), signed_in("admin", locale="en")
        answers = at_once(lambda: click(ana, first), lambda: click(bruno, second))
        assert sorted(answer.status_code for answer in answers) == [303, 422]
        refused = next(answer for answer in answers if answer.status_code == 422)
        assert "needs 5 credits and the purse has 3 free" in text_of(refused)

    def test_of_whom_one_launches_and_one_deletes_the_list_never_both_succeed(
        self, services: Services, signed_in: SignIn, no_worker: None
    ) -> None:
        key = ready(services, people(5))
        list_id, ana, bruno = list_of(services, key), signed_in("marketing", locale="en"), signed_in("admin")
        at_once(lambda: click(ana, key), lambda: bruno.post(f"/contacts/{list_id}/delete"))
        with services.db.reading() as session:
            deleted = session.get_one(ContactList, list_id).archived_at is not None
        assert deleted == (found(services.db, key).run_id is None)


class TestAListThatChanges:
    """Between the click and the job, and in the middle of the job. `no_worker`: the job comes after the change."""

    def test_who_comes_after_the_click_gets_nothing(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, people(5))
        click(browser, key)
        add(services, list_of(services, key), CARLA)
        work(services, key)
        assert numbers_of(services, key) == [number for number, *_ in people(5)]
        assert counts_of(services, key).total == 5

    def test_who_was_removed_before_the_job_gets_nothing_and_the_sum_is_right(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, people(5))
        click(browser, key)
        remove(services, list_of(services, key), people(5)[2][0])
        work(services, key)
        counts = counts_of(services, key)
        assert (counts.total, counts.waiting, counts.adds_up) == (4, 4, True)

    def test_who_joins_the_first_list_after_the_click_is_still_reached_through_the_second(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        with services.db.writing() as session:
            balance(session)
            lists = [contact_list(session, "Loja", people(3)), contact_list(session, "Clube", [(ANA, "Ana", {})])]
            key = draft(session, lists).id
        counted(services, key)
        click(browser, key)
        add(services, lists[0], ANA, "Ana")
        work(services, key)
        assert numbers_of(services, key) == [number for number, *_ in people(3)] + [ANA]

    def test_fields_edited_before_the_job_are_sent_as_they_are_then(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, [(ANA, "Ana", {}), (BRUNO, "Bruno", {})], "Oi {{nome}}!")
        click(browser, key)
        with services.db.writing() as session:
            session.execute(update(Contact).where(Contact.number == ANA).values(name="Ana Maria"))
            session.execute(update(Contact).where(Contact.number == BRUNO).values(name=""))
        work(services, key)
        rows = {row.number: (row.text, row.state, row.reason) for row in rows_of(services, run_of(services, key).id)}
        assert rows[ANA] == ("Oi Ana Maria!", "pending", None)
        assert rows[BRUNO] == (None, "suppressed", "missing_field")
        assert counts_of(services, key).adds_up

    def test_people_of_an_import_that_was_committing_during_the_click_find_keys_of_their_own(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, people(2))
        list_id = list_of(services, key)
        with services.db.writing() as session:  # its ids were taken before the others', its commit comes later
            session.execute(update(Contact).values(id=Contact.id + 100))
        click(browser, key)
        for place in range(6):
            add(services, list_id, CARLA + place, id=10 + place)
        work(services, key)
        run, counts = run_of(services, key), counts_of(services, key)
        assert (run.state, counts.total, counts.waiting, counts.adds_up) == ("running", 8, 8, True)
        assert len(set(numbers_of(services, key))) == 8

    def test_who_leaves_the_first_list_while_the_second_is_read_is_written_once(
        self, services: Services, browser: FlaskClient, no_worker: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with services.db.writing() as session:
            balance(session)
            lists = [contact_list(session, name, people(3)) for name in ("Loja", "Clube")]
            key = draft(session, lists).id
        counted(services, key)
        click(browser, key)
        real, asked = audience.sort_out, []

        def meanwhile(*args: Any, **named: Any) -> Any:
            done = real(*args, **named)
            if not asked:
                asked.append(True)
                remove(services, lists[0], people(3)[0][0])
            return done

        monkeypatch.setattr(audience, "sort_out", meanwhile)
        work(services, key)
        counts = counts_of(services, key)
        assert (counts.total, counts.waiting, counts.adds_up) == (3, 3, True)
        assert numbers_of(services, key) == [number for number, *_ in people(3)]

    def test_a_list_emptied_in_the_middle_of_the_writing_changes_nothing_any_more(
        self, services: Services, browser: FlaskClient, no_worker: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(launch, "CHUNK", 8)
        key = ready(services, people(30))
        click(browser, key)
        real = launch._close_if_cancelled

        def meanwhile(session: Any, run: Run) -> None:
            real(session, run)
            session.execute(delete(Contact))

        monkeypatch.setattr(launch, "_close_if_cancelled", meanwhile)
        work(services, key)
        assert numbers_of(services, key) == [number for number, *_ in people(30)]
        assert counts_of(services, key).adds_up

    @pytest.mark.parametrize("which", ["lists", "excluded_lists"])
    def test_a_list_that_is_being_launched_or_left_out_is_not_deleted_before_the_job_is_done(
        self, services: Services, browser: FlaskClient, no_worker: None, which: str
    ) -> None:
        key, list_id = self._with_excluded(services, which)
        click(browser, key)
        browser.post(f"/contacts/{list_id}/delete")
        assert "still needs this list" in text_of(browser.get("/contacts"))
        work(services, key)
        assert numbers_of(services, key) == [number for number, *_ in people(3)]
        browser.post(f"/contacts/{list_id}/delete")
        with services.db.reading() as session:
            assert session.get_one(ContactList, list_id).archived_at is not None

    @pytest.mark.parametrize("which", ["lists", "excluded_lists"])
    def test_a_list_deleted_while_somebody_looks_at_the_review_stops_the_click_with_words(
        self, services: Services, browser: FlaskClient, which: str
    ) -> None:
        key, list_id = self._with_excluded(services, which)
        browser.post(f"/contacts/{list_id}/delete")
        for look in (lambda: click(browser, key), lambda: browser.get(f"/campaigns/{key}/review")):
            led = look()
            assert (led.status_code, led.location) == (303, f"/campaigns/{key}/audience")
            assert "A list of this campaign was deleted. Choose again" in text_of(browser.get(led.location))
        assert found(services.db, key).run_id is None

    def _with_excluded(self, services: Services, which: str) -> tuple[int, int]:
        """A counted campaign to three people, two more left out by a list; the id of one of its lists."""
        with services.db.writing() as session:
            balance(session)
            shop = contact_list(session, "Loja", [*people(3), (ANA, "Ana", {}), (BRUNO, "Bruno", {})])
            club = contact_list(session, "Clube", [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
            key = draft(session, [shop], excluded_lists=[club]).id
        counted(services, key)
        return key, shop if which == "lists" else club


class TestNobodyLeft:
    def opt_out(self, services: Services, *numbers: int) -> None:
        with services.db.writing() as session:
            optouts.add_many(session, list(numbers), origin="reply", reason="SAIR")

    def test_everybody_opted_out_before_the_count(self, services: Services, browser: FlaskClient) -> None:
        self.opt_out(services, ANA)
        key = ready(services, [(ANA, "Ana", {})])
        answer = click(browser, key)
        assert answer.status_code == 422
        assert "Nobody would receive this message. See below why" in text_of(answer)
        assert found(services.db, key).run_id is None

    def test_everybody_opted_out_between_the_count_and_the_click(
        self, services: Services, browser: FlaskClient
    ) -> None:
        key = ready(services, [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
        self.opt_out(services, ANA, BRUNO)
        answer = click(browser, key)
        assert answer.status_code == 422
        assert "Since it was counted, everybody has opted out" in text_of(answer)
        assert found(services.db, key).run_id is None
        assert "Send to 2 people" not in text_of(browser.get(f"/campaigns/{key}/review"))

    def test_everybody_opted_out_between_the_click_and_the_job(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, [(ANA, "Ana", {}), (BRUNO, "Bruno", {})])
        click(browser, key)
        self.opt_out(services, ANA, BRUNO)
        work(services, key)
        counts = counts_of(services, key)
        assert run_of(services, key).state == "finished"
        assert (counts.total, counts.suppressed, counts.recipients, counts.adds_up) == (2, 2, 0, True)
        page = text_of(browser.get(f"/campaigns/{key}"))
        assert "Nobody was written to, and nothing was paid for" in page
        assert "All sent" not in page
        assert "The person asked not to be written to." in page

    def test_everybody_was_removed_between_the_click_and_the_job(
        self, services: Services, browser: FlaskClient, no_worker: None
    ) -> None:
        key = ready(services, people(3))
        click(browser, key)
        with services.db.writing() as session:
            session.execute(delete(Contact))
        work(services, key)
        assert (run_of(services, key).state, counts_of(services, key).total) == ("finished", 0)
        assert "Nobody was written to" in text_of(browser.get(f"/campaigns/{key}"))


class TestAFieldWithoutValue:
    """One of two people has no name; who wrote the message decides at the review what becomes of her."""

    def sent(self, services: Services, key: int) -> dict[int, tuple[str | None, str, str | None]]:
        rows = rows_of(services, run_of(services, key).id)
        return {row.number: (row.text, row.state, row.reason) for row in rows}

    @pytest.mark.parametrize(
        ("text", "choice", "carla"),
        [
            ("Oi {{nome}}!", "leave", (None, "suppressed", "missing_field")),
            ("Oi {{nome}}!", "send", ("Oi !", "pending", None)),
            ("Oi {{nome|você}}!", "leave", ("Oi você!", "pending", None)),
        ],
    )
    def test_is_left_out_with_the_reason_or_gets_a_blank_or_the_fallback(
        self,
        services: Services,
        browser: FlaskClient,
        text: str,
        choice: str,
        carla: tuple[str | None, str, str | None],
    ) -> None:
        key = ready(services, [(ANA, "Ana", {}), (CARLA, "", {})], text)
        browser.post(f"/campaigns/{key}/choices", data={"missing": choice})
        click(browser, key)
        assert self.sent(services, key) == {ANA: ("Oi Ana!", "pending", None), CARLA: carla}

    def test_in_everybodys_row_leaves_nobody_and_is_refused(self, services: Services, browser: FlaskClient) -> None:
        key = ready(services, [(ANA, "", {}), (CARLA, "", {})], "Oi {{nome}}!")
        answer = click(browser, key)
        assert answer.status_code == 422
        assert "Nobody would receive this message." in text_of(answer)


def test_a_draft_changed_in_another_window_is_not_sent_as_it_was_not_seen(
    services: Services, browser: FlaskClient, signed_in: SignIn
) -> None:
    key = ready(services, people(3))
    with services.db.writing() as session:
        session.get_one(Campaign, key).text = "Outro texto"
    answer = click(browser, key)
    assert answer.status_code == 422
    assert "counted again. Check and confirm." in text_of(answer)
    assert found(services.db, key).run_id is None


def test_a_pending_message_of_who_opts_out_after_the_launch_never_leaves(
    services: Services, browser: FlaskClient
) -> None:
    key = ready(services, people(2))
    click(browser, key)
    with services.db.writing() as session:
        assert outbox.suppress(session, people(2)[0][0]) == 1
    assert counts_of(services, key).suppressed == 1

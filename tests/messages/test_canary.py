"""The canary and the stop after 500 refusals: few are written to before somebody looks."""

from collections.abc import Callable
from datetime import timedelta

from tests.messages.conftest import FIRST, Launch
from tests.messages.test_receive_receipts import assert_counters_exact, told
from webapp.core import clock
from webapp.core.web import Services
from webapp.messages import outbox, queries, receipts
from webapp.messages.models import Run
from webapp.messages.reference import encode
from webapp.messages.sweep import sweep
from webapp.optouts import service as optouts
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox


def pass_time(services: Services) -> None:
    with services.db.writing() as session:
        sweep(session, services.settings)


def hear(services: Services, run: Run, status: str, people: int) -> None:
    with services.db.writing() as session:
        news = [told(encode(run.token, run.first_key + place), status) for place in range(people)]
        receipts.apply(session, news, "callback")


def standing(services: Services, run: Run) -> tuple[str, str | None, queries.Counts]:
    with services.db.reading() as session:
        assert_counters_exact(session)
        now = session.get_one(Run, run.id)
        return now.state, now.pause_reason, queries.counts(session, now)


def test_the_first_hundred_go_ahead_and_the_rest_follows_when_all_is_well(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(250, canary=True)
    drain()
    assert standing(services, run)[2].accepted == 100
    pass_time(services)
    drain()
    assert standing(services, run)[2].accepted == 100  # the operators have said nothing yet
    hear(services, run, "0", 80)
    pass_time(services)
    drain()
    assert standing(services, run)[2].accepted == 250


def test_silent_operators_hold_it_up_for_ten_minutes_only(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(150, canary=True)
    drain()
    pass_time(services)
    with services.db.writing() as session:
        session.get_one(Run, run.id).canary_done_at = clock.now() - timedelta(minutes=11)
    pass_time(services)
    drain()
    assert standing(services, run)[2].accepted == 150


def test_a_canary_of_blocked_numbers_pauses_and_resuming_sends_the_rest(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(150, canary=True)
    drain()
    hear(services, run, "-5", 11)
    hear(services, run, "0", 100)
    pass_time(services)
    assert standing(services, run)[:2] == ("paused", "canary_blocked")
    with services.db.writing() as session:
        assert outbox.resume(session, session.get_one(Run, run.id))
    drain()
    assert standing(services, run)[2].accepted == 150


def test_a_canary_whose_people_opt_out_pauses(services: Services, launch: Launch, drain: Callable[[], int]) -> None:
    run = launch(150, canary=True)
    drain()
    with services.db.writing() as session:
        for place in range(3):
            optouts.add(session, FIRST + place, origin="reply", reason="SAIR")
    hear(services, run, "1", 100)
    pass_time(services)
    assert standing(services, run)[:2] == ("paused", "canary_optouts")


def test_a_suppression_list_that_comes_in_meanwhile_is_no_opt_out_of_its_people(
    services: Services, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(150, canary=True)
    drain()
    with services.db.writing() as session:
        optouts.add_many(session, range(FIRST, FIRST + 50), origin="import", reason="Não Me Ligue")
    hear(services, run, "1", 100)
    pass_time(services)
    assert standing(services, run)[0] == "running"


def test_a_held_canary_can_be_cancelled(services: Services, launch: Launch, drain: Callable[[], int]) -> None:
    run = launch(150, canary=True)
    drain()
    with services.db.writing() as session:
        assert outbox.cancel(session, session.get_one(Run, run.id)).stopped == 50
    assert standing(services, run)[2].cancelled == 50


def test_a_campaign_of_refused_numbers_stops_before_all_of_them(
    services: Services, box: Sandbox, launch: Launch, drain: Callable[[], int]
) -> None:
    run = launch(numbers=[int(number_for("050", nth)) for nth in range(800)])
    drain()
    state, reason, found = standing(services, run)
    assert (state, reason, found.refused) == ("paused", "refusals", 500)

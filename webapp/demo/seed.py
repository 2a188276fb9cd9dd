"""Filling the demo: people and lists first, then two weeks, then what is going on right now."""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select

from webapp.accounts import audit
from webapp.accounts import service as accounts
from webapp.accounts.models import Person
from webapp.contacts.commands import run_import_command
from webapp.core import clock
from webapp.core.db import Database
from webapp.core.web import Services
from webapp.demo import cast, story
from webapp.demo.past import PACE, STARTED, Past, keep_answers
from webapp.optouts import service as optouts
from webapp.sandbox.server import Sandbox

IMPORTED_BEFORE = timedelta(days=17)
LOOKED_AT_BALANCE = 8  # hour of the day
BALANCES = {1: 64_000, 2: 22_000, 3: 130, 4: 31_000}  # voice runs low: the dashboard says so


def add_people(db: Database, passwords: dict[str, str]) -> dict[str, int]:
    """The three colleagues with their passwords (by address); returns their ids by role."""
    with db.writing() as session:
        known = {person.email: person for person in session.scalars(select(Person))}
        for colleague in cast.COLLEAGUES:
            if colleague.email not in known:
                made = accounts.create(
                    session, colleague.email, colleague.role, name=colleague.name, password=passwords[colleague.email]
                )
                audit.record(session, "person.create", f"person {made.id}", actor="demo", role=colleague.role)
                known[colleague.email] = made
        return {colleague.role: known[colleague.email].id for colleague in cast.COLLEAGUES}


def fill(services: Services, box: Sandbox, people: dict[str, int]) -> None:
    """Two weeks of the shop, up to this moment."""
    now = datetime.now(UTC)
    past = Past(services, box, people, now)
    past.at(now - IMPORTED_BEFORE, lambda: _import_lists(services, now))
    past.at(now - IMPORTED_BEFORE, past.ask_balance)
    past.at(now - IMPORTED_BEFORE, lambda: keep_answers(services, story.CANNED))
    zone = clock.zone(services.settings.timezone)
    for planned in story.PAST:
        past.send(planned, story.moment(planned, now, zone))
    for days in range(13, -1, -1):
        morning = (now - timedelta(days=days)).astimezone(zone).replace(hour=LOOKED_AT_BALANCE, minute=3)
        past.at(morning, past.ask_balance)
        past.at(morning + timedelta(hours=4), partial(past.elsewhere, 2 + days % 4))
    past.at(now - timedelta(days=6, hours=2), lambda: past.buy(1, 20_000))
    past.at(now - timedelta(days=5, hours=3), lambda: _opt_out_by_hand(services, people["support"]))
    _today(past, now)
    past.live()
    box.store.skip_events(statuses=True, replies=True)  # it was told in the past; callbacks tell what comes


def _today(past: Past, now: datetime) -> None:
    zone = clock.zone(past.services.settings.timezone)
    tomorrow = (now.astimezone(zone) + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    past.send(story.LAST_WEEK, now - timedelta(days=7, minutes=70))
    past.send(story.MORNING, now - timedelta(hours=3, minutes=10))
    for hours in (1, 2, 4, 5, 6):
        past.at(now - timedelta(hours=hours, minutes=20), partial(past.elsewhere, 4 + hours))
    past.send(story.TODAY, now - timedelta(minutes=75))

    def pause_half_way() -> None:
        started = clock.aware(clock.now()) - 9 * PACE
        past.pause(past.start_running(story.PAUSED, started))

    def cancel_before_it_leaves() -> None:
        past.cancel(past.launch(story.CANCELLED, send_at=tomorrow))

    past.at(now - timedelta(minutes=40), cancel_before_it_leaves)
    past.at(now - timedelta(minutes=31), pause_half_way)
    past.at(now - timedelta(minutes=28), lambda: past.hear(timedelta(minutes=5)))
    past.at(now - timedelta(minutes=20), lambda: _scheduled(past, tomorrow))
    past.at(now - timedelta(minutes=6), lambda: past.draft(story.DRAFT))
    past.at(now - timedelta(seconds=60), lambda: _running(past))
    past.at(now, lambda: past.hear(timedelta(minutes=2)))
    past.at(now, past.ask_balance)


def _scheduled(past: Past, tomorrow: datetime) -> None:
    past.launch(story.SCHEDULED, send_at=tomorrow)


def _running(past: Past) -> None:
    past.start_running(story.RUNNING, clock.aware(clock.now()) - STARTED)


def _import_lists(services: Services, now: datetime) -> None:
    customers = cast.Customers(7, now.date())
    dice = random.Random(3)
    with tempfile.TemporaryDirectory(prefix="recado-demo-") as folder:
        for name, size in story.SIZES.items():
            file = Path(folder) / f"{name.lower().replace(' ', '-')}.csv"
            mistakes = name == story.CUSTOMERS
            file.write_bytes(cast.as_csv(customers.draw(size), dice=dice, mistakes=mistakes))
            day = (now - timedelta(days=40)).date()
            run_import_command(services.db, services.settings, file, name, "consent", "Cadastro no caixa da loja", day)


def _opt_out_by_hand(services: Services, person_id: int) -> None:
    customers = cast.Customers(7, datetime.now(UTC).date()).draw(3)
    with services.db.writing() as session:
        for customer in customers:
            optouts.add(
                session, int("55" + customer.number), origin="hand", reason="Pediu no balcão", person_id=person_id
            )

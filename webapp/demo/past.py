"""The demo's past, lived through in a few seconds: the real launch, sender, sweeps and inbox, with the clocks set back.

Nothing is written into the tables from outside: every row comes from the services that write it in earnest, on a
sandbox whose clock goes with ours. So counters, statuses, threads and charts agree, because they had to.
"""

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts import audit
from webapp.campaigns import counting, launch, media, service
from webapp.campaigns.models import Campaign
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.credits.asking import ask
from webapp.demo import picture, story
from webapp.demo.story import Planned
from webapp.gateway import account
from webapp.gateway.codes import DIALECTS
from webapp.inbox import answering, canned, polling
from webapp.inbox import service as inbox
from webapp.inbox.models import Conversation
from webapp.messages import outbox, receipts, sending
from webapp.messages.models import Batch, Run
from webapp.sandbox.people import number_for
from webapp.sandbox.server import Sandbox

Action = Callable[[], None]
FIRST_LOOK, LAST_LOOK, ANSWERING = timedelta(seconds=9), timedelta(minutes=4), timedelta(minutes=25)
PACED = 12  # people in each batch of a campaign that is to be seen at work
PACE = timedelta(seconds=10)  # between two of those batches
STARTED = timedelta(seconds=100)  # how long the running campaign has run when the pages open
AT_A_TIME = 4  # conversations that are answered after a campaign
UNANSWERED = timedelta(hours=20)  # younger replies wait for whoever looks at the demo


class Past:
    """Lives through events in order, each at its own time; what would lie in the future is left to the worker."""

    def __init__(self, services: Services, box: Sandbox, people: dict[str, int], until: datetime) -> None:
        self.services, self.box, self.people, self.until = services, box, people, until
        self._events: list[tuple[datetime, int, Action]] = []
        self._order = count()
        self._dice = random.Random(11)
        with services.db.reading() as session:
            login = account.login(session, services.settings, services.box)
        assert login is not None
        self.gateway = account.connect(login, services.settings)

    def at(self, moment: datetime, action: Action) -> None:
        """Have something happen at an aware moment."""
        if moment <= self.until:
            heapq.heappush(self._events, (moment.astimezone(UTC), next(self._order), action))

    def live(self) -> None:
        """Let everything happen."""
        try:
            while self._events:
                moment, _, action = heapq.heappop(self._events)
                self._at(moment, action)
        finally:
            self.gateway.close()

    def _at(self, moment: datetime, action: Action) -> None:
        by = moment - datetime.now(UTC)
        self.box.advance(by.total_seconds())
        try:
            with clock.shifted(by):
                action()
        finally:
            self.box.advance(-by.total_seconds())

    # What happens

    def send(self, planned: Planned, moment: datetime) -> None:
        """A campaign goes out, its statuses are heard twice, and its replies come in."""

        def leave() -> None:
            self.launch(planned)
            self.send_due()

        self.at(moment, leave)
        self.at(moment + FIRST_LOOK, lambda: self.hear(timedelta(minutes=1)))
        self.at(moment + LAST_LOOK, lambda: self.hear(LAST_LOOK + timedelta(minutes=1)))
        if self.until - moment > UNANSWERED:
            self.at(moment + ANSWERING, self.answer_some)

    def launch(self, planned: Planned, *, send_at: datetime | None = None, batch_size: int | None = None) -> Run:
        """Write a campaign down and launch it, as the pages do."""
        settings = self.services.settings
        if batch_size:
            settings = replace(settings, batch_size=batch_size)
        person = self.people["marketing"]
        with self.services.db.writing() as session:
            campaign = self._write(session, planned, person)
            campaign.send_at = clock.naive(send_at) if send_at else None
            counting.begin(session, campaign)
        counting.carry_out(self.services.db, settings, campaign.id)
        with self.services.db.writing() as session:
            campaign = service.draft(session, campaign.id)
            run = launch.launch(session, settings, campaign, person_id=person, undo_seconds=0)
            audit.record(
                session, "campaign.launch", f"campaign {campaign.id}", actor="demo", actor_id=person,
                recipients=run.total, credits=run.forecast,
            )  # fmt: skip
        launch.carry_out(self.services.db, settings, campaign.id)
        return run

    def draft(self, planned: Planned) -> None:
        """A campaign that nobody has launched yet."""
        with self.services.db.writing() as session:
            self._write(session, planned, self.people["marketing"])

    def _write(self, session: Session, planned: Planned, person: int) -> Campaign:
        settings = self.services.settings
        kind = DIALECTS[settings.gateway_dialect].types[planned.type]
        lists = dict(session.execute(select(ContactList.name, ContactList.id)).tuples().all())
        campaign = service.create(session, name=planned.name, timezone=settings.timezone, person_id=person)
        campaign.type, campaign.text, campaign.accents = planned.type, planned.text, planned.accents
        if kind.media:
            checked = media.check(picture.shop_window(), "vitrine.jpg", kind)
            kept = media.keep(session, settings.instance, checked, kind.content, "vitrine.jpg", person)
            campaign.media_id, campaign.caption = kept.id, story.CAPTION
        service.save_audience(
            session, campaign, kind, name=planned.name, lists=[lists[name] for name in planned.lists], excluded=[],
            filters=[],
        )  # fmt: skip
        return campaign

    def send_due(self) -> None:
        """Hand over whatever is due."""
        while sending.send_next(self.services.db, self.services.settings, self.gateway):
            pass

    def hear(self, back: timedelta) -> None:
        """Ask what became of the messages since, and for replies."""
        now = clock.aware(clock.now())
        found = self.gateway.by_date(now - back, now + timedelta(minutes=1))
        self.services.db.retrying(lambda session: receipts.apply(session, found.rows, "mt_date"))
        polling.ask_new(self.services, self.gateway)

    def ask_balance(self) -> None:
        """Keep a reading of the purses."""
        ask(self.services)

    def buy(self, purse: int, credits: int) -> None:
        """Credits are bought."""
        self.box.account(**{f"balance_{purse}": self.box.store.balances()[purse] + credits})
        self.ask_balance()

    def elsewhere(self, count: int) -> None:
        """Another system of the shop sends through the same account; the sweep finds it."""
        codes = [self._dice.randint(10, 99) for _ in range(count)]
        self.box.seed_history(
            {
                "number": number_for("1", self._dice.randint(0, 999), self._dice.choice((11, 21, 31))),
                "content": self._dice.choice(story.ELSEWHERE).format(n=code),
                "campaign_id": f"erp-{code}",
                "status": self._dice.choice((1, 1, 1, 1, 0, 9)),
                "origin": "erp",
            }
            for code in codes
        )
        self.hear(timedelta(minutes=2))

    def answer_some(self) -> None:
        """The support agent works through the queue."""
        agent = self.people["support"]
        with self.services.db.reading() as session:
            waiting = session.scalars(
                select(Conversation)
                .where(Conversation.state == "open", Conversation.unread > 0)
                .order_by(Conversation.waiting_since)
                .limit(AT_A_TIME)
            ).all()
        for conversation in waiting:
            self._answer(conversation, agent, self._dice.random())
        self.send_due()
        self.hear(timedelta(minutes=1))

    def _answer(self, conversation: Conversation, agent: int, chance: float) -> None:
        name = conversation.name.split()[0] if conversation.name else "tudo bem"
        words = self._dice.choice(story.ANSWERS).format(name=name)
        dialect = DIALECTS[self.services.settings.gateway_dialect]
        with self.services.db.writing() as session:
            try:
                answering.answer(session, conversation.key, agent, words, seen=0, dialect=dialect)
            except UserError:  # opted out: nobody answers
                inbox.close(session, conversation.key, agent)
                return
            if chance < 0.15:
                inbox.add_note(session, conversation.key, agent, self._dice.choice(story.NOTES))
            if chance < 0.7:
                inbox.close(session, conversation.key, agent)

    # Campaigns that are in the middle of something when the pages open

    def pace(self, run: Run, started: datetime) -> None:
        """Have a campaign's batches leave one after another, so that it is seen at work for some minutes."""
        with self.services.db.writing() as session:
            batches = session.scalars(select(Batch).where(Batch.run_id == run.id).order_by(Batch.first_key)).all()
            for place, batch in enumerate(batches):
                batch.not_before = clock.naive(started + place * PACE)

    def start_running(self, planned: Planned, started: datetime) -> Run:
        """A campaign whose batches leave from now on, by and by."""
        run = self.launch(planned, batch_size=PACED)
        self.pace(run, started)
        self.send_due()
        return run

    def pause(self, run: Run) -> None:
        """Somebody pauses it."""
        with self.services.db.writing() as session:
            outbox.pause(session, session.get_one(Run, run.id))

    def cancel(self, run: Run) -> None:
        """Somebody cancels it."""
        with self.services.db.writing() as session:
            outbox.cancel(session, session.get_one(Run, run.id))


def keep_answers(services: Services, rows: Iterable[tuple[str, str]]) -> None:
    """Answers kept for use again."""
    with services.db.writing() as session:
        for title, text in rows:
            canned.save(session, None, title, text)

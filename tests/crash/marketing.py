"""The person who sends campaigns, at a browser whose web server dies again and again."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import requests
from sqlalchemy import update

from tests.make import PASSWORD
from tests.visitor import Page, Visitor
from webapp.accounts.commands import create_user
from webapp.accounts.models import Person
from webapp.campaigns import counting, service
from webapp.core.web import Services
from webapp.gateway.codes import CLASSIC

PATIENCE = 120.0  # seconds in which a page must come, however often the web server dies


class Marketing:
    """Writes drafts and sends them from their review page. Where no answer comes, the same button is pressed again."""

    def __init__(self, services: Services, list_id: int) -> None:
        self._services, self._list = services, list_id
        self._visitor = Visitor(services.settings.public_url)
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="marketing")
        self._gone = threading.Event()
        self._clicks: list[Future[None]] = []
        self.campaigns = 0
        self.unanswered = 0  # clicks, and looks at a page

    def launch(self) -> None:
        """One more campaign to everyone in the list, as soon as the ones before are sent."""
        self.campaigns += 1
        self._clicks.append(self._hand.submit(self._send, f"Aviso {self.campaigns}"))

    @property
    def busy(self) -> int:
        """How many campaigns are still to be sent. Raises what went wrong with one."""
        for click in [click for click in self._clicks if click.done()]:
            click.result()
            self._clicks.remove(click)
        return len(self._clicks)

    def go(self) -> None:
        """Leave, whatever is under way."""
        self._gone.set()
        self._hand.shutdown(cancel_futures=True)

    def sign_in(self) -> None:
        """Through the login page; what this person sends waits for no undo."""
        person, _ = create_user(self._services.db, "marketing@example.com", "marketing", PASSWORD)
        with self._services.db.writing() as session:
            session.execute(update(Person).where(Person.id == person.id).values(undo_seconds=0))
        self._hand.submit(self._seen, lambda: self._visitor.sign_in(person.email, PASSWORD)).result()

    def _send(self, name: str) -> None:
        campaign_id = self._draft(name)
        review = self._seen(lambda: self._visitor.get(f"/campaigns/{campaign_id}/review"))
        form = review.form(action="/launch")
        page = self._seen(lambda: self._visitor.send(review, form))
        assert page.status == 200, page.text[:500]
        assert page.url.endswith(f"/campaigns/{campaign_id}"), page.text[:500]

    def _draft(self, name: str) -> int:
        """A campaign, written and counted."""
        db = self._services.db
        with db.writing() as session:
            made = service.create(session, name=name, timezone="America/Sao_Paulo", person_id=None)
            made.lists, made.text, made.type = [self._list], name, CLASSIC.types[0].type
            counting.begin(session, made)
        counting.carry_out(db, self._services.settings, made.id)
        return made.id

    def _seen(self, look: Callable[[], Page]) -> Page:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return look()
            except requests.RequestException:
                assert not self._gone.is_set()
                assert time.monotonic() < deadline, f"no page within {PATIENCE} s"
                self.unanswered += 1
                time.sleep(0.05)

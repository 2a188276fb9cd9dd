"""The worker's threads: senders, one that asks about unknown outcomes, one that sweeps, and a pulse."""

import os
import secrets
import socket
import threading
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.web import Services
from webapp.gateway import account
from webapp.gateway.client import Gateway
from webapp.messages import claim, liveness, reconcile, sending
from webapp.messages.sweep import sweep

log = structlog.get_logger(__name__)
IDLE_SECONDS = 0.25  # between looks for something due
SWEEP_SECONDS = 1.0


class Connection:
    """The gateway client of the account in force, made anew when an admin changes it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._kept: account.Kept | None = None
        self._client: Gateway | None = None

    def client(self) -> Gateway | None:
        """The client, or None while no account is set: sending is off until then."""
        settings = self._services.settings
        with self._services.db.reading() as session:
            kept = account.kept(session)
        with self._lock:
            if kept != self._kept:
                login = account.login_of(kept, settings, self._services.box)
                self._client = account.connect(login, settings) if login else None
                self._kept = kept
            return self._client


class Worker:
    """Everything of sending that one worker process does. `start` returns at once; `stop` waits for calls under way."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.id = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.stopping = threading.Event()
        self.connection = Connection(services)
        calls = claim.lines(services.settings)
        self.sender = sending.Sender(
            services.db, services.settings, self.id, threading.Semaphore(calls), threading.Lock(),
            more=lambda: not self.stopping.is_set(),
        )  # fmt: skip
        steps = [
            ("pulse", self._pulse, liveness.PULSE_SECONDS),
            ("sweeper", self._sweep, SWEEP_SECONDS),
            ("asker", self._ask, SWEEP_SECONDS),
            *((f"sender-{n}", self._send, IDLE_SECONDS) for n in range(calls + claim.look_ahead(services.settings))),
        ]
        self._threads = [
            threading.Thread(target=self._forever, args=(step, pause), name=name, daemon=True)
            for name, step, pause in steps
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 40.0) -> None:
        """Take nothing new and wait for what is under way."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(timeout)

    def _forever(self, step: Callable[[], bool], pause: float) -> None:
        while not self.stopping.is_set():
            try:
                busy = step()
            except SQLAlchemyError as error:
                log.error("the database does not answer", error=str(error)[:300])
                busy = False
                self.stopping.wait(2.0)
            except Exception:
                log.exception("worker step failed")
                busy = False
                self.stopping.wait(2.0)
            if not busy:
                self.stopping.wait(pause)

    def _send(self) -> bool:
        with self.services.db.reading() as session:
            if not claim.something_due(session):
                return False
        claimed = self.sender.claim() if self.connection.client() else None
        busy = claimed is not None
        while claimed is not None:
            client = self.connection.client()  # an admin may have changed the account since the last batch
            if client is None:
                self.sender.give_back(claimed)
                return False
            claimed = self.sender.send(client, claimed)
        return busy

    def _sweep(self) -> bool:
        settings = self.services.settings
        self.services.db.retrying(lambda session: sweep(session, settings))
        return False

    def _ask(self) -> bool:
        client = self.connection.client()
        return client is not None and reconcile.look_at_next(self.services.db, self.services.settings, client)

    def _pulse(self) -> bool:
        self.services.db.retrying(lambda session: liveness.beat(session, self.id), durable=False)
        return False

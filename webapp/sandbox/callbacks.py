"""Callbacks: a GET to the customer's URLs for every operator's word, every handset's word and every reply.

One thread looks for what happened since it last looked; a few workers, each with a connection of its own, carry it.
What is not answered with 2xx is tried again a few times and then forgotten, as gateways do.
"""

import heapq
import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from webapp.gateway.codes import INBOUND
from webapp.sandbox.answers import inbound_id
from webapp.sandbox.clock import Clock, wire_date
from webapp.sandbox.options import Options
from webapp.sandbox.people import STAYS
from webapp.sandbox.store import Row, Store

_PAGE = 500  # events taken from the store at once
_TIMEOUT = 5.0  # seconds for one callback
_PAUSE = 0.25  # seconds between two looks, while the clock may be moved by hand


@dataclass(frozen=True)
class Event:
    """One callback to make."""

    url: str
    tries: int = 0


def status_url(base: str, row: Row) -> str:
    """The address that tells a delivery status, parameters in the vendor's order."""
    return _with_query(
        base,
        {
            "campaign_id": row["campaign_id"],
            "id": str(row["id"]),
            "status": str(row["status"]),
            "date": wire_date(row["at"]),
            "carrier": row["carrier"],
        },
    )


def reply_url(base: str, row: Row, options: Options) -> str:
    """The address that tells a reply, parameters in the vendor's order."""
    return _with_query(
        base,
        {
            "number": row["number"],
            "content": row["content"],
            "campaign_id": row["campaign_id"],
            "id": inbound_id(row, options),
            "status": INBOUND,
            "date": wire_date(row["at"]),
            "carrier": row["carrier"],
        },
    )


def _with_query(base: str, values: dict[str, str]) -> str:
    return f"{base}{'&' if '?' in base else '?'}{urlencode(values, safe=':')}"


class Courier:
    """Carries callbacks until `stop`. `wake` tells it that something may have happened."""

    def __init__(self, options: Options, store: Store, clock: Clock) -> None:
        self._options, self._store, self._clock = options, store, clock
        self._dice = random.Random(options.seed)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._room = threading.Semaphore(4 * options.callback_workers)
        self._pool = ThreadPoolExecutor(options.callback_workers, thread_name_prefix="sandbox-callback")
        self._connections = threading.local()
        self._again: list[tuple[float, int, Event]] = []
        self._lock = threading.Lock()
        self.delivered = 0
        self.failed = 0
        self._thread = threading.Thread(target=self._run, name="sandbox-courier", daemon=True)

    def start(self) -> None:
        """Begin; what happened before belongs to nobody."""
        self._store.skip_events(not self._options.status_url, not self._options.reply_url)
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """End; callbacks under way are waited for, the rest is dropped."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            if self._options.status_url or self._options.reply_url:
                while self._carry_some() and not self._stopping.is_set():
                    pass
                self._wake.wait(self._nap())
            else:
                self._wake.wait()

    def _nap(self) -> float:
        with self._lock:
            retry = self._again[0][0] - time.monotonic() if self._again else _PAUSE
        return min(_PAUSE, max(0.001, min(self._store.next_event() - self._clock.now(), retry)))

    def _carry_some(self) -> bool:
        """Hand what is due to the workers; says whether there may be more."""
        events = self._due_again()
        statuses, replies = self._store.untold(_PAGE)
        options = self._options
        if options.status_url:
            told = [row for row in statuses if row["status"] not in STAYS]
            events += [Event(status_url(options.status_url, row)) for row in told]
        if options.reply_url:
            events += [Event(reply_url(options.reply_url, row, options)) for row in replies]
        for event in self._mischief(events):
            if self._stopping.is_set():
                return False
            self._room.acquire()
            self._pool.submit(self._carry, event)
        return bool(statuses or replies)

    def _mischief(self, events: list[Event]) -> list[Event]:
        options = self._options
        events = [event for event in events if event.tries or self._dice.random() >= options.callback_drop]
        events += [event for event in events if self._dice.random() < options.callback_repeat and not event.tries]
        if options.callback_shuffle:
            self._dice.shuffle(events)
        return events

    def _due_again(self) -> list[Event]:
        due = []
        with self._lock:
            while self._again and self._again[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._again)[2])
        return due

    def _carry(self, event: Event) -> None:
        try:
            good = self._get(event.url)
        finally:
            self._room.release()
        with self._lock:
            if good:
                self.delivered += 1
            elif event.tries + 1 < self._options.callback_tries:
                wait = self._options.callback_retry_seconds * 2**event.tries
                again = Event(event.url, event.tries + 1)
                heapq.heappush(self._again, (time.monotonic() + wait, id(again), again))
            else:
                self.failed += 1

    def _get(self, url: str) -> bool:
        """Whether the customer answered 2xx. A kept connection that died meanwhile is opened anew once."""
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc)
        kept: dict[tuple[str, str], http.client.HTTPConnection] = self._connections.__dict__.setdefault("kept", {})
        fresh = key not in kept
        try:
            connection = kept[key] if not fresh else _connect(*key)
            kept[key] = connection
            headers = {"User-Agent": "SpeedMarket-sandbox"}
            if self._options.callback_bearer:
                headers["Authorization"] = f"Bearer {self._options.callback_bearer}"
            connection.request("GET", f"{parts.path or '/'}?{parts.query}", headers=headers)
            answer = connection.getresponse()
            answer.read(65536)
            if answer.will_close or not answer.isclosed():
                kept.pop(key).close()
            return 200 <= answer.status < 300
        except (OSError, http.client.HTTPException, ValueError):
            if key in kept:
                kept.pop(key).close()
            return False if fresh else self._get(url)


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(netloc, timeout=_TIMEOUT)

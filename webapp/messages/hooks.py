"""The gateway's callbacks: a small WSGI function in front of Flask.

Many arrive at once, and each is answered only when its raw receipt, status and counters are committed. So callbacks
that wait at the same moment share one transaction; if it fails, each is tried alone, and one bad one fails by itself.
"""

import ipaddress
import queue
import threading
import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from sqlalchemy.exc import OperationalError

from webapp.core.web import Services
from webapp.gateway import account, wire
from webapp.gateway.values import QUERY_LIMIT
from webapp.messages import receipts

log = structlog.get_logger(__name__)
GATHER_SECONDS, GATHER_STEP = 0.02, 0.001  # how long callbacks that keep coming are waited for, and between two looks
GROUP = 500  # callbacks in one transaction at the most
WAIT_SECONDS = 25.0
# While the database takes nothing for so long, only so many callbacks wait: pages need the server's other threads.
STUCK_SECONDS, ROOM = 3.0, 40
TOKENS_SECONDS = 10.0  # how long the good tokens are remembered
PREFIX = "/callback/"


class Failed(Exception):
    """The callback could not be stored; the gateway should come again."""


class _Waiting:
    """A callback whose sender is still on the line: `turn` is free as soon as it may be answered."""

    __slots__ = ("failed", "heard", "turn")

    def __init__(self, heard: receipts.Heard) -> None:
        self.heard = heard
        self.failed = False
        self.turn = threading.Lock()  # a bare one: an Event makes three objects and takes three steps more
        self.turn.acquire()


class GroupCommit:
    """Stores receipts in groups, one thread for all; `store` returns when its receipt is committed."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._queue: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._in_hand = 0  # callbacks of the group that is being committed
        self._since = 0.0  # when that began

    def store(self, heard: receipts.Heard) -> None:
        """Returns once committed; raises Failed where that is not possible in time, or too many wait already."""
        if self._is_stuck() and self._in_hand + self._queue.qsize() >= ROOM:
            raise Failed
        waiting = _Waiting(heard)
        self._start()
        self._queue.put(waiting)
        if not waiting.turn.acquire(timeout=WAIT_SECONDS) or waiting.failed:
            raise Failed

    def _is_stuck(self) -> bool:
        return self._in_hand > 0 and time.monotonic() - self._since > STUCK_SECONDS

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            self._gather()
            while len(group) < GROUP:
                try:
                    group.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            self._since, self._in_hand = time.monotonic(), len(group)
            self._settle(group)
            self._in_hand = 0
            for waiting in group:
                waiting.turn.release()

    def _gather(self) -> None:
        """Wait while more callbacks keep coming, some milliseconds at the most: one sync serves them all, and none of
        their statements queues behind their threads for the interpreter. A lone callback waits for nobody."""
        seen, until = 0, time.monotonic() + GATHER_SECONDS
        while (arrived := self._queue.qsize()) > seen and time.monotonic() < until:
            seen = arrived
            time.sleep(GATHER_STEP)

    def _settle(self, group: list[_Waiting]) -> None:
        try:
            self._commit(group)
        except OperationalError:  # the database can take nothing: locked, full, away. It would fail each for as long
            log.exception("callbacks could not be stored", callbacks=len(group))
            for waiting in group:
                waiting.failed = True
        except Exception:
            if len(group) > 1:
                log.exception("group of callbacks failed; each is tried alone", callbacks=len(group))
            for waiting in group:
                self._alone(waiting)

    def _commit(self, group: list[_Waiting]) -> None:
        news = [waiting.heard for waiting in group]
        self._db.retrying(lambda session: receipts.apply(session, news, "callback"))

    def _alone(self, waiting: _Waiting) -> None:
        try:
            self._commit([waiting])
        except Exception:
            log.exception("callback could not be stored")
            waiting.failed = True


class Callbacks:
    """`GET /callback/<token>/status|reply` (form POST too), and everything else to the application behind.

    `reply` stores a raw reply (query bytes) and reads it; either path takes either kind.
    """

    def __init__(self, app: WSGIApplication, services: Services, reply: Callable[[bytes], None]) -> None:
        self._app = app
        self._services = services
        self._reply = reply
        self._group = GroupCommit(services)
        self._tokens: list[str] = []
        self._read_at = float("-inf")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        token, _, kind = path[len(PREFIX) :].strip("/").partition("/")
        if kind not in {"status", "reply"} or not self._is_good(token) or not self._may_come_from(environ):
            return _answer(start_response, "404 Not Found", b"not found\n", "text/plain")
        if environ.get("REQUEST_METHOD") not in {"GET", "POST", "HEAD"}:
            return _answer(start_response, "405 Method Not Allowed", b"method not allowed\n", "text/plain")
        try:
            self._take(environ)
        except Exception as error:
            if not isinstance(error, Failed):
                log.exception("callback failed")
            return _answer(start_response, "503 Service Unavailable", b'{"status":"try again"}')
        return _answer(start_response, "200 OK", b'{"status":"ok"}')

    def _take(self, environ: WSGIEnvironment) -> None:
        query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")[:QUERY_LIMIT]
        body = _body(environ)
        params = wire.parse_query(query, body)
        if not params:
            return
        raw = query if not body else query + b"&" + body if query else body
        if wire.is_reply(params):
            self._reply(raw)
            return
        receipt = wire.receipt_from_query(params) or wire.Receipt("", "", None, None, "", None, "", "", None)
        self._group.store(receipts.Heard(receipt, raw.decode("latin-1").replace("\x00", "")))

    def _is_good(self, token: str) -> bool:
        if time.monotonic() - self._read_at > TOKENS_SECONDS or not self._tokens:
            with self._services.db.reading() as session:
                self._tokens = account.tokens(session, self._services.settings, self._services.box)
            self._read_at = time.monotonic()
        return account.is_token(token, self._tokens)

    def _may_come_from(self, environ: WSGIEnvironment) -> bool:
        nets = self._services.settings.callback_nets
        if not nets:
            return True
        hops = self._services.settings.proxy_hops
        forwarded = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        caller = forwarded[-hops] if hops and len(forwarded) >= hops else environ.get("REMOTE_ADDR", "")
        try:
            address = ipaddress.ip_address(caller)
        except ValueError:
            return False
        return any(address in net for net in nets)


def _body(environ: WSGIEnvironment) -> bytes:
    if environ.get("REQUEST_METHOD") != "POST":
        return b""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return b""
    body: bytes = environ["wsgi.input"].read(min(length, QUERY_LIMIT)) if length > 0 else b""
    return body


def _answer(start_response: StartResponse, status: str, body: bytes, kind: str = "application/json") -> Iterable[bytes]:
    start_response(
        status,
        [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
         ("X-Content-Type-Options", "nosniff")],
    )  # fmt: skip
    return [body]

"""HTTP with a promise: a call ends by its deadline, and afterwards we know whether bytes may have left.

The timeouts of HTTP libraries bound one read; a server that trickles holds such a call for ever. Here a watchdog shuts
the socket down when the deadline comes, whichever of name look-up, connecting, TLS, headers and body it is in.
"""

import contextlib
import socket
import sys
import threading
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from webapp.core.clock import Stopwatch

IDLE_LIMIT = 2.0  # seconds; an older connection may be half closed, and a send on it would be of unknown outcome
_CHUNK = 65_536


class CallFailed(Exception):
    """A call without a whole answer. `sent`: bytes may have left. `reason` is a word for logs."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Call:
    """One call under a deadline of `timeout` seconds; use as a context manager around connect, send and read."""

    def __init__(self, timeout: float) -> None:
        self._timeout, self._since = timeout, Stopwatch()
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._timer = threading.Timer(timeout, self._expire)
        self._timer.daemon = True
        self._over = False
        self.expired = False
        self.sent = False

    def __enter__(self) -> "Call":
        _here.call = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _here.call = None
        with self._lock:
            self._over = True
            if self._line is not None:
                self._line.close()
                self._line = None

    def left(self) -> float:
        """Seconds until the deadline; raises TimeoutError when it has come."""
        seconds = self._timeout - self._since.seconds()
        if seconds <= 0 or self.expired:
            self.expired = True
            raise TimeoutError("deadline")
        return seconds

    def watch(self, line: socket.socket) -> None:
        """Let the watchdog shut this connection down. A duplicate is kept: TLS takes the socket object apart."""
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = socket.socket(line.family, line.type, line.proto, fileno=socket.dup(line.fileno()))
        self.left()

    def watching(self) -> bool:
        """Whether a connection is being watched."""
        return self._line is not None

    def _expire(self) -> None:
        with self._lock:
            if self._over:
                return
            self.expired = True
            if self._line is not None:
                with contextlib.suppress(OSError):  # not connected yet: the connect has a timeout of its own
                    self._line.shutdown(socket.SHUT_RDWR)


class _Here(threading.local):
    call: Call | None = None


_here = _Here()


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """Addresses of a name. The system's look-up knows no timeout, so it may have to be left behind in its thread."""
    found: list[Any] = []
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failure.append(error)
        except UnicodeError:
            failure.append(socket.gaierror(socket.EAI_NONAME, "not a host name"))

    thread = threading.Thread(target=look_up, name="gateway-name-look-up", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not found:
        raise TimeoutError("name look-up")
    return list(found)


def _connected(host: str, port: int, call: Call) -> socket.socket:
    """A watched connection to the first address that takes one, all of them together within the deadline."""
    last: OSError | None = None
    for family, kind, protocol, _, address in _addresses(host, port, call.left()):
        line = socket.socket(family, kind, protocol)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.settimeout(call.left())
            call.watch(line)
            line.connect(address)
            return line
        except OSError as error:
            line.close()
            last = error
    raise last or OSError("no address")


class _Watched(HTTPConnection):
    """A connection that lives under the deadline of the call at hand and notes when bytes begin to leave."""

    used: Stopwatch | None = None

    def _new_conn(self) -> socket.socket:
        call = _here.call
        if call is None:
            return super()._new_conn()
        try:
            line = _connected(self._dns_host, self.port, call)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from None
        sys.audit("http.client.connect", self, self.host, self.port)
        return line

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        call = _here.call
        if call is not None and self.sock is not None:
            if not call.watching():
                call.watch(self.sock)  # a connection from the pool
            call.left()
            call.sent = True
        super().send(data)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        response = super().getresponse()
        self.used = Stopwatch()
        return response

    @property
    def is_connected(self) -> bool:
        return super().is_connected and self.used is not None and self.used.seconds() <= IDLE_LIMIT


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}


class _NoCookies(requests.cookies.RequestsCookieJar):
    """A PHP session cookie would make the gateway answer our calls one after the other."""

    def set_cookie(self, cookie: Any, *args: Any, **kwargs: Any) -> None:
        return


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None is followed: not with messages in hand, and not with a password to an address we were not given."""
        return None


def session(connections: int) -> requests.Session:
    """A session for several threads: no retries, no proxies or logins from the environment, no cookies."""
    made = _Session()
    made.trust_env = False
    made.cookies = _NoCookies()
    adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


def perform(made: requests.Session, request: requests.Request, timeout: float, limit: int) -> tuple[int, bytes]:
    """One call: the HTTP status and the whole body of at most `limit` bytes, within `timeout` seconds.

    No redirect is followed. Raises CallFailed.
    """
    prepared = made.prepare_request(request)
    with Call(timeout) as call:
        try:
            status, body = _exchange(made, prepared, timeout, limit)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            reason = "deadline" if call.expired else _reason(error)
            raise CallFailed(reason, sent=call.sent) from None
        if call.expired:  # the end of an answer without a length looks like the watchdog's cut
            raise CallFailed("deadline", sent=True)
        return status, body


def _exchange(
    made: requests.Session, prepared: requests.PreparedRequest, timeout: float, limit: int
) -> tuple[int, bytes]:
    answer = made.send(prepared, stream=True, timeout=timeout, allow_redirects=False)
    try:
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_content(_CHUNK):
            size += len(part)
            if size > limit:
                raise ValueError("too large")
            parts.append(part)
        return answer.status_code, b"".join(parts)
    finally:
        answer.close()


def _reason(error: BaseException) -> str:
    """The innermost cause by name: no URL, no header, no body."""
    inner: Any = error.args[0] if error.args else error
    inner = getattr(inner, "reason", None) or inner
    return str(error) if type(error) is ValueError else type(inner if isinstance(inner, Exception) else error).__name__

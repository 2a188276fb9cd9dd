"""The sandbox's sockets: connections that are kept, hung up, torn in the middle, or fed in drops."""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from webapp.sandbox.answers import Reply

Respond = Callable[[str, str, Mapping[str, str], bytes, str], Reply]

_LARGEST_BODY = 64 * 1024 * 1024  # bytes
_IDLE = 75.0  # seconds a kept connection may rest
_DROPS = 40  # pieces of a trickled answer
_log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Listens for a sandbox: `respond` answers, `rest` waits but not beyond the end."""

    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], respond: Respond, rest: Callable[[float], object]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.respond, self.rest = respond, rest
        self._ending = False
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up_all(self) -> None:
        """Close every connection that is open."""
        self._ending = True
        with self._open_lock:
            for connection in self._open:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError) and not self._ending:
            _log.error("the sandbox failed to answer", exc_info=error)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other end was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: Server

    def do_GET(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(Reply(413, b"<h1>Request Entity Too Large</h1>", "text/html"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.respond(self.command, self.path, headers, body, self.client_address[0]))

    do_POST = do_GET

    def _body(self) -> bytes | None:
        """The body, whole; None where it is too large or its length is no number."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunked_body()
        length = self.headers.get("Content-Length", "0").strip()
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            return None
        return self.rfile.read(int(length))

    def _chunked_body(self) -> bytes | None:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError:
                return None
            if not 0 <= size <= _LARGEST_BODY - len(body):
                return None
            body += self.rfile.read(size)
            self.rfile.readline(1024)
            if not size:
                return body

    def _send(self, reply: Reply) -> None:
        if reply.hang_up:
            self._end()
            return
        head = self._head(reply)
        if reply.torn:
            self.wfile.write(head + reply.body[: len(reply.body) // 2])
            self._end()
        elif reply.trickle:
            self.wfile.write(head)
            size = max(1, -(-len(reply.body) // _DROPS))
            drops = [reply.body[start : start + size] for start in range(0, len(reply.body), size)]
            for drop in drops:
                self.server.rest(reply.trickle / len(drops))
                self.wfile.write(drop)
        else:
            self.wfile.write(head + reply.body)

    def _end(self) -> None:
        self.close_connection = True
        _hang_up(self.connection)

    def _head(self, reply: Reply) -> bytes:
        phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else "Status"
        headers = {
            "Date": self.date_time_string(),
            "Server": "sandbox",
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        }
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def log_message(self, format: str, *args: object) -> None:
        # A target may hold user and password: nothing of it is ever written down.
        _log.debug("%s answered", self.command)

"""A tiny HTTP server that answers as badly as a test wants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from ssl import SSLContext

ACCEPTED = (
    b'{"success":true,"responseCode":"000","responseDescription":"Success queued","credit":1,"balance":"7","id":"6"}'
)


@dataclass
class Seen:
    """One request as it arrived; `port` is the client's, so two requests with the same one shared a connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    port: int


class Handler(BaseHTTPRequestHandler):
    """Keeps the request, then lets the test's `answer` write whatever it likes."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers), body, self.client_address[1]))
        self.server.answer(self)

    do_GET = do_POST = do

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        """A whole and honest HTTP answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def trickle(self, parts: Iterator[bytes]) -> None:
        """Write piece after piece for some seconds, or until the test ends or the client hangs up."""
        self.close_connection = True
        try:
            for part in islice(parts, 80):
                self.wfile.write(part)
                self.wfile.flush()
                if self.server.over.wait(0.05):
                    return
        except OSError:
            self.server.hung_up.set()

    def log_message(self, *args: object) -> None:
        return


class Server(ThreadingHTTPServer):
    """`answer` writes the answer; `seen` are the requests so far; `hung_up` is set when a trickle met a closed line."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = lambda handler: handler.reply(ACCEPTED)
        self.seen: list[Seen] = []
        self.over = threading.Event()
        self.hung_up = threading.Event()
        self.scheme = "http"

    @property
    def url(self) -> str:
        """The base URL of a gateway at this server."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/webservice-rest/"

    def says(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer every request with this."""
        self.answer = lambda handler: handler.reply(body, status, **headers)

    def handle_error(self, request: object, client_address: object) -> None:
        return


@contextmanager
def running(tls: SSLContext | None = None) -> Iterator[Server]:
    """A server in a thread of its own."""
    with Server() as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()

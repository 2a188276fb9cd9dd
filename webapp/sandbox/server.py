"""The sandbox as an HTTP server: sockets that keep alive, hang up, tear and trickle.

    with Sandbox(user="demo", password="demo", speed=1000) as box:
        ...  # box.url ends with /webservice-rest/
        box.fault("lost", "send-multiple", times=1)
        box.reply("5511988880001", "SAIR")
        assert box.ledger()[0]["status"] == "1"

Everything a test or a trainer does to it is in `control` (methods here, JSON under `/_sandbox/`), its switches are in
`options`, number endings in `people`, faults in `faults`, the order of complaints in `checks`.
"""

import re
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from webapp.sandbox import faults as trouble
from webapp.sandbox.answers import Reply
from webapp.sandbox.api import Gateway
from webapp.sandbox.callbacks import Courier
from webapp.sandbox.clock import Clock
from webapp.sandbox.control import Control
from webapp.sandbox.faults import Faults
from webapp.sandbox.options import Options
from webapp.sandbox.panel import Panel
from webapp.sandbox.reading import PREFIX, read
from webapp.sandbox.sockets import Server
from webapp.sandbox.store import Store

BALANCES = {1: 100_000, 2: 100_000, 3: 10_000, 4: 50_000}  # credits in each purse of a new store
_SLASHES = re.compile(r"/{2,}")


class Sandbox(Control):
    """A gateway of one's own. Starts with `start` or `with`; `port=0` takes a free one.

    `store` is a file or ":memory:"; `balances` purses by number, where they differ from
    `BALANCES`; every further name is a switch of `Options`.
    """

    def __init__(
        self,
        port: int = 0,
        user: str = "demo",
        password: str = "demo",  # noqa: S107 - the stand-in's well-known login
        status_url: str | None = None,
        reply_url: str | None = None,
        store: str | Path = ":memory:",
        speed: float = 1.0,
        seed: int = 1,
        replies: bool = True,
        *,
        host: str = "127.0.0.1",
        balances: Mapping[int, int] | None = None,
        **switches: Any,
    ) -> None:
        options = Options(
            user, password, status_url=status_url or "", reply_url=reply_url or "", speed=speed, seed=seed,
            replies=replies, **switches,
        )  # fmt: skip
        clock = Clock()
        kept = Store(store, {**BALANCES, **(balances or {})}, clock.now)
        courier = Courier(options, kept, clock)
        faults = Faults(seed)
        super().__init__(options, kept, clock, faults, courier)
        self._server = Server((host, port), self.respond, self._rest)
        self.host, self.port = host, int(self._server.server_address[1])
        self.url = f"http://{_reachable(host)}:{self.port}{PREFIX}"
        self._store, self._courier_thread, self._fault_box = kept, courier, faults
        self._gateway = Gateway(options, kept, clock, courier.wake)
        self._panel = Panel(self)
        self._stopping = threading.Event()
        self._count_lock = threading.Lock()
        self._under_way = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Answer from now on, in threads of its own."""
        self._courier_thread.start()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, end the threads and close the store."""
        self._stopping.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.hang_up_all()
        self._server.server_close()
        self._courier_thread.stop()
        self._store.close()

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: str) -> Reply:
        """The answer to one HTTP request."""
        path, mark, query = target.partition("?")
        path = _SLASHES.sub("/", path)
        if f"{path}/".startswith(PREFIX):
            return self._call(path, path + mark + query, headers, body)
        if path == "/" or path.startswith("/_sandbox/"):
            return self._panel.respond(method, path, query, headers, body, peer)
        if path == "/favicon.ico":
            return Reply(204, b"", "image/x-icon")
        return Reply(404, b"<h1>Not Found</h1>", "text/html")

    def _call(self, path: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        request = read(target, headers, body)
        with self._count_lock:
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
            self.calls[request.name] = self.calls.get(request.name, 0) + 1
        try:
            fault = self._fault_box.next_for(request.name)
            if fault is None:
                return self._gateway.answer(request)
            return trouble.perform(fault, path, lambda keep: self._gateway.answer(request, keep), self._rest)
        finally:
            with self._count_lock:
                self._under_way -= 1

    def _rest(self, seconds: float) -> object:
        return self._stopping.wait(seconds)


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"[{host}]" if ":" in host else host


def serve(
    host: str = "127.0.0.1",
    port: int = 8900,
    ready: Callable[[Sandbox], None] | None = None,
    **how: Any,
) -> None:
    """Run a sandbox until Ctrl-C or SIGTERM; `ready` is called once it answers. `how` as for `Sandbox`."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(port, host=host, **how) as box:
            if ready is not None:
                ready(box)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

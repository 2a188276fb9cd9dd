"""A gateway that remembers every call: what was asked, by which worker, from when to when.

Workers are told apart by the name they call it by (`witness.url_for("localhost")`), as a server tells its sites.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.sandbox.answers import Reply
from webapp.sandbox.reading import read
from webapp.sandbox.server import Sandbox


@dataclass
class Call:
    """One call. Moments are `time.monotonic()`; `ended` is None while it is under way."""

    name: str
    host: str
    references: tuple[str, ...]
    began: float
    ended: float | None = None
    taken_in: bool = True


class Witness(Sandbox):
    """The sandbox, with an eye on it. `held` hosts wait for the answer to what they send, and every second of their
    calls gets lost on its way."""

    def __init__(self, **how: Any) -> None:
        self.seen: list[Call] = []
        self.held: frozenset[str] = frozenset()
        self._let_go = threading.Event()
        self._lock = threading.Lock()
        super().__init__(**how)

    def url_for(self, host: str) -> str:
        """Its address under another name of this machine."""
        return self.url.replace("127.0.0.1", host)

    def sends(self, host: str = "") -> list[Call]:
        """Calls that hand messages over, in the order of their arrival."""
        return [call for call in list(self.seen) if call.name.startswith("send-") and host in ("", call.host)]

    def under_way(self, host: str = "") -> list[Call]:
        """Those of them that have no answer yet."""
        return [call for call in self.sends(host) if call.ended is None]

    def let_go(self) -> None:
        """Nobody is held any more."""
        self.held = frozenset()
        self._let_go.set()

    def stop(self) -> None:
        """End, whoever waits."""
        self.let_go()
        super().stop()

    def _call(self, path: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        request = read(target, headers, body)
        host = headers.get("host", "").partition(":")[0]
        call = Call(request.name, host, _references(request.params), time.monotonic())
        held = request.name.startswith("send-") and host in self.held
        with self._lock:
            call.taken_in = not held or len(self.under_way(host)) % 2 == 0
            self.seen.append(call)
        try:
            reply = super()._call(path, target, headers, body) if call.taken_in else Reply(0, b"", hang_up=True)
            if held:
                self._let_go.wait(60)
            return reply
        finally:
            call.ended = time.monotonic()


def _references(params: Mapping[str, object]) -> tuple[str, ...]:
    messages = params.get("messages")
    if isinstance(messages, list):
        return tuple(str(message.get("campaign_id", "")) for message in messages if isinstance(message, dict))
    return tuple(filter(None, str(params.get("campaign_id", "")).split(",")))

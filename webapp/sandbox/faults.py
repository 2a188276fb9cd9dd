"""Faults that a test, a trainer or the demo switches on: what goes wrong, at which call, how often.

| kind | what the caller meets | taken in before it goes wrong |
|---|---|---|
| `drop` | the connection closes without an answer | no |
| `lost` | the same | yes |
| `cut`, `torn` | half of the JSON; in `torn` the promised length never comes and the connection closes | yes |
| `html` | a page instead of JSON, with `status` (200) | as `after` says (no) |
| `http` | an error page with `status` (500) | as `after` says (no) |
| `empty` | a body of no bytes | yes |
| `noise` | a byte order mark and a notice before the JSON | yes |
| `slow` | the answer comes after `seconds`; `after` false: the call is only then processed | as `after` says (yes) |
| `trickle` | the answer comes in drops over `seconds` | yes |
| `code` | the response `code` with `status`, or the newer guide's | as `after` says (no) |
| `redirect` | 302 to the same address | no |
| `partial` | of a batch only the first `share` (0.5) is taken in, and only it is answered | that share |
| `partial-lost` | of a batch only the first `share` is taken in, and nothing is answered | that share |
| `fewer` | a batch taken in whole, whose answer lists one item less | yes |

`path` is the name of a call, `send` (both), `look-up` (the other five) or `*`. `times` is how many calls it hits (none:
until cleared), `chance` with which probability each. The first fault that fits is the one that happens.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock

from webapp.gateway.codes import RESPONSES
from webapp.sandbox.answers import Reply, dump, envelope
from webapp.sandbox.api import CALLS
from webapp.sandbox.options import known_code

KINDS = (
    "drop", "lost", "cut", "torn", "html", "http", "empty", "noise", "slow", "trickle", "code", "redirect", "partial",
    "partial-lost", "fewer",
)  # fmt: skip
PATHS = ("*", "send", "look-up", *CALLS)
_NOISE = b"\xef\xbb\xbf<br />\n<b>Notice</b>:  Undefined index: caption in <b>/var/www/rest.php</b> on line <b>81</b>\n"
_PAGE = (
    "<html>\r\n<head><title>{status} {words}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {words}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_WORDS = {200: "Manutenção", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


@dataclass
class Fault:
    """One fault that is switched on; ValueError with a sentence where it makes no sense."""

    kind: str
    path: str = "*"
    times: int | None = None
    chance: float = 1.0
    seconds: float = 1.0
    status: int = 0
    code: str = ""
    after: bool | None = None
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if self.path not in PATHS:
            raise ValueError(f"path must be one of {', '.join(PATHS)}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1")
        if not 0 < self.chance <= 1 or not 0 <= self.share <= 1:
            raise ValueError("chance and share must lie between 0 and 1")
        if not 0 <= self.seconds <= 3600 or not (self.status == 0 or 200 <= self.status <= 599):
            raise ValueError("seconds must lie between 0 and 3600, and status must be an HTTP status")
        if self.kind == "code":
            known_code(self.code)
        if self.after is None:
            self.after = self.kind == "slow"

    def fits(self, call: str) -> bool:
        """Whether it concerns a call."""
        group = "send" if call.startswith("send-") else "look-up"
        return self.path in ("*", call, group)


class Faults:
    """The faults that are switched on, in their order. Thread-safe."""

    def __init__(self, seed: int) -> None:
        self._lock = Lock()
        self._dice = random.Random(seed)
        self._on: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switch one more on."""
        with self._lock:
            self._on.append(fault)

    def clear(self) -> None:
        """Switch all off."""
        with self._lock:
            self._on.clear()

    def shown(self) -> list[dict[str, object]]:
        """What is switched on, with the times that are left."""
        with self._lock:
            return [asdict(fault) for fault in self._on]

    def next_for(self, call: str) -> Fault | None:
        """The fault that hits this call, counted as used."""
        with self._lock:
            for fault in self._on:
                if fault.fits(call) and (fault.chance == 1 or self._dice.random() < fault.chance):
                    if fault.times is not None:
                        fault.times -= 1
                        if not fault.times:
                            self._on.remove(fault)
                    return fault
        return None


def perform(fault: Fault, target: str, process: Callable[[float], Reply], wait: Callable[[float], object]) -> Reply:
    """Let a fault happen to a call. `process` takes the share of a batch that is taken in."""
    kind = fault.kind
    if kind == "drop":
        return Reply(0, b"", hang_up=True)
    if kind in ("html", "http", "code", "redirect"):
        if fault.after:
            process(1.0)
        return _instead(fault, target)
    if kind == "slow" and not fault.after:
        wait(fault.seconds)
    reply = process(fault.share if kind.startswith("partial") else 1.0)
    if kind == "slow" and fault.after:
        wait(fault.seconds)
    return _spoiled(fault, reply)


def _instead(fault: Fault, target: str) -> Reply:
    if fault.kind == "redirect":
        return Reply(fault.status or 302, b"", "text/html", {"Location": target})
    if fault.kind == "code":
        body = dump(envelope(fault.code, {"credit": "0", "balance": "0"} if fault.code == "080" else None))
        return Reply(fault.status or RESPONSES[fault.code].http_2026, body)
    status = fault.status or (200 if fault.kind == "html" else 500)
    page = _PAGE.format(status=status, words=_WORDS.get(status, "Error"))
    return Reply(status, page.encode(), "text/html; charset=utf-8")


def _spoiled(fault: Fault, reply: Reply) -> Reply:
    if fault.kind in ("lost", "partial-lost"):
        reply.hang_up = True
    elif fault.kind == "cut":
        reply.body = reply.body[: len(reply.body) // 2]
    elif fault.kind == "torn":
        reply.torn = True
    elif fault.kind == "empty":
        reply.body = b""
    elif fault.kind == "noise":
        reply.body = _NOISE + reply.body
    elif fault.kind == "trickle":
        reply.trickle = fault.seconds
    elif fault.kind == "fewer":
        data = json.loads(reply.body)
        if isinstance(data, dict) and isinstance(data.get("messages"), list):
            data["messages"].pop()
        reply.body = dump(data)
    return reply

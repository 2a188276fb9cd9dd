"""Processes that belong together: children end with their parent, even when it is killed, and are started again.

Linux has the kernel send a signal when the parent ends; elsewhere a thread looks whether the parent is still there. The
signal comes when the parent's *thread* that started the child ends, so children are started from the main thread only.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)
PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5  # between two looks at the parent or the children
LIVED_SECONDS = 60.0  # a child that lived so long is started again at once
LONGEST_REST = 30.0  # seconds between two starts of a child that dies again and again
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortTaken(Exception):
    """Somebody listens there already, or the address is not ours; the text is one sentence."""


def die_with_parent(parent: int) -> None:
    """Have this process killed when the process `parent`, which started it, ends in any way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def wait_for_release() -> None:
    """What a held child does before its work; it ends where its parent did."""
    if not sys.stdin.readline():
        sys.exit(1)


def free_address(host: str, port: int) -> str:
    """The numeric address of `host`, after making sure that `port` can be listened on. Raises PortTaken."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PortTaken(f"Port {port} of {host} cannot be used: {error.strerror or error}.") from None
    return str(address[0])


@contextlib.contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM or SIGHUP sets; a second signal ends the process at once."""
    ended = threading.Event()

    def handle(number: int, _frame: object) -> None:
        if ended.is_set():
            os._exit(128 + number)
        ended.set()

    before = {number: signal.signal(number, handle) for number in ENDING}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Child:
    """One process of ours and how often it has died young."""

    name: str
    arguments: list[str]
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    died_young: int = 0


@dataclass(slots=True)
class Family:
    """Children that run `recado …`, each started again when it dies; `stop` ends them, the last started first."""

    grace: float = 10.0  # seconds from asking a child to end until it is killed
    output: int | None = None  # file number that children write to; None: where we write
    children: list[Child] = field(default_factory=list)

    def add(
        self, name: str, arguments: Sequence[str], environ: Mapping[str, str] | None = None, *, held: bool = False
    ) -> Child:
        """Start one more child with these arguments of `recado`, in our own environment where `environ` names none.

        A `held` one gets ready and waits for `release`: what it needs is not there yet.
        """
        child = Child(
            name, [*arguments, "--parent", str(os.getpid())], dict(os.environ if environ is None else environ)
        )
        self.children.append(child)
        self._start(child, held=held)
        return child

    def release(self) -> None:
        """Let go whoever is held."""
        for child in self.children:
            if child.process is not None and child.process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), child.process.stdin as line:
                    line.write(b"go\n")

    def look_after(self, ended: threading.Event) -> None:
        """Start again whoever dies, until `ended` is set."""
        while not ended.wait(LOOK_SECONDS):
            for child in self.children:
                self._look(child)

    def stop(self) -> None:
        """Ask every child to end, and kill who does not."""
        for child in reversed(self.children):
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
        deadline = time.monotonic() + self.grace
        for child in reversed(self.children):
            self._wait(child, max(0.1, deadline - time.monotonic()))

    def _start(self, child: Child, *, held: bool = False) -> None:
        child.started_at = time.monotonic()
        # a group of its own: Ctrl-C reaches us alone, and we end the children in order
        child.process = subprocess.Popen(
            [sys.executable, "-m", "webapp.cli", *child.arguments, *(["--held"] if held else [])],
            env=child.environ,
            stdin=subprocess.PIPE if held else subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            process_group=0,
        )

    def _look(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            child.died_young = 0 if now - child.started_at > LIVED_SECONDS else child.died_young + 1
            rest = min(LONGEST_REST, 2.0 ** (child.died_young - 1)) if child.died_young else 0.0
            log.error("process died; it is started again", process=child.name, status=code, rest_seconds=rest)
            child.process, child.start_at = None, now + rest
        if now >= child.start_at:
            self._start(child)

    @staticmethod
    def _wait(child: Child, seconds: float) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.error("process did not end and is killed", process=child.name)
            child.process.kill()
            child.process.wait()

"""Processes of `recado …` by the dozen: one interpreter loads the program once, and forks whoever is asked for.

Starting an interpreter and loading everything takes longer than most of what is tested. What runs in the children is
the command itself; they can be killed like any process, and end with the nursery, which ends with the tests.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType

import psutil

from webapp.processes import die_with_parent

PATIENCE = 10.0  # seconds for a process to end


@dataclass(frozen=True)
class Child:
    """One `recado …` that runs, or ran."""

    process: psutil.Process
    log: Path

    @property
    def running(self) -> bool:
        """Whether it still does anything."""
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up, as when the power fails."""
        with suppress(psutil.NoSuchProcess):
            self.process.kill()

    def end(self) -> None:
        """As a supervisor ends it."""
        with suppress(psutil.NoSuchProcess):
            self.process.terminate()
        psutil.wait_procs([self.process], PATIENCE)

    def family(self) -> list[psutil.Process]:
        """It and everybody it has started."""
        return [self.process, *self.process.children(recursive=True)]


class Nursery:
    """Starts children of `recado`; all of them are gone at the end of the block."""

    def __init__(self) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        family = psutil.Process(self._mother.pid).children(recursive=True)
        self._mother.kill()
        self._mother.communicate()
        psutil.wait_procs(family, PATIENCE)

    def start(self, *arguments: str, environment: Mapping[str, str], log: Path, prelude: str = "") -> Child:
        """Run a command with these settings and no others. `prelude` is Python that the child executes first."""
        assert self._mother.stdin is not None and self._mother.stdout is not None
        told = {"arguments": arguments, "environment": dict(environment), "log": str(log), "prelude": prelude}
        self._mother.stdin.write(json.dumps(told) + "\n")
        return Child(psutil.Process(int(self._mother.stdout.readline())), log)


def _run(told: dict[str, object], mother: int) -> None:
    from webapp.cli import main

    die_with_parent(mother)
    for name in [name for name in os.environ if name.startswith("RECADO_")]:
        del os.environ[name]
    os.environ.update(told["environment"])  # type: ignore[call-overload]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    log = os.open(str(told["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, log, log)):
        os.dup2(source, number)
    exec(str(told["prelude"]), {})
    main(told["arguments"])


def serve() -> None:
    """The nursery's own process: one line of JSON for each child, one process id as the answer."""
    from webapp.cli import PARTS

    for part in PARTS:
        import_module(f"webapp.cli.{part}")  # once, for all

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    mother = os.getpid()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _run(json.loads(line), mother)
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 1
            finally:
                os._exit(status)
        print(child, flush=True)


if __name__ == "__main__":
    serve()

"""Where a worker is killed: at a chosen moment of its work, by itself, with SIGKILL; nothing gets to clean up.

A worker of these tests is the real one (`serve.worker`), forked from a process that has imported everything, so a
thousand of them start in a thousand blinks. Before it begins, one function of the product is wrapped: the process ends
when it is reached.
"""

import importlib
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from webapp import serve
from webapp.campaigns import launch, leases
from webapp.core import clock, logs
from webapp.core.settings import Settings
from webapp.processes import die_with_parent


@dataclass(frozen=True, slots=True)
class Point:
    """`target` is `module:name` (or `module:Class.name`); the end comes `before` it runs or after."""

    name: str
    target: str
    before: bool


POINTS = (
    Point("before the claim", "webapp.messages.sending:claim", before=True),
    Point("in the claim, before it is committed", "webapp.messages.sending:claim", before=False),
    Point("after the claim", "webapp.messages.sending:prepare", before=True),
    Point("before the call", "webapp.messages.sending:call", before=True),
    Point("after the answer, before the record", "webapp.messages.sending:call", before=False),
    Point("in the record, before it is committed", "webapp.messages.record:answered", before=False),
    Point("before a look-up", "webapp.messages.reconcile:_control", before=True),
    Point("after a look-up, before its conclusion", "webapp.gateway.client:Gateway.look_up", before=False),
    Point("in the conclusion, before it is committed", "webapp.messages.reconcile:_conclude", before=False),
    Point("in a sweep that found a lost sender", "webapp.messages.sweep:leases_that_ran_out", before=False),
    Point("while the audience is being fixed", "webapp.campaigns.launch:SpoolWriter.publish", before=True),
    Point("when the audience is fixed", "webapp.campaigns.launch:SpoolWriter.publish", before=False),
    Point("in a chunk of a launch, before it is committed", "webapp.messages.outbox:write_chunk", before=False),
    Point("before a launch begins to send", "webapp.campaigns.launch:_finish", before=True),
    Point("after a launch, before its files are gone", "webapp.campaigns.launch:_finish", before=False),
)
AT_RANDOM = Point("at random", "", before=False)
IN_THE_CALL = Point("during the call", "", before=False)


def die() -> None:
    """The end, now."""
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(target: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, around(getattr(owner, name)))


def _set(point: Point, nth: int) -> None:
    left = [nth]
    lock = threading.Lock()

    def reached(result: object) -> None:
        if point.name.startswith("in a sweep") and not result:
            return  # the sweep found nothing
        with lock:
            left[0] -= 1
            if left[0] == 0:
                die()

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if point.before:
                reached(None)
            result = function(*args, **options)
            if not point.before:
                reached(result)
            return result

        return wrapped

    _wrap(point.target, around)


def _set_in_call(dice: random.Random) -> None:
    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            threading.Timer(dice.uniform(0, 0.1), die).start()
            return function(*args, **options)

        return wrapped

    _wrap("webapp.messages.sending:call", around)


def run_worker(settings: Settings, parent: int, point: Point | None, seed: int, shift: timedelta) -> None:
    """The whole life of a worker that is to die at `point`; `shift` is how far this machine's clock is off."""
    die_with_parent(parent)
    dice = random.Random(seed)
    leases.LEASE = timedelta(seconds=5)  # nobody wants to wait a minute for each killed launch
    launch.LEASE = leases.LEASE
    if point is None:
        pass
    elif point.name == AT_RANDOM.name:
        threading.Timer(dice.uniform(0, 1.5), die).start()
    elif point.name == IN_THE_CALL.name:
        _set_in_call(dice)
    else:
        _set(point, dice.choice((1, 1, 2, 3)))
    logs.configure()
    with clock.shifted(shift):
        serve.worker(settings)

"""Where a process is killed: at a chosen moment of its work, by itself, with SIGKILL; nothing gets to clean up.

Before it begins, one function of the product is wrapped: the process ends when that is reached.
"""

import importlib
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webapp.campaigns.jobs import LAUNCH


class Need(Enum):
    """What has to be there for a point to be reached: as long as somebody waits for it, the arena sees to it."""

    WORK = "batches that may leave"
    LAUNCH = "a campaign that is being launched"
    DOUBT = "a batch of unknown outcome"
    LOSS = "a batch whose sender died"


@dataclass(frozen=True, slots=True)
class Point:
    """`target` is `module:name` (or `module:Class.name`); the end comes `before` it runs or after."""

    name: str
    target: str
    before: bool
    need: Need = Need.WORK
    job: str = ""  # counts only where this is among the arguments
    finds: bool = False  # counts only where the function found something
    loses: bool = False  # whoever dies there leaves a batch in hand
    times: tuple[int, ...] = (1, 1, 2, 3)  # the how manieth time it is the end; one of them is drawn


POINTS = (
    Point("before the claim", "webapp.messages.sending:claim", before=True),
    Point("in the claim, before it is committed", "webapp.messages.sending:claim", before=False, finds=True),
    Point("after the claim", "webapp.messages.sending:prepare", before=True, loses=True),
    Point("before the call", "webapp.messages.sending:call", before=True, loses=True),
    Point("after the answer, before the record", "webapp.messages.sending:call", before=False, loses=True),
    Point("in the record, before it is committed", "webapp.messages.record:answered", before=False, loses=True),
    Point("before a look-up", "webapp.messages.reconcile:_control", before=True, need=Need.DOUBT),
    Point(
        "after a look-up, before its conclusion", "webapp.gateway.client:Gateway.look_up", before=False,
        need=Need.DOUBT,
    ),
    Point(
        "in the conclusion, before it is committed", "webapp.messages.reconcile:_conclude", before=False,
        need=Need.DOUBT,
    ),
    Point(
        "in a sweep that found a lost sender", "webapp.messages.sweep:leases_that_ran_out", before=False,
        need=Need.LOSS, finds=True, times=(1,),
    ),
    Point(
        "while the audience is being fixed", "webapp.campaigns.launch:SpoolWriter.publish", before=True,
        need=Need.LAUNCH, times=(1,),
    ),
    Point(
        "when the audience is fixed", "webapp.campaigns.launch:SpoolWriter.publish", before=False,
        need=Need.LAUNCH, times=(1,),
    ),
    Point(
        "in a chunk of a launch, before it is committed", "webapp.messages.outbox:write_chunk", before=False,
        need=Need.LAUNCH, times=(1, 2),
    ),
    Point(
        "before a launch begins to send", "webapp.campaigns.launch:_finish", before=True,
        need=Need.LAUNCH, times=(1,),
    ),
    Point(
        "after a launch, before its files are gone", "webapp.campaigns.launch:_finish", before=False,
        need=Need.LAUNCH, times=(1,),
    ),
)  # fmt: skip
WEB_POINTS = (
    Point(
        "in a click, before it is committed", "webapp.campaigns.launch:launch", before=False,
        need=Need.LAUNCH, times=(1,),
    ),
    Point(
        "after a click's commit, before its job is started", "webapp.core.jobs:Jobs.start", before=True,
        need=Need.LAUNCH, job=LAUNCH, times=(1,),
    ),
    Point(
        "after a click's job is started, before the answer", "webapp.core.jobs:Jobs.start", before=False,
        need=Need.LAUNCH, job=LAUNCH, times=(1,),
    ),
    Point("before a callback is read", "webapp.messages.hooks:Callbacks._take", before=True, times=(1, 10, 30)),
    Point(
        "in a group of callbacks, before it is committed", "webapp.messages.receipts:apply", before=False,
        times=(1, 3, 10),
    ),
    Point(
        "after the commit of a group of callbacks, before the answers",
        "webapp.messages.hooks:GroupCommit._commit", before=False, times=(1, 3, 10),
    ),
)  # fmt: skip
AT_RANDOM = Point("at random", "", before=False)
IN_THE_CALL = Point("during the call", "webapp.messages.sending:call", before=True, loses=True)


def die() -> None:
    """The end, now."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_within(dice: random.Random, seconds: float) -> None:
    """The end, at some moment of the next seconds."""
    threading.Timer(dice.uniform(0, seconds), die).start()


def set_point(point: Point, dice: random.Random) -> None:
    """From now on this process dies at that point."""
    if point == IN_THE_CALL:
        _wrap(point, lambda: die_within(dice, 0.1))
    elif point != AT_RANDOM:
        _wrap(point, _countdown(dice.choice(point.times)))


def _countdown(times: int) -> Callable[[], None]:
    left = [times]
    lock = threading.Lock()

    def reached() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                die()

    return reached


def _wrap(point: Point, reached: Callable[[], None]) -> None:
    module, _, path = point.target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    function = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        counts = not point.job or point.job in args
        if counts and point.before:
            reached()
        result = function(*args, **options)
        if counts and not point.before and (result or not point.finds):
            reached()
        return result

    setattr(owner, name, wrapped)

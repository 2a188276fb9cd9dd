"""What a bad day at the gateway is like: answers lost, cut, turned into HTML and 5xx, or too late."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from webapp.sandbox.server import Sandbox

Fault = tuple[str, dict[str, Any]]
SENDS: tuple[Fault, ...] = (
    ("lost", {}),
    ("cut", {}),
    ("torn", {}),
    ("empty", {}),
    ("partial", {}),
    ("partial-lost", {}),
    ("fewer", {}),
    ("drop", {}),
    ("html", {"after": True}),
    ("html", {"after": False}),
    ("http", {"after": True, "status": 502}),
    ("http", {"after": False, "status": 500}),
    ("code", {"code": "110", "after": True}),
    ("code", {"code": "110", "after": False}),
    ("code", {"code": "100"}),
    ("slow", {"seconds": 3.0}),  # beyond the whole call's time
)
LOOK_UPS: tuple[Fault, ...] = (("html", {}), ("http", {"status": 503}), ("lost", {}), ("cut", {}))


@dataclass
class Weather:
    """The gateway's bad days."""

    box: Sandbox
    dice: random.Random
    announced: int = 0  # answers to what is sent that were to be lost

    def turn(self) -> None:
        """With the next calls something may go wrong."""
        waiting = Counter(str(fault["path"]) for fault in self.box.faults())
        if waiting["send-multiple"] < 2 and self.dice.random() < 0.8:
            self.lose(*self.dice.choice(SENDS))
        for call, chance in (("mt_id", 0.3), ("mt_date", 0.2)):
            if not waiting[call] and self.dice.random() < chance:
                kind, how = self.dice.choice(LOOK_UPS)
                self.box.fault(kind, call, times=1, **how)

    def lose(self, kind: str, how: dict[str, Any]) -> None:
        """The next answer to what is sent."""
        self.announced += 1
        self.box.fault(kind, "send-multiple", times=1, **how)

    def clear_up(self) -> None:
        """Fine weather from now on."""
        self.announced = self.answers_lost
        self.box.clear_faults()

    @property
    def answers_lost(self) -> int:
        """How many were lost so far."""
        return self.announced - sum(fault["path"] == "send-multiple" for fault in self.box.faults())

"""How often the gateway is asked about statuses on a day of a million messages: `python -m tests.bench.polls`.

A day is lived through in as many rounds as it has minutes, by the code that asks, with a gateway that only counts calls
and rows. What is open of which hour follows a model: nine in ten SMS, sent from 9 to 20 h; the operator's word after 10
seconds, the handset's for most within minutes, for some within a day, for one in fifty never.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import exp
from typing import Any
from unittest.mock import patch

from tests.bench.ground import ground
from webapp.core import clock
from webapp.factory import make_services
from webapp.gateway.wire import Receipt, Receipts
from webapp.messages import hearing, hours, polling
from webapp.messages.asker import Asker
from webapp.messages.hours import Hour

SHARES = {0: 0.9, 5: 0.1}  # of the types
FROM, TO = 12, 23  # o'clock UTC: 9 to 20 in Brasília
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_ROW = Receipt("", "", None, "1", "1", None, "", "", None)


class Day:
    """A day of `messages` messages, every day for a month."""

    def __init__(self, messages: int) -> None:
        self.an_hour = messages / (TO - FROM)

    def between(self, _session: object, since: datetime, until: datetime) -> list[Hour]:
        """Stands in for `hours.between`."""
        now, found = clock.now(), []
        start = since.replace(minute=0, second=0, microsecond=0)
        while start < min(until, now):
            if FROM <= start.hour < TO:
                found += [self._hour(start, kind, now) for kind in SHARES]
            start += HOUR
        return found

    def _hour(self, start: datetime, kind: int, now: datetime) -> Hour:
        passed = min((now - start) / HOUR, 1.0)
        total = int(self.an_hour * SHARES[kind] * passed)
        age = max((now - start) / HOUR - passed / 2, 0.01)  # of its middle, in hours
        share = 0.02 + 0.80 * exp(-age * 30) + 0.10 * exp(-age) + 0.06 * exp(-age / 8)
        fresh = min(int(self.an_hour * SHARES[kind] / 360), total) if (now - start) < HOUR else 0
        return Hour(start, start + HOUR, kind, total, int(total * min(share, 1.0)), fresh)

    def rows(self, start: datetime, end: datetime, kind: int | None) -> int:
        """How many messages lie in a window."""
        share = 1.0 if kind is None else SHARES.get(kind, 0.0)
        minutes = int((min(end, clock.now()) - start) / MINUTE)
        busy = sum(FROM <= (start + n * MINUTE).hour < TO for n in range(max(minutes, 0)))
        return int(busy * self.an_hour / 60 * share)


class Counting:
    """A gateway that counts; `calls` and `rows` by the name of the call."""

    def __init__(self, day: Day) -> None:
        self.day, self.calls, self.rows = day, {"mt_date": 0, "mt_id": 0}, {"mt_date": 0, "mt_id": 0}

    def by_date(self, start: datetime, end: datetime, *, type: int | None, limit: int) -> Receipts:
        """A window with so many rows."""
        n = self.day.rows(clock.naive(start), clock.naive(end), type)
        self._count("mt_date", n)
        return Receipts([_ROW] * n, [], None)

    def look_up(self, *, references: list[str] = [], ids: list[str] = []) -> Receipts:  # noqa: B006 - never changed
        """References, all of them known."""
        self._count("mt_id", len(references))
        return Receipts([_ROW] * len(references), [], None)

    def _count(self, call: str, rows: int) -> None:
        self.calls[call] += 1
        self.rows[call] += rows


def lived(messages: int, *, callbacks: bool, days: float = 1.0) -> dict[str, Any]:
    """A day's questions, a round a minute; before it lie three days that settle the sizes and the cursors."""
    day = Day(messages)
    gateway = Counting(day)
    with _installation() as services, _model(day, callbacks):
        start = datetime(2026, 3, 4, 3)  # midnight in Brasília
        for step in range(-3 * 24 * 60, int(days * 24 * 60), 1):
            if step < 0 and step % 60:
                continue
            if step == 0:
                gateway.calls, gateway.rows = {"mt_date": 0, "mt_id": 0}, {"mt_date": 0, "mt_id": 0}
            with clock.shifted(start + step * MINUTE - clock.now()):
                polling.poll(services, gateway)  # type: ignore[arg-type]
    return {
        "calls": gateway.calls,
        "rows": gateway.rows,
        "a round": round(sum(gateway.calls.values()) / 1440 / days, 2),
    }


@contextmanager
def _installation() -> Iterator[Any]:
    with ground("sqlite") as here, here.installation() as settings:
        services = make_services(settings, immediate_jobs=True)
        yield services
        services.db.dispose()


@contextmanager
def _model(day: Day, callbacks: bool) -> Iterator[None]:
    """Nothing is applied, and what is open follows the model."""

    def open_ones(_session: object, kind: int, start: datetime, end: datetime) -> tuple[list[str], list[str]]:
        found = [each for each in day.between(None, start, end) if each.type == kind]
        part = sum(each.open * min((min(end, each.end) - max(start, each.start)) / HOUR, 1.0) for each in found)
        return ["x"] * int(part), []

    with (
        patch.object(hours, "between", day.between),
        patch.object(hearing, "comes_in", lambda *_: callbacks),
        patch("webapp.messages.openings._open", open_ones),
        patch.object(Asker, "take", lambda *_: frozenset()),
        patch("webapp.messages.asker._once", lambda rows: list(rows[:1])),
    ):
        yield


def before(messages: int) -> dict[str, Any]:
    """The same day as it was asked about before: two hours at each poll, a day at each 30th, a month once a day."""
    day, calls, rows = Day(messages), 0, 0
    start = datetime(2026, 3, 4, 3)
    for step in range(24 * 60):
        now = start + step * MINUTE
        for back, every in ((2 * HOUR, 1), (24 * HOUR, 30), (31 * 24 * HOUR, 1440)):
            if step % every:
                continue
            first = (now - back).replace(minute=0, second=0)
            with clock.shifted(now - clock.now()):
                for n in range(int((now + 5 * MINUTE - first) / HOUR) + 1):
                    at = first + n * HOUR
                    busy = FROM <= at.hour < TO
                    if every < 1440 or busy:
                        calls += 1
                        rows += day.rows(at, at + HOUR, None) if busy else 0
    return {"calls": calls, "rows": rows, "a round": round(calls / 1440, 2)}


def main() -> None:
    """Print the figures as JSON."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--messages", type=int, default=1_000_000, help="a day")
    messages = given.parse_args().messages
    told = {
        "before": before(messages),
        "callbacks come in": lived(messages, callbacks=True),
        "callbacks are silent": lived(messages, callbacks=False),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()

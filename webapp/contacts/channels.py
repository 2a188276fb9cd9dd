"""The gateway's channels in the words of people: an opt-out of SMS is three rows, and one line on a page."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from webapp.contacts.states import CHANNELS
from webapp.optouts.models import EVERY_CHANNEL, OptOut, OptOutEvent

AT_ONCE = timedelta(seconds=10)  # rows of one deed are written within it, however busy the machine


class Deed(NamedTuple):
    """An opt-out, or a change of one, and the channels that it was about; none named: all of them."""

    row: OptOut | OptOutEvent
    channels: list[str]


def covered(names: Collection[str]) -> list[str]:
    """Our channels among those of the gateway; `all` is every one."""
    every = EVERY_CHANNEL in names
    return [key for key, channel in CHANNELS.items() if every or not channel.covers.isdisjoint(names)]


def names_of(channel: str) -> list[str]:
    """The names under which a channel of ours is opted out; another name stands for itself."""
    return sorted(CHANNELS[channel].covers) if channel in CHANNELS else [channel]


def liftable(rows: Iterable[OptOut]) -> list[str]:
    """What can be lifted of a person's opt-outs: `all`, or channels of ours."""
    names = {row.channel for row in rows}
    return [EVERY_CHANNEL] * (EVERY_CHANNEL in names) + covered(names - {EVERY_CHANNEL})


def deeds(rows: Iterable[OptOut | OptOutEvent]) -> list[Deed]:
    """Rows that were written by one deed as one, in their order."""
    found: list[list[OptOut | OptOutEvent]] = []
    for row in rows:
        same = [group for group in found if _told(group[0]) == _told(row) and abs(_at(group[0]) - _at(row)) < AT_ONCE]
        if same:
            same[0].append(row)
        else:
            found.append([row])
    named = [(group[0], {row.channel for row in group}) for group in found]
    return [Deed(row, [] if EVERY_CHANNEL in names else covered(names)) for row, names in named]


def _told(row: OptOut | OptOutEvent) -> tuple[str, str, int | None]:
    return "added" if isinstance(row, OptOut) else row.change, row.reason, row.person_id


def _at(row: OptOut | OptOutEvent) -> datetime:
    return row.since if isinstance(row, OptOut) else row.at

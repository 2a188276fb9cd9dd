"""When a message may arrive, in the recipient's zone, which the area code of a Brazilian number tells.

The law fixes no hours; these are the good manners of the trade, and a complaint is dearer than a morning's wait.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import holidays

from webapp.core import clock, phone

DEFAULT_WINDOW = "mon-fri 09:00-20:00; sat 09:00-13:00"
DEFAULT_ZONE = "America/Sao_Paulo"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})").fullmatch

# Law 12.876/2013, no summer time since 2019. Two area codes lie in two zones: 97 (the west of Amazonas keeps Acre's
# time) and 81 (Fernando de Noronha is an hour ahead of Recife). Nobody can tell which from the number, so a message
# there waits until both places are open: an hour less of the day, and nobody rung out of hours.
_ZONES_OF_DDD: dict[int, tuple[str, ...]] = {
    **dict.fromkeys((65, 66), ("America/Cuiaba",)),
    67: ("America/Campo_Grande",),
    68: ("America/Rio_Branco",),
    69: ("America/Porto_Velho",),
    81: ("America/Recife", "America/Noronha"),
    92: ("America/Manaus",),
    95: ("America/Boa_Vista",),
    97: ("America/Manaus", "America/Eirunepe"),
}
_BRASILIA = ("America/Sao_Paulo",)
_LOOK_AHEAD_DAYS = 31  # longer than any run of holidays; beyond it two zones have no common hour

Span = tuple[int, int]  # minutes of the day: from, to


@dataclass(frozen=True)
class SendingWindow:
    """Opening hours by weekday (Monday first), in the recipient's zone; `week=None` is always open.

    `zone` is the installation's and serves numbers from abroad.
    """

    week: tuple[tuple[Span, ...], ...] | None
    zone: str = DEFAULT_ZONE

    @classmethod
    def parse(cls, text: str, zone: str = DEFAULT_ZONE) -> "SendingWindow":
        """Read `mon-fri 09:00-20:00; sat 09:00-13:00` or `always`; ValueError says which part is wrong and why."""
        clock.zone(zone)
        if text.strip().lower() == "always":
            return cls(None, zone)
        week: list[list[Span]] = [[] for _ in _DAYS]
        parts = [part.strip().lower() for part in text.split(";") if part.strip()]
        if not parts:
            raise ValueError("the sending window is empty: write days and hours, or 'always'")
        for part in parts:
            days, _, hours = part.partition(" ")
            spans = [_span(piece.strip(), part) for piece in hours.split(",")]
            for day in _days(days, part):
                week[day] += spans
        return cls(tuple(tuple(_merged(spans)) for spans in week), zone)

    def zones(self, place: int | None) -> tuple[str, ...]:
        """IANA zones of an area code or of a number (`None` or from abroad: the installation's)."""
        ddd = place if place is None or place < 100 else phone.ddd(place)
        if ddd is None:
            return (self.zone,)
        return _ZONES_OF_DDD.get(ddd, _BRASILIA)

    def is_open(self, moment: datetime, place: int | None) -> bool:
        """Whether a message may arrive at this aware moment at a number, or anywhere under an area code."""
        return self.next_opening(moment, place) == moment

    def next_opening(self, moment: datetime, place: int | None) -> datetime:
        """The first moment from `moment` (aware) on at which a message may arrive there, in UTC."""
        moment = moment.astimezone(UTC)
        if self.week is None:
            return moment
        zones = self.zones(place)
        candidate = moment
        limit = moment + timedelta(days=_LOOK_AHEAD_DAYS)
        while candidate < limit:
            latest = max(_opening(self, zone, candidate) for zone in zones)
            if latest == candidate:
                return candidate
            candidate = latest
        # Hours so short that two zones never share one: the zone that opens last is the safer of the two.
        return max(_opening(self, zone, moment) for zone in zones)

    def closes_at(self, moment: datetime, place: int | None) -> datetime | None:
        """When the hours that are open at `moment` end, in UTC; None = never, ValueError where it is shut."""
        if self.week is None:
            return None
        if not self.is_open(moment, place):
            raise ValueError("the window is shut at that moment")
        return min(_closing(self, zone, moment.astimezone(UTC)) for zone in self.zones(place))

    def openings_from(self, moment: datetime) -> Callable[[int], datetime]:
        """A function from numbers to their first allowed moment from `moment` on: one look-up an area code."""
        known: dict[int | None, datetime] = {}

        def opening(number: int) -> datetime:
            ddd = phone.ddd(number)
            found = known.get(ddd)
            if found is None:
                found = known[ddd] = self.next_opening(moment, ddd)
            return found

        return opening


def _days(text: str, part: str) -> list[int]:
    found: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        last = last or first
        for name in (first, last):
            if name not in _DAYS:
                raise ValueError(f"{name!r} in {part!r} is no day: use {', '.join(_DAYS)}")
        start, end = _DAYS.index(first), _DAYS.index(last)
        # "sat-mon" runs over the end of the week
        found += [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]
    return found


def _span(text: str, part: str) -> Span:
    match = _HOURS(text)
    if match is None:
        raise ValueError(f"{text!r} in {part!r} is no span of hours: write it like 09:00-20:00")
    first, first_minute, last, last_minute = (int(group) for group in match.groups())
    start, end = first * 60 + first_minute, last * 60 + last_minute
    if first_minute > 59 or last_minute > 59 or end > 24 * 60 or start >= 24 * 60:
        raise ValueError(f"{text!r} in {part!r} is no time of the day")
    if end <= start:
        raise ValueError(f"{text!r} in {part!r} ends before it begins: a window cannot cross midnight")
    return start, end


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("BR", years=year))


def is_holiday(day: date) -> bool:
    """Whether a day is a national holiday of Brazil."""
    return day in _holidays(day.year)


@lru_cache(maxsize=1024)
def _open_hours(window: SendingWindow, zone: str, start_day: date) -> tuple[list[datetime], list[datetime]]:
    """Starts and ends (UTC, ascending, touching spans joined) of the open hours from a day on, in a zone.

    Brazilian holidays count in Brazilian zones and in the installation's own: the campaign is made there.
    """
    assert window.week is not None
    tz = clock.zone(zone)
    starts: list[datetime] = []
    ends: list[datetime] = []
    for offset in range(_LOOK_AHEAD_DAYS + 2):
        day = start_day + timedelta(days=offset)
        if is_holiday(day):
            continue
        midnight = datetime.combine(day, time(), tz)
        for first, last in window.week[day.weekday()]:
            start = (midnight + timedelta(minutes=first)).astimezone(UTC)
            end = (midnight + timedelta(minutes=last)).astimezone(UTC)
            if ends and ends[-1] == start:
                ends[-1] = end
            else:
                starts.append(start)
                ends.append(end)
    return starts, ends


def _hours_around(window: SendingWindow, zone: str, moment: datetime) -> tuple[list[datetime], list[datetime], int]:
    day = moment.astimezone(clock.zone(zone)).date()
    starts, ends = _open_hours(window, zone, day - timedelta(days=1))
    return starts, ends, bisect_right(ends, moment)


def _opening(window: SendingWindow, zone: str, moment: datetime) -> datetime:
    starts, _, index = _hours_around(window, zone, moment)
    if index == len(starts):  # a window of holidays only: ask again where the look-ahead ended
        return moment + timedelta(days=_LOOK_AHEAD_DAYS)
    return max(starts[index], moment)


def _closing(window: SendingWindow, zone: str, moment: datetime) -> datetime:
    _, ends, index = _hours_around(window, zone, moment)
    return ends[index]

"""The time. Everything stored is UTC and naive (SQLite keeps no zone); everything shown has one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

GATEWAY_ZONE = timezone(timedelta(hours=-3))  # the gateway states no zone for its dates; Brasília is what is seen

# Brazil's zones by what people call them.
BRAZIL = {
    "America/Noronha": "Fernando de Noronha",
    "America/Sao_Paulo": "São Paulo, Brasília",
    "America/Bahia": "Salvador",
    "America/Fortaleza": "Fortaleza",
    "America/Recife": "Recife",
    "America/Maceio": "Maceió, Aracaju",
    "America/Belem": "Belém",
    "America/Araguaina": "Palmas",
    "America/Cuiaba": "Cuiabá",
    "America/Campo_Grande": "Campo Grande",
    "America/Manaus": "Manaus",
    "America/Porto_Velho": "Porto Velho",
    "America/Boa_Vista": "Boa Vista",
    "America/Santarem": "Santarém",
    "America/Rio_Branco": "Rio Branco",
    "America/Eirunepe": "Eirunepé",
}

_shift = timedelta(0)


def now() -> datetime:
    """This moment as naive UTC, the form in which every column holds time."""
    return datetime.now(UTC).replace(tzinfo=None) + _shift


class Stopwatch:
    """The seconds since it was made, those included in which the machine slept or stood still.

    `time.monotonic` counts no sleep, and the clock on the wall may be set back: the one that says more is believed.
    """

    def __init__(self) -> None:
        self._steady, self._wall = time.monotonic(), time.time()

    def seconds(self) -> float:
        """How long ago it was made, rather too long than too short."""
        return max(time.monotonic() - self._steady, time.time() - self._wall)


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Let this whole process live at another time: the demo lives through its past in this way, tests may too."""
    global _shift
    before, _shift = _shift, by
    try:
        yield
    finally:
        _shift = before


def naive(moment: datetime) -> datetime:
    """An aware moment as naive UTC, for a column."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime) -> datetime:
    """A column's naive UTC as an aware moment."""
    return moment.replace(tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; ValueError with the name when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone called {name!r}") from error


def place_of(name: str) -> str:
    """A zone for people, by one place in it: `America/Sao_Paulo` → `São Paulo`."""
    return BRAZIL.get(name, name.rsplit("/", 1)[-1].replace("_", " ")).partition(",")[0]


def local_to_utc(wall: datetime, zone_name: str) -> datetime:
    """A wall-clock time in a zone as an aware UTC moment.

    A time that summer time skips becomes the next valid minute; one that it doubles means the first.
    """
    tz = zone(zone_name)
    utc = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if utc.astimezone(tz).replace(tzinfo=None) == wall:
        return utc
    minute = wall.replace(second=0, microsecond=0)
    for _ in range(24 * 60):  # no zone ever skipped more than a day
        minute += timedelta(minutes=1)
        candidate = minute.replace(tzinfo=tz, fold=0).astimezone(UTC)
        if candidate.astimezone(tz).replace(tzinfo=None) == minute:
            return candidate
    return utc

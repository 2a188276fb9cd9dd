"""The moment a person asks for: a date, a time and a zone, judged and put into words."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.i18n import N_

HORIZON = timedelta(days=366)  # a year wrongly typed should not wait for ten
YEARS = range(1900, 9999)  # at the ends of the calendar there is no hour in another zone

# What summer time made of a time of the day, for the person who asked for it; `when` is the time that was taken.
SHIFTS = {
    "skipped": N_("That time does not exist on that day: summer time skips it. %(when)s was taken instead."),
    "doubled": N_("That time comes twice on that day, when summer time ends. The first one was taken."),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A wall-clock time in a zone. `utc` is aware; `shift` says what summer time did: "" or a key of `SHIFTS`."""

    utc: datetime
    zone: str
    shift: str = ""

    @property
    def wall(self) -> datetime:
        """The moment on the zone's clocks."""
        return self.utc.astimezone(clock.zone(self.zone))


def check_zone(name: str) -> str:
    """The zone's name where it exists; UserError otherwise."""
    try:
        clock.zone(name)
    except ValueError:
        raise UserError(
            "There is no time zone called %(zone)s. Choose one from the list, such as America/Sao_Paulo.",
            field="timezone",
            zone=name or "?",
        ) from None
    return name


def read(day: date, at: time, zone: str, field: str = "date") -> Moment:
    """A wall-clock time as a moment: a skipped hour becomes the next valid minute, a doubled one means the first.

    UserError for a zone that does not exist, and on `field` for a year that nobody can mean.
    """
    check_zone(zone)
    if day.year not in YEARS:
        raise UserError("There is no sending in the year %(year)s. Check the date.", field=field, year=str(day.year))
    wall = datetime.combine(day, at)
    utc = clock.local_to_utc(wall, zone)
    tz = clock.zone(zone)
    if utc.astimezone(tz).replace(tzinfo=None) != wall:
        return Moment(utc, zone, "skipped")
    first, second = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    return Moment(utc, zone, "doubled" if first != second else "")


def check_future(moment: Moment, now: datetime, field: str = "date") -> Moment:
    """The moment where it is still to come (`now` aware); UserError for the past and for beyond a year."""
    if moment.utc <= now:
        raise UserError(
            "%(when)s in %(zone)s has passed. Choose a moment that is still to come.",
            field=field,
            when=moment.wall.strftime("%d/%m/%Y %H:%M"),
            zone=clock.place_of(moment.zone),
        )
    if moment.utc > now + HORIZON:
        raise UserError(
            "%(when)s is more than a year away. Check the date.",
            field=field,
            when=moment.wall.strftime("%d/%m/%Y %H:%M"),
        )
    return moment


def offset_of(moment: datetime) -> str:
    """The offset of an aware moment from UTC, as people write it: `UTC−3`, `UTC+5:30`."""
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    sign = "−" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")

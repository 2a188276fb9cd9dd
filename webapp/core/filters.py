"""How values look on a page: numbers, moments and phone numbers in the reader's language and zone."""

from datetime import date, datetime

from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal, format_percent, format_timedelta, gettext
from markupsafe import Markup

from webapp.core import clock, phone

NOTHING = "—"


def number(value: float | None) -> str:
    """1234567 → 1.234.567; nothing → a dash."""
    return NOTHING if value is None else str(format_decimal(value))


def percent(value: float | None) -> str:
    """0.804 → 80,4%; nothing → a dash."""
    return NOTHING if value is None else str(format_percent(value, format="#,##0.#%"))


def size(count: int | None) -> str:
    """Bytes: 1288490189 → 1,3 GB; nothing → a dash."""
    if count is None:
        return NOTHING
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{format_decimal(round(amount, 1 if amount < 100 else 0))} {units[0]}"


def when(value: datetime | None, form: str = "dd/MM/yyyy HH:mm") -> Markup | str:
    """A column's moment as a `<time>` in the reader's zone; nothing → a dash."""
    if value is None:
        return NOTHING
    moment = clock.aware(value) if value.tzinfo is None else value
    shown = format_datetime(moment, form)
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), shown)


def credits(value: float | None) -> str:
    """Credits of one message: 1.0934 → 1,09; nothing → a dash."""
    return NOTHING if value is None else str(format_decimal(value, format="#,##0.##"))


def day(value: date | None, form: str = "dd/MM/yyyy") -> str:
    """A calendar date; nothing → a dash."""
    return NOTHING if value is None else str(format_date(value, form))


def ago(value: datetime | None) -> Markup | str:
    """'3 minutes ago', with the exact moment in `datetime` for the page's script and for those who hover."""
    if value is None:
        return NOTHING
    moment = clock.aware(value) if value.tzinfo is None else value
    seconds = clock.aware(clock.now()) - moment
    words = gettext("just now") if abs(seconds.total_seconds()) < 5 else format_timedelta(-seconds, add_direction=True)
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        moment.isoformat(timespec="seconds"), format_datetime(moment, "dd/MM/yyyy HH:mm:ss"), words
    )


def shown(value: int) -> str:
    """A phone number in full; of a person who was erased nothing is left but the word."""
    return phone.display(value) if value > 0 else gettext("erased")


def masked(value: int) -> str:
    """A phone number for lists: area code and last digits."""
    return phone.mask(value) if value > 0 else gettext("erased")


def init_app(app: Flask) -> None:
    """Register the filters by their names."""
    app.jinja_env.filters.update(
        number=number,
        percent=percent,
        credits=credits,
        size=size,
        when=when,
        day=day,
        ago=ago,
        phone=shown,
        masked=masked,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["now"] = clock.now

"""Saying typed warnings in the reader's language: numbers, days and moments as that language writes them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from flask_babel import format_date, format_datetime, format_decimal, gettext

from webapp.core import clock
from webapp.credits.alerts import Word


def say(msgid: str, values: Mapping[str, Any] | None = None) -> str:
    """A msgid with its values, every value in the reader's own way of writing it."""
    if not values:
        return str(gettext(msgid))
    return str(gettext(msgid, **{name: _said(value) for name, value in values.items()}))


def _said(value: Any) -> Any:
    if isinstance(value, Word):
        return gettext(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return format_decimal(value)
    if isinstance(value, datetime):
        return format_datetime(clock.aware(value), "dd/MM/yyyy HH:mm")
    if isinstance(value, date):
        return format_date(value, "dd/MM/yyyy")
    return value


def duration(seconds: float) -> str:
    """A stretch of time at a glance: 42 s, 3 min, 1 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"

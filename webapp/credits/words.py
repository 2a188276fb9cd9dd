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

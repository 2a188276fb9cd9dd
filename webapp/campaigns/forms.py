"""Forms of the four steps. What they cannot know by themselves (lists, fields, credits) the services check."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any

from flask import request
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    DateField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import AnyOf, InputRequired, Length, Optional

from webapp.accounts.forms import zone_choices
from webapp.campaigns import conditions
from webapp.campaigns.conditions import Condition
from webapp.campaigns.models import Campaign
from webapp.campaigns.schedule import Moment, read
from webapp.campaigns.service import MOST_NAME, ScheduleInput, rest_of
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.text import fold, tidy
from webapp.credits.words import say
from webapp.gateway.codes import Dialect


def show_fault(form: FlaskForm, error: UserError) -> None:
    """Put a service's refusal where the form shows it, its numbers as the reader writes them."""
    text = say(error.msgid, error.values)
    field = form[error.field] if error.field and error.field in form else None
    if field is None:
        form.form_errors.append(text)
    else:
        field.errors = [*field.errors, text]


class AudienceForm(FlaskForm):  # type: ignore[misc]
    """A name, lists in their order, excluded lists; the conditions are parallel inputs, read by `filters`."""

    name = StringField(
        lazy_gettext("Name of the campaign"),
        [InputRequired(lazy_gettext("Give the campaign a name, so that you find it again.")), Length(max=MOST_NAME)],
    )
    lists = SelectMultipleField(lazy_gettext("Lists"), coerce=int, validate_choice=False)
    excluded = SelectMultipleField(lazy_gettext("Except people in"), coerce=int, validate_choice=False)
    filters = StringField(lazy_gettext("Conditions"))  # holds only what is wrong with them
    rest_days = StringField(lazy_gettext("Leave out who got a campaign in the last days"), [Optional()])

    @staticmethod
    def conditions() -> list[Condition]:
        """The conditions as typed; rows without a field are no conditions."""
        names, ops = request.form.getlist("filter_field"), request.form.getlist("filter_op")
        values = request.form.getlist("filter_value")
        rows = zip(names, ops, values, strict=False)
        return [
            Condition(fold(name), op if op in conditions.OPERATORS else "is", tidy(value).strip()[:200])
            for name, op, value in rows
            if name.strip()
        ]

    def rest(self) -> int:
        """The days of rest as typed; UserError where they make no sense."""
        return rest_of(self.rest_days.data or "")


def moved_up(lists: Sequence[int], list_id: int | None) -> list[int]:
    """The order with one list a place earlier."""
    order = list(dict.fromkeys(lists))
    if list_id in order and (place := order.index(list_id)) > 0:
        order[place - 1], order[place] = order[place], order[place - 1]
    return order


class MessageForm(FlaskForm):  # type: ignore[misc]
    """Kind of message, its text or its file, and what to do about accents."""

    type = RadioField(lazy_gettext("Kind of message"), coerce=int)
    text = TextAreaField(lazy_gettext("Message"))
    file = FileField(lazy_gettext("File"))
    media_url = StringField(lazy_gettext("Or the address of a file"))
    caption = TextAreaField(lazy_gettext("Caption"))
    accents = BooleanField(lazy_gettext("Exchange accents where that costs less"))

    @classmethod
    def of(cls, campaign: Campaign, dialect: Dialect) -> "MessageForm":
        """The form with what the campaign has."""
        form = cls(
            type=campaign.type, text=campaign.text, media_url=campaign.media_url or "", caption=campaign.caption,
            accents=campaign.accents == "save",
        )  # fmt: skip
        form.type.choices = [(row.type, row.label) for row in dialect.types.values()]
        return form


class ScheduleForm(FlaskForm):  # type: ignore[misc]
    """Now or at a date, time and zone; who holds it until then; how long it is worth sending."""

    mode = StringField(lazy_gettext("When"), [AnyOf(("now", "at"))])
    date = DateField(lazy_gettext("Date"), [Optional()])
    time = TimeField(lazy_gettext("Time"), [Optional()])
    timezone = SelectField(lazy_gettext("Time zone"), validate_choice=False)
    handover = StringField(lazy_gettext("Until then"), [AnyOf(("held", "now"))])
    valid_date = DateField(lazy_gettext("Valid until"), [Optional()])
    valid_time = TimeField(lazy_gettext("Time"), [Optional()])
    canary = BooleanField(lazy_gettext("Try a few first"))
    ignores_window = BooleanField(lazy_gettext("Send outside the sending window"))

    @classmethod
    def of(cls, campaign: Campaign) -> "ScheduleForm":
        """The form with what the campaign has."""
        zone = clock.zone(campaign.timezone)
        at = clock.aware(campaign.send_at).astimezone(zone) if campaign.send_at else None
        until = clock.aware(campaign.valid_until).astimezone(zone) if campaign.valid_until else None
        form = cls(
            mode="at" if at else "now", date=at.date() if at else None, time=at.time() if at else None,
            timezone=campaign.timezone, handover=campaign.handover, valid_date=until.date() if until else None,
            valid_time=until.time() if until else None, canary=campaign.canary,
            ignores_window=campaign.ignores_window,
        )  # fmt: skip
        form.timezone.choices = zone_choices(campaign.timezone)
        return form

    def moment(self) -> Moment | None:
        """The moment asked for, None for "now"; UserError where date, time or zone are missing or make no sense."""
        if self.mode.data != "at":
            return None
        if self.date.data is None or self.time.data is None:
            raise UserError("Choose the date and the time.", field="date" if self.date.data is None else "time")
        return read(self.date.data, self.time.data, self.timezone.data or "")

    def input(self, *, may_override: bool) -> ScheduleInput:
        """What the service takes; UserError as in `moment`."""
        until: Moment | None = None
        if self.valid_date.data is not None:
            at = self.valid_time.data or time(23, 59)
            until = read(self.valid_date.data, at, self.timezone.data or "", field="valid_date")
        return ScheduleInput(
            self.moment(), self.timezone.data or "", self.handover.data or "held", until, bool(self.canary.data),
            may_override and bool(self.ignores_window.data),
        )  # fmt: skip


class TestForm(FlaskForm):  # type: ignore[misc]
    """A phone for a test message."""

    number = StringField(lazy_gettext("Your mobile number"), [InputRequired(lazy_gettext("Write a mobile number."))])


def digits(text: Any) -> str:
    """The digits of what somebody typed as a number: `1.203` → `1203`."""
    return "".join(c for c in str(text or "") if c.isdigit())


def today(zone: str) -> date:
    """The date on a zone's clocks."""
    return clock.aware(clock.now()).astimezone(clock.zone(zone)).date()

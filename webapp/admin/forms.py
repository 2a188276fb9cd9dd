"""Forms of the administration pages."""

from datetime import date, datetime, time, timedelta

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import DateField, EmailField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, Length, Optional

from webapp.accounts.permissions import ROLES
from webapp.admin.queries import TrailFilter
from webapp.core import clock

OFFSETS = ("-05:00", "-04:00", "-03:00", "-02:00", "+00:00")


def role_choices() -> list[tuple[str, str]]:
    """Roles in the language of the page, the one with the least rights first."""
    return [(role, gettext(ROLES[role])) for role in ("support", "marketing", "admin")]


class InviteForm(FlaskForm):  # type: ignore[misc]
    """Somebody new."""

    email = EmailField(lazy_gettext("E-mail"), [DataRequired(lazy_gettext("Write the e-mail address."))])
    name = StringField(lazy_gettext("Name"), [Optional(), Length(max=120)])
    role = SelectField(lazy_gettext("Role"))


class RoleForm(FlaskForm):  # type: ignore[misc]
    """Another role."""

    role = SelectField(lazy_gettext("Role"))


class AccountForm(FlaskForm):  # type: ignore[misc]
    """The gateway account. The password is only ever written: an empty field keeps the one there is."""

    url = StringField(lazy_gettext("Address"), [Optional(), Length(max=300)])
    user = StringField(lazy_gettext("User"), [Optional(), Length(max=200)])
    password = PasswordField(lazy_gettext("Password"), [Optional(), Length(max=200)])
    dates_zone = SelectField(lazy_gettext("Zone of the gateway's dates"))

    def fill_choices(self, present: str) -> None:
        """The offsets of Brazil's zones and UTC, and the present one in any case."""
        offsets = OFFSETS if present in OFFSETS else (present, *OFFSETS)
        names = {"-03:00": gettext("Brasília (-03:00)"), "+00:00": gettext("UTC (+00:00)")}
        self.dates_zone.choices = [(each, names.get(each, each)) for each in offsets]


class TrailForm(FlaskForm):  # type: ignore[misc]
    """Filters of the audit trail, in the address."""

    class Meta:
        csrf = False  # it only reads

    who = SelectField(lazy_gettext("Who"), [Optional()], validate_choice=False)
    action = SelectField(lazy_gettext("What"), [Optional()], validate_choice=False)
    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("Until"), [Optional()])

    def wanted(self, zone: str) -> TrailFilter:
        """The filter; days are those of the reader's zone, the last one included."""
        return TrailFilter(
            who=str(self.who.data or "")[:254],
            action=str(self.action.data or "")[:60],
            since=_start_of(self.since.data, zone),
            until=_start_of(self.until.data, zone, days=1),
        )


def _start_of(day: date | None, zone: str, days: int = 0) -> datetime | None:
    if day is None or not 1970 <= day.year <= 9000:
        return None
    return clock.naive(clock.local_to_utc(datetime.combine(day + timedelta(days=days), time()), zone))


class FindForm(FlaskForm):  # type: ignore[misc]
    """The number of a person who asks what is held of them."""

    number = StringField(
        lazy_gettext("Phone number"), [DataRequired(lazy_gettext("Write the number.")), Length(max=40)]
    )


class EraseForm(FlaskForm):  # type: ignore[misc]
    """Why a person is erased, and that it is this one."""

    reason = StringField(
        lazy_gettext("Reason"),
        [DataRequired(lazy_gettext("Write why: the day and the way of the request, or its number.")), Length(max=300)],
    )
    digits = StringField(
        lazy_gettext("Last four digits of the number"), [DataRequired(lazy_gettext("Write the last four digits."))]
    )


class LiftErasedForm(FlaskForm):  # type: ignore[misc]
    """Why a number may be taken in again."""

    reason = StringField(
        lazy_gettext("Why is this number accepted again?"),
        [DataRequired(lazy_gettext("Write why.")), Length(max=300)],
    )

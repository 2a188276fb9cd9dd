"""Forms of signing in, one-time links and one's own settings."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, EqualTo, InputRequired, Length

from webapp.accounts.passwords import MAXIMUM, MINIMUM
from webapp.accounts.service import UNDO_CHOICES
from webapp.core.clock import BRAZIL
from webapp.core.errors import UserError
from webapp.core.i18n import LOCALES

# Brazil's zones from east to west, each by the places people know it by.
CONTINENTS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def show_fault(form: FlaskForm, error: UserError) -> None:
    """Put a service's refusal where the form shows it: at its field, or above all of them."""
    text = gettext(error.msgid, **error.values)
    field = form[error.field] if error.field and error.field in form else None
    if field is None:
        form.form_errors.append(text)
    else:
        field.errors = [*field.errors, text]


@cache
def _other_zones() -> list[str]:
    names = (name for name in available_timezones() if name.partition("/")[0] in CONTINENTS and name not in BRAZIL)
    return sorted(names)


def zone_choices(present: str | None) -> dict[str, list[tuple[str, str]]]:
    """Zones for a select, Brazil's first; a zone that is in use is always among them."""
    others = [(name, name.replace("_", " ")) for name in _other_zones()]
    if present and present not in BRAZIL and present not in _other_zones():
        others.insert(0, (present, present))
    return {str(lazy_gettext("Brazil")): list(BRAZIL.items()), str(lazy_gettext("Other countries")): others}


class LoginForm(FlaskForm):  # type: ignore[misc]
    """E-mail address and password."""

    email = EmailField(lazy_gettext("E-mail"), [DataRequired(lazy_gettext("Write your e-mail address."))])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(lazy_gettext("Write your password."))])


def _new_password(label: Any) -> PasswordField:
    rule = lazy_gettext("A password has %(minimum)s to %(maximum)s characters.", minimum=MINIMUM, maximum=MAXIMUM)
    return PasswordField(label, [InputRequired(rule), Length(MINIMUM, MAXIMUM, rule)])


def _repeated() -> PasswordField:
    different = lazy_gettext("The two passwords are not the same.")
    return PasswordField(
        lazy_gettext("The password once more"), [InputRequired(different), EqualTo("password", different)]
    )


class WelcomeForm(FlaskForm):  # type: ignore[misc]
    """The first password, or a new one, by a one-time link."""

    password = _new_password(lazy_gettext("New password"))
    again = _repeated()


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """Another password, by somebody who knows the present one."""

    present = PasswordField(
        lazy_gettext("Your password now"), [InputRequired(lazy_gettext("Write the password you have now."))]
    )
    password = _new_password(lazy_gettext("New password"))
    again = _repeated()


class SettingsForm(FlaskForm):  # type: ignore[misc]
    """One's own settings."""

    name = StringField(lazy_gettext("Your name"), [DataRequired(lazy_gettext("Write your name.")), Length(max=120)])
    locale = SelectField(lazy_gettext("Language"))
    timezone = SelectField(lazy_gettext("Time zone"))
    theme = RadioField(lazy_gettext("Look"))
    undo_seconds = SelectField(lazy_gettext("Time to undo a send"), coerce=int)
    shortcuts = BooleanField(lazy_gettext("Keyboard shortcuts"))

    def fill_choices(self, zone: str | None, default_zone: str) -> None:
        """What can be chosen, in the language of the page; `zone` is the person's present one."""
        self.locale.choices = [("", gettext("That of the browser")), *LOCALES.items()]
        first = ("", gettext("The installation's: %(zone)s", zone=BRAZIL.get(default_zone, default_zone)))
        self.timezone.choices = {gettext("Standard"): [first], **zone_choices(zone)}
        self.theme.choices = [("light", gettext("Light")), ("dark", gettext("Dark"))]
        self.undo_seconds.choices = [(each, gettext("%(count)s seconds", count=each)) for each in UNDO_CHOICES]

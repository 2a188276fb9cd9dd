"""Forms of contacts; what they mean is decided by the services."""

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import DateField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from webapp.contacts.service import MAX_LIST_NAME
from webapp.contacts.states import BASES
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL

_REQUIRED = InputRequired(message=_l("Please fill this in."))


class UploadForm(FlaskForm):  # type: ignore[misc]
    """A file or a pasted table."""

    file = FileField(_l("File"), [])
    pasted = TextAreaField(_l("Or paste the rows"), [])


class ConsentForm(FlaskForm):  # type: ignore[misc]
    """Into which list, and why these people may be written to."""

    list_name = StringField(_l("List"), [_REQUIRED, Length(max=MAX_LIST_NAME)])
    basis = SelectField(_l("Why may you write to them?"))
    source = StringField(_l("Where did they agree?"), [Length(max=300)])
    consent_date = DateField(_l("When?"), [Optional()])

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.basis.choices = [(key, gettext(words)) for key, words in BASES.items()]

    def validate_source(self, field: StringField) -> None:
        """Whoever says that people agreed must say where: the burden of proof is theirs (LGPD, article 8)."""
        if self.basis.data == "consent" and not (field.data or "").strip():
            raise ValidationError(gettext("Say where the consent was given: a form, a shop, a contract."))


class ListForm(FlaskForm):  # type: ignore[misc]
    """The name of a list."""

    list_name = StringField(_l("Name of the list"), [_REQUIRED, Length(max=MAX_LIST_NAME)])


class PersonForm(FlaskForm):  # type: ignore[misc]
    """One person; the fields of the list come beside it as `field-<key>`."""

    number = StringField(_l("Phone number"), [_REQUIRED, Length(max=40)])
    name = StringField(_l("Name"), [Length(max=200)])


class _ForAChannel(FlaskForm):  # type: ignore[misc]
    """What is said for one channel or for all."""

    channel = SelectField(_l("Not to be reached by"), default=EVERY_CHANNEL)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.channel.choices = [(key, gettext(words)) for key, words in CHANNELS.items()]


class OptOutForm(_ForAChannel):
    """Somebody who shall not be written to."""

    number = StringField(_l("Phone number"), [_REQUIRED, Length(max=40)])
    reason = StringField(_l("Reason"), [Length(max=300)])


def _strip(value: str | None) -> str | None:
    return value.strip() if value else value


class LiftForm(FlaskForm):  # type: ignore[misc]
    """Why somebody may be written to again."""

    reason = StringField(
        _l("Why may we write to this person again?"), [_REQUIRED, Length(min=3, max=300)], filters=[_strip]
    )


class UndoForm(FlaskForm):  # type: ignore[misc]
    """Why a whole list of people may be written to again."""

    reason = StringField(
        _l("Why may we write to these people again?"), [_REQUIRED, Length(min=3, max=300)], filters=[_strip]
    )


class SuppressionForm(_ForAChannel):
    """A file of numbers that must not be written to."""

    file = FileField(_l("File"), [])
    pasted = TextAreaField(_l("Or paste the numbers"), [])
    reason = StringField(_l("Where is this list from?"), [_REQUIRED, Length(max=300)])

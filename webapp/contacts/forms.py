"""Forms of contacts; what they mean is decided by the services."""

from typing import BinaryIO

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import DateField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.contacts.consent import Consent
from webapp.contacts.proofs import Proof
from webapp.contacts.service import MAX_LIST_NAME
from webapp.contacts.states import BASES, CHANNELS, NOT_STATED, PURPOSES, USUAL_PURPOSE
from webapp.optouts.models import CHANNELS as OPTOUT_CHANNELS
from webapp.optouts.models import EVERY_CHANNEL

_REQUIRED = InputRequired(message=_l("Please fill this in."))


class UploadForm(FlaskForm):  # type: ignore[misc]
    """A file or a pasted table."""

    file = FileField(_l("File"), [])
    pasted = TextAreaField(_l("Or paste the rows"), [])


class MultiCheckboxField(SelectMultipleField):  # type: ignore[misc]
    """Some of a few choices. A form that does not speak of it (the page sends "" with it) means the default."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        """What was ticked."""
        if valuelist:
            self.data = [value for value in valuelist if value]


def _channels_field() -> MultiCheckboxField:
    return MultiCheckboxField(_l("On which channels?"), default=lambda: list(CHANNELS))


def _fill(form: FlaskForm) -> None:
    """The choices in the language of the page."""
    if "basis" in form:
        form.basis.choices = [(key, gettext(words)) for key, words in BASES.items()]
    if "purpose" in form:
        form.purpose.choices = [(key, gettext(words)) for key, words in PURPOSES.items()]
        form.channels.choices = [(key, gettext(words)) for key, words in CHANNELS.items()]


def _require_channel(field: MultiCheckboxField) -> None:
    if not field.data:
        raise ValidationError(gettext("Choose at least one channel."))


def _require_source(basis: str, field: StringField) -> None:
    """Whoever says that people agreed must say where: the burden of proof is theirs (LGPD, article 8)."""
    if basis == "consent" and not (field.data or "").strip():
        raise ValidationError(gettext("Say where the consent was given: a form, a shop, a contract."))


class StatementForm(FlaskForm):  # type: ignore[misc]
    """Why somebody may be written to."""

    basis = SelectField(_l("Why we may write"))
    consent_date = DateField(_l("When?"), [Optional()])
    source = StringField(_l("Source"), [Length(max=300)])
    purpose = SelectField(_l("What for?"), default=USUAL_PURPOSE)
    channels = _channels_field()
    proof = FileField(_l("Proof"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        _fill(self)

    def validate_source(self, field: StringField) -> None:
        """A consent says where it was given."""
        _require_source(self.basis.data, field)

    def validate_channels(self, field: MultiCheckboxField) -> None:
        """A statement is about a channel."""
        _require_channel(field)

    def sent_proof(self) -> tuple[BinaryIO | None, str]:
        """The file that was sent, if one was, and its name."""
        sent = self.proof.data
        return (sent.stream, sent.filename) if sent and getattr(sent, "filename", "") else (None, "")

    def stated(self, proof: Proof | None) -> Consent:
        """What the form states, with the proof as it was kept."""
        return Consent(
            self.basis.data, self.source.data or "", self.consent_date.data,
            self.purpose.data, tuple(self.channels.data), proof,
        )  # fmt: skip


class ConsentForm(StatementForm):
    """Into which list, and why these people may be written to."""

    list_name = StringField(_l("List"), [_REQUIRED, Length(max=MAX_LIST_NAME)])
    basis = SelectField(_l("Why may you write to them?"))
    source = StringField(_l("Where did they agree?"), [Length(max=300)])


class WithdrawForm(FlaskForm):  # type: ignore[misc]
    """What a person takes back."""

    purpose = SelectField(_l("What for?"), default=USUAL_PURPOSE)
    channels = _channels_field()
    reason = StringField(_l("How did they say so?"), [_REQUIRED, Length(min=3, max=300)])

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        _fill(self)

    def validate_channels(self, field: MultiCheckboxField) -> None:
        """A withdrawal is about a channel."""
        _require_channel(field)


class ListForm(FlaskForm):  # type: ignore[misc]
    """The name of a list."""

    list_name = StringField(_l("Name of the list"), [_REQUIRED, Length(max=MAX_LIST_NAME)])


class PersonForm(FlaskForm):  # type: ignore[misc]
    """One person; the fields of the list come beside it as `field-<key>`."""

    number = StringField(_l("Phone number"), [_REQUIRED, Length(max=40)])
    name = StringField(_l("Name"), [Length(max=200)])
    basis = SelectField(_l("Why we may write"), default=NOT_STATED)
    consent_date = DateField(_l("When?"), [Optional()])
    source = StringField(_l("Source"), [Length(max=300)])

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        _fill(self)

    def validate_source(self, field: StringField) -> None:
        """A consent says where it was given."""
        _require_source(self.basis.data, field)


class _ForAChannel(FlaskForm):  # type: ignore[misc]
    """What is said for one channel or for all."""

    channel = SelectField(_l("Not to be reached by"), default=EVERY_CHANNEL)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.channel.choices = [(key, gettext(words)) for key, words in OPTOUT_CHANNELS.items()]


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

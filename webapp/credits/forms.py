"""The warning marks, as an administrator sets them."""

from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField
from wtforms.validators import NumberRange, Optional

from webapp.credits.service import LARGEST

_MARK = [Optional(), NumberRange(min=0, max=LARGEST, message=_l("Use a whole number from 0 upwards."))]


class ThresholdsForm(FlaskForm):  # type: ignore[misc]
    """One mark a purse, in credits, and one in days before the credits expire. Empty = the usual mark, 0 = off."""

    mark_1 = IntegerField(_l("SMS"), _MARK)
    mark_2 = IntegerField(_l("Interactive SMS"), _MARK)
    mark_3 = IntegerField(_l("Voice calls"), _MARK)
    mark_4 = IntegerField(_l("WhatsApp"), _MARK)
    mark_days = IntegerField(
        _l("Days before expiry"),
        [Optional(), NumberRange(min=0, max=3650, message=_l("Use a number of days from 0 to 3650."))],
    )

    def marks(self) -> dict[str, int | None]:
        """What was entered, by the names of the thresholds."""
        return {field.name.removeprefix("mark_"): field.data for field in self if field.name.startswith("mark_")}

    @classmethod
    def of(cls, marks: dict[str, int]) -> "ThresholdsForm":
        """A form filled with the marks in force."""
        kept: dict[str, Any] = {f"mark_{name}": value for name, value in marks.items()}
        return cls(data=kept)

"""What services raise when a person can mend it: a msgid and its values, translated where it is shown."""

from typing import Any


class UserError(Exception):
    """Refused, with one sentence that says why and what to do. `field` names the form field at fault, if any."""

    def __init__(self, msgid: str, *, field: str | None = None, **values: Any) -> None:
        super().__init__(msgid % values if values else msgid)
        self.msgid = msgid
        self.values = values
        self.field = field


class NotFound(UserError):
    """What was asked for does not exist, or is not this person's to see."""

"""The states of a file that is made for somebody: the only list of them."""

from typing import NamedTuple

from webapp.core.errors import UserError
from webapp.core.i18n import N_


class State(NamedTuple):
    """One state: its words, its look and picture (`status_badge`), and whether a worker has something to do."""

    label: str
    look: str
    icon: str
    at_work: bool = False


WAITING, WORKING, READY, FAILED, CANCELLED, EXPIRED = (
    "waiting", "working", "ready", "failed", "cancelled", "expired",
)  # fmt: skip
STATES = {
    WAITING: State(N_("In line"), "waiting", "clock", True),
    WORKING: State(N_("Being made"), "operator", "loader-2", True),
    READY: State(N_("Ready"), "delivered", "check"),
    FAILED: State(N_("Could not be made"), "failed", "alert-triangle"),
    CANCELLED: State(N_("Called off"), "cancelled", "x"),
    EXPIRED: State(N_("Deleted"), "cancelled", "trash"),
}
AT_WORK = frozenset(name for name, state in STATES.items() if state.at_work)

# Why there is no file (`export_file.error`), in the words of its page.
ERRORS = {
    "disk": N_("There was no room left on the disk. Make room, then ask for the file again."),
    "folder": N_("The exports folder cannot be written to. An administrator must look at it."),
    "too_big": N_("Excel could not read a workbook of this size. Ask for the file as CSV."),
    "campaign": N_("The campaign does not exist any more."),
    "unexpected": N_("Something unexpected happened while it was written. Ask for the file again."),
    "attempts": N_("Making it was broken off again and again. Ask for the file again, or for fewer rows."),
    "erased": N_("A person in it may have been erased meanwhile. Ask for the file again: it comes without them."),
}


def refused(why: str) -> UserError:
    """The error that says one of these."""
    return UserError(ERRORS[why])

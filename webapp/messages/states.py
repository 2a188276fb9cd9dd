"""The states of runs, batches and rows, and the words for why a message did not leave: the only list of them."""

from enum import StrEnum

from webapp.core.i18n import N_
from webapp.messages.models import Run


class RowState(StrEnum):
    """Where one message stands. Only *pending* moves, but for a receipt: that proves acceptance, whatever we held."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class BatchState(StrEnum):
    """Where a range of keys stands.

    queued → sending → done, or back to queued (nothing left us), or unknown (something may have) → queued | done;
    held waits for a person.
    """

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    HELD = "held"
    DONE = "done"


class RunState(StrEnum):
    """Where a launch stands."""

    LAUNCHING = "launching"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


OPEN_BATCHES = (BatchState.QUEUED, BatchState.SENDING, BatchState.UNKNOWN, BatchState.HELD)

# Why a row was suppressed or expired (`message.reason`), in the words of a page.
REASONS: dict[str, str] = {
    "optout": N_("The person asked not to be written to."),
    "erased": N_("The person's data was erased at their request."),
    "landline": N_("Landlines take voice calls only."),
    "recent": N_("Another campaign wrote to the person in the last days."),
    "missing_field": N_("A field of the message has no value for this person."),
    "too_long": N_("The text is too long for this person."),
    "empty": N_("The text is empty for this person."),
    "duplicate": N_("The person is in the audience already."),
    "excluded": N_("The person is in an excluded list."),
    "reached": N_("An earlier try of this campaign reached the person, or is still on its way."),
    "too_late": N_("The message was valid until a moment that has passed."),
    "declined": N_("A colleague decided not to send what was late or uncertain."),
}

# Why a run is paused (`run.pause_reason`): what happened and what to do. Codes of the gateway have their own words.
PAUSES: dict[str, tuple[str, str]] = {
    "person": (N_("A colleague paused it."), N_("Resume it when you like; nothing was lost.")),
    "late": (
        N_("It is more than an hour late, because Recado was not running at its time."),
        N_("Decide: resume it to send now, or cancel it."),
    ),
    "refusals": (
        N_("The gateway refused 500 messages in a row."),
        N_("Look at the reasons below, then resume or cancel."),
    ),
    "canary_refused": (
        N_("Of the first messages, sent ahead to test, more than 5% were refused."),
        N_("Look at the reasons below. Resume to send to everyone else, or cancel."),
    ),
    "canary_blocked": (
        N_("Of the first messages, sent ahead to test, more than 10% were blocked."),
        N_("Look at the reasons below. Resume to send to everyone else, or cancel."),
    ),
    "canary_optouts": (
        N_("Of the first people, written to ahead to test, more than 2% opted out."),
        N_("Review the text and the list. Resume to send to everyone else, or cancel."),
    ),
    "080": (
        N_("The credits ran out or expired."),
        N_("What had not left is still here. Buy credits, then resume."),
    ),
}

# Statuses a person reads, by the state that is not the gateway's to tell: label, look of the badge, icon.
ROW_LOOKS: dict[str, tuple[str, str, str]] = {
    RowState.PENDING: (N_("Waiting"), "wait", "clock"),
    "held": (N_("Scheduled"), "sch", "calendar-time"),
    "queued": (N_("In the queue"), "wait", "clock"),
    "sending": (N_("Leaving now"), "wait", "send"),
    "unknown": (N_("Outcome unknown"), "wait", "help-circle"),
    RowState.ACCEPTED: (N_("Handed to the gateway"), "wait", "send"),
    RowState.REFUSED: (N_("Refused by the gateway"), "bad", "alert-triangle"),
    RowState.SUPPRESSED: (N_("Left out"), "blk", "ban"),
    RowState.CANCELLED: (N_("Cancelled before it left"), "wait", "x"),
    RowState.EXPIRED: (N_("Expired before it left"), "wait", "clock"),
}


def is_over(run: Run) -> bool:
    """Whether nothing of the run will leave any more."""
    return run.state in {RunState.CANCELLED, RunState.FINISHED}

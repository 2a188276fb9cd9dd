"""The states of an import: the only list of them."""

from typing import NamedTuple

from webapp.core.i18n import N_


class State(NamedTuple):
    """One state: its words, its look and picture (`status_badge`), and whether a worker has something to do."""

    label: str
    look: str
    icon: str
    at_work: bool


STATES = {
    "reading": State(N_("reading the spreadsheet"), "operator", "loader-2", True),
    "uploaded": State(N_("waiting for the columns"), "waiting", "columns", False),
    "checking": State(N_("being checked"), "operator", "loader-2", True),
    "ready": State(N_("waiting for confirmation"), "waiting", "clock", False),
    "importing": State(N_("being imported"), "operator", "loader-2", True),
    "done": State(N_("imported"), "delivered", "check", False),
    "failed": State(N_("import failed"), "failed", "alert-triangle", False),
    "undoing": State(N_("being undone"), "operator", "loader-2", True),
    "undone": State(N_("undone"), "cancelled", "arrow-back-up", False),
    "discarded": State(N_("discarded"), "cancelled", "trash", False),
}
AT_WORK = frozenset(name for name, state in STATES.items() if state.at_work)
OPEN = frozenset({"uploaded", "ready"})

# LGPD, article 7: the grounds on which somebody may be written to.
BASES = {
    "consent": N_("Consent"),
    "contract": N_("Contract with the person"),
    "interest": N_("Legitimate interest"),
    "duty": N_("Legal duty"),
    "credit": N_("Credit protection"),
    "not_stated": N_("Not stated"),
}
NOT_STATED = "not_stated"
WITHDRAWN = "withdrawn"  # what a person has said since; nobody chooses it as a ground

# What a person may be written to for. Consent to one is none to another (LGPD, article 8, §4).
PURPOSES = {
    "marketing": N_("Marketing"),
    "service": N_("Notices about a service"),
    "billing": N_("Billing and collection"),
    "survey": N_("Surveys"),
    "other": N_("Another purpose"),
}
USUAL_PURPOSE = "marketing"


# The ways to reach a person, as opt-outs name them, too.
CHANNELS = {"sms": N_("SMS"), "whatsapp": N_("WhatsApp"), "voice": N_("Voice call")}

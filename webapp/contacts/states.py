"""The states of an import: the only list of them."""

from typing import NamedTuple

from webapp.core.i18n import N_


class State(NamedTuple):
    """One state: its words, its look (a class of app.css) and whether a worker has something to do."""

    label: str
    look: str
    at_work: bool


STATES = {
    "reading": State(N_("reading the spreadsheet"), "wait", True),
    "uploaded": State(N_("waits for the columns"), "wait", False),
    "checking": State(N_("being checked"), "wait", True),
    "ready": State(N_("waits for confirmation"), "sch", False),
    "importing": State(N_("being imported"), "op", True),
    "done": State(N_("imported"), "ok", False),
    "failed": State(N_("failed"), "bad", False),
    "undoing": State(N_("being undone"), "wait", True),
    "undone": State(N_("undone"), "blk", False),
    "discarded": State(N_("discarded"), "blk", False),
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

"""Words of the administration pages: deeds of the audit trail, states of batches, problems of raw replies."""

from webapp.core.i18n import N_
from webapp.gateway.codes import RESPONSES

# What the audit trail's actions are called; one that is not here shows its own name.
ACTIONS: dict[str, str] = {
    "login": N_("Signed in"),
    "login.failed": N_("Sign-in failed"),
    "logout": N_("Signed out"),
    "session.end": N_("Ended a sign-in"),
    "session.end_others": N_("Ended the other sign-ins"),
    "person.create": N_("Created a person"),
    "person.link": N_("Made a one-time link"),
    "person.welcome": N_("Chose a password by link"),
    "person.password": N_("Changed the password"),
    "person.role": N_("Changed a role"),
    "person.disable": N_("Disabled a person"),
    "person.enable": N_("Enabled a person"),
    "gateway.account": N_("Changed the gateway account"),
    "gateway.test": N_("Tested the gateway login"),
    "gateway.resume": N_("Resumed sending"),
    "callbacks.reveal": N_("Saw the callback addresses"),
    "callbacks.rotate": N_("Made a new callback token"),
    "audit.export": N_("Exported the audit trail"),
    "privacy.find": N_("Looked up what is held about a person"),
    "privacy.export": N_("Exported what is held about a person"),
    "privacy.erase": N_("Asked for a person's erasure"),
    "privacy.erased": N_("Erased a person"),
    "privacy.lift": N_("Accepted an erased person's number again"),
    "batch.again": N_("Had a batch sent again"),
    "batch.leave": N_("Gave a batch up"),
    "campaign.create": N_("Created a campaign"),
    "campaign.list": N_("Made a list of a campaign's people"),
    "campaign.retry": N_("Prepared another try of a campaign"),
    "campaign.launch": N_("Sent a campaign"),
    "campaign.pause": N_("Paused a campaign"),
    "campaign.resume": N_("Resumed a campaign"),
    "campaign.cancel": N_("Cancelled a campaign"),
    "campaign.delete": N_("Deleted a draft"),
    "campaign.export": N_("Exported a campaign"),
    "campaign.statement": N_("Took a campaign's statement"),
    "campaign.test": N_("Sent a test"),
    "campaign.window": N_("Lifted the sending window"),
    "campaign.window_kept": N_("Put the sending window back in force"),
    "contact.add": N_("Added a contact"),
    "contact.change": N_("Changed a contact"),
    "contact.remove": N_("Removed a contact"),
    "contact.reveal": N_("Saw a number in full"),
    "number.reveal": N_("Saw a number in full"),
    "credits.thresholds": N_("Changed the warning marks"),
    "import.upload": N_("Uploaded a list"),
    "import.start": N_("Started an import"),
    "import.discard": N_("Discarded an import"),
    "import.undo": N_("Undid an import"),
    "import.mend": N_("Mended a wrong row"),
    "import.errors": N_("Exported the wrong rows"),
    "list.sample": N_("Made a sample list"),
    "list.rename": N_("Renamed a list"),
    "list.delete": N_("Deleted a list"),
    "list.export": N_("Exported a list"),
    "messages.export": N_("Exported messages"),
    "export.fetch": N_("Fetched an exported file"),
    "export.end": N_("Ended an exported file"),
    "optout.add": N_("Added an opt-out"),
    "optout.lift": N_("Lifted an opt-out"),
    "optout.import": N_("Imported opt-outs"),
    "optout.export": N_("Exported opt-outs"),
    "reply.read_again": N_("Read a raw reply again"),
    "reply.reveal": N_("Saw a raw reply in full"),
    "reply.settle": N_("Set a raw reply aside"),
}

SUBJECTS: dict[str, str] = {
    "batch": N_("batch"),
    "campaign": N_("campaign"),
    "contact": N_("contact"),
    "conversation": N_("conversation"),
    "erasure": N_("erasure"),
    "export": N_("export"),
    "import": N_("import"),
    "list": N_("list"),
    "message": N_("message"),
    "person": N_("person"),
    "raw reply": N_("raw reply"),
}

BATCH_STATES: dict[str, tuple[str, str, str]] = {  # label, look, icon
    "queued": (N_("Waiting"), "waiting", "clock"),
    "sending": (N_("Leaving now"), "operator", "send"),
    "unknown": (N_("Outcome unknown"), "unknown", "zoom-question"),
    "held": (N_("Held"), "paused", "hourglass"),
    "done": (N_("Done"), "delivered", "circle-check"),
}

BATCH_PROBLEMS: dict[str, str] = {
    "control": N_("The look-up did not show a message known to be accepted, so nothing is sent again."),
    "lookup": N_("The gateway could not be asked; Recado tries again by itself."),
    "person": N_("Unknown for a day: somebody has to decide."),
    "recount": N_("It counted as done although some of its messages never left: somebody has to decide."),
    "refused twice": N_("The gateway refused it twice although it had not heard of it."),
}

RAW_PROBLEMS: dict[str, str] = {
    "nobody": N_("It names nobody: there is no telephone number in it."),
    "unreadable": N_("It is not in a form that Recado reads."),
    "odd_rows": N_("Some of its replies could not be understood; the others went to the inbox."),
    "too_few": N_("The gateway announced more replies than it sent."),
    "error": N_("Recado failed while reading it. Read it again after an update."),
}

ERASURES: dict[str, tuple[str, str, str]] = {  # label, look, icon
    "requested": (N_("Beginning"), "operator", "loader-2"),
    "waiting": (N_("Waiting"), "waiting", "clock"),
    "done": (N_("Erased"), "delivered", "circle-check"),
}

ERASURE_WAITS: dict[str, str] = {
    "messages": N_("messages that are leaving, or whose outcome the gateway has yet to tell"),
    "launches": N_("campaigns that are being launched"),
    "files": N_("files that are being imported"),
}

SOURCES: dict[str, str] = {
    "callback": N_("Callback"),
    "mo_new": N_("New replies asked for (mo_new)"),
    "mo": N_("Recent replies asked for (mo)"),
}


def subject(text: str) -> tuple[str, str]:
    """What an entry is about, as a noun (a msgid) and which one: "campaign 7" → ("campaign", "7")."""
    noun, _, which = text.rpartition(" ")
    return (SUBJECTS[noun], which) if noun in SUBJECTS else ("", text)


def batch_problem(problem: str | None) -> str:
    """The sentence (a msgid) for what went wrong last with a batch, or the bare word where there is none for it."""
    if not problem:
        return N_("Nothing special.")
    answer = RESPONSES.get(problem)
    return answer.explanation if answer else BATCH_PROBLEMS.get(problem, problem)


def raw_problem(problem: str) -> str:
    """The sentence (a msgid) for a raw reply's problem."""
    return RAW_PROBLEMS.get(problem.partition(" ")[0], RAW_PROBLEMS["error"])

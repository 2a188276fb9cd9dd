"""Why a person did, or did not, receive it: one sentence that decides, then what else is to be known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webapp.core import phone
from webapp.core.i18n import N_
from webapp.credits.alerts import Word
from webapp.gateway import codes
from webapp.messages.models import Message, Run
from webapp.messages.states import RowState
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL, Erased, OptOut
from webapp.reports.aside import Aside, WrongRow
from webapp.reports.browsing import Row


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a person gets, or did not get, messages: msgids with values. `next` is what can be done, `raw` the codes."""

    look: str
    icon: str
    title: str
    text: str = ""
    values: dict[str, object] = field(default_factory=dict)
    next: str = ""
    raw: str = ""
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the answer is found from; rows and campaigns the newest first."""

    number: int
    erased: Erased | None
    optouts: Sequence[OptOut]
    rows: Sequence[Row]
    passed_by: Sequence[Aside]
    wrong_rows: Sequence[WrongRow]
    lists: int
    replied: bool = False


# By the key of a message's standing, and for "status" by what became of it.
_SAID = {
    "delivered": N_("It arrived: the phone confirmed %(what)s on %(when)s."),
    "read": N_("It arrived, and the person has read it: %(what)s, on %(when)s."),
    "silent": N_("%(what)s reached the operator, and this operator never says whether the phone got it."),
    "moving": N_("%(what)s is on its way: the phone has not confirmed it yet."),
    "undelivered": N_("%(what)s did not arrive. %(why)s"),
    RowState.ACCEPTED: N_("%(what)s is on its way: the gateway has it, and the phone has not confirmed it yet."),
    RowState.REFUSED: N_("The gateway refused %(what)s. %(why)s"),
    RowState.SUPPRESSED: N_("%(what)s left this person out. %(why)s"),
    RowState.CANCELLED: N_("%(what)s was cancelled before it left."),
    RowState.EXPIRED: N_("%(what)s did not leave in time. %(why)s"),
    "held": N_("%(what)s has not left yet. %(why)s"),
    "queued": N_("%(what)s is in the queue and leaves within moments."),
    "sending": N_("%(what)s is leaving at this moment."),
    "unknown": N_("It is not known yet whether %(what)s left: the gateway gave no clear answer."),
}
_OTHERS = {"reply": Word(N_("an answer from the inbox")), "test": Word(N_("a test message"))}


def reasons(known: Known) -> list[Reason]:
    """All that speaks, the decisive reason first."""
    found = [*_barred(known)]
    newest = next((row for row in known.rows if row.run is None or row.run.kind == "campaign"), None)
    newest = newest or next(iter(known.rows), None)
    if newest is not None:
        found.append(of_message(newest))
        if _never_arrives(known):
            title = N_("None of the last messages arrived.")
            text = N_("The number may be wrong or no longer in use.")
            found.append(Reason("failed", "phone-x", title, text, next=N_("Ask the person another way.")))
    elif known.passed_by:
        first = known.passed_by[0]
        title = N_("%(what)s left this person out. %(why)s")
        values = {"what": f"“{first.campaign}”", "why": Word(first.why), **first.values}
        found.append(Reason("blocked", "filter", title, values=values, next=first.advice))
    elif known.lists:
        title = N_("Nothing was sent yet: the person is in a list, but in the audience of no campaign so far.")
        found.append(Reason("waiting", "send", title, next=N_("Choose the list in a new campaign.")))
    elif known.wrong_rows:
        title = N_("The number is in no list: the row of the file with it was rejected.")
        found.append(Reason("failed", "alert-triangle", title, next=N_("Mend the row in the import's page.")))
    elif not found:
        title = N_("Nobody here knows this number: it is in no list, and no message was ever meant for it.")
        found.append(Reason("waiting", "user-question", title, next=N_("Check the digits, above all the area code.")))
    return found


def _barred(known: Known) -> list[Reason]:
    found = []
    if known.erased is not None:
        if known.erased.suppressed:
            look, title = (
                "blocked",
                N_("The person was erased at their request on %(day)s: nothing is written to them."),
            )
            then = N_("Nothing to do. An administrator can accept the number again under Privacy.")
        else:
            title, look = N_("The person was erased at their request on %(day)s, and accepted again later."), "waiting"
            then = ""
        found.append(Reason(look, "eraser", title, values={"day": known.erased.at}, next=then))
    if known.optouts:
        found.append(_opted_out(known.optouts))
    if phone.is_landline(known.number):
        text = N_("It takes voice calls, but no SMS and no WhatsApp.")
        then = N_("Ask the person for a mobile number, or use a voice call.")
        found.append(Reason("blocked", "phone", N_("The number is a landline."), text, next=then))
    return found


def _opted_out(rows: Sequence[OptOut]) -> Reason:
    widest = next((row for row in rows if row.channel == EVERY_CHANNEL), min(rows, key=lambda row: row.since))
    values: dict[str, object] = {"day": widest.since, "reason": widest.reason}
    title = N_("The person opted out on %(day)s: no campaign writes to them any more.")
    if widest.channel != EVERY_CHANNEL:
        title = N_("The person opted out of %(channel)s on %(day)s: no campaign writes to them there any more.")
        values["channel"] = Word(CHANNELS.get(widest.channel, widest.channel))
    then = N_("Nothing to do. It can only be lifted where the person asks for it.")
    return Reason("blocked", "hand-stop", title, N_("Given reason: %(reason)s"), values, next=then)


def of_message(row: Row) -> Reason:
    """What a message's standing says, as a sentence about the person."""
    how, message = row.standing, row.message
    kind = how.key if how.key != "status" else _outcome(message)
    name = what(row.run)
    values: dict[str, object] = {
        "name": name,
        "what": name if isinstance(name, Word) else f"“{name}”",
        "when": message.status_at or message.at,
    }
    values["why"] = Word(how.why or (how.advice if how.key == "held" else how.label))
    raw = " ".join(filter(None, (message.reason if how.key == RowState.REFUSED else "", message.status or "")))
    then = how.advice if how.key != "held" else ""
    return Reason(how.look, how.icon, _SAID[kind], values=values, next=then, raw=raw, due=how.due)


def what(run: Run | None) -> str:
    """The name of what was sent: a campaign's own, or words for what is none."""
    if run is None:
        return Word(N_("a message of another system on the account"))
    return _OTHERS.get(run.kind, run.name)


def _outcome(message: Message) -> str:
    if message.status == "2":
        return "read"
    if message.status in codes.DELIVERED:
        return "delivered"
    if message.status in codes.UNDELIVERED:
        return "undelivered"
    return "silent" if codes.is_final(message.status, message.carrier, message.type) else "moving"


def _never_arrives(known: Known) -> bool:
    accepted = [row.message for row in known.rows if row.message.state == RowState.ACCEPTED]
    bad = sum(message.status in codes.UNDELIVERED for message in accepted)
    return bad > 2 and bad == len(accepted) and not known.replied

"""How one message stands, in words, colour and next step, whoever said so: the gateway, the outbox or the launch."""

from dataclasses import dataclass
from datetime import datetime

from webapp.core.i18n import N_
from webapp.gateway import codes
from webapp.messages.models import Batch, Message, Run
from webapp.messages.outbox import CANARY
from webapp.messages.states import PAUSES, REASONS, ROW_LOOKS, BatchState, RowState, RunState

# Looks of the tables of codes and states → classes of the style sheet.
LOOKS = {"wait": "waiting", "op": "operator", "ok": "delivered", "bad": "failed", "blk": "blocked", "sch": "scheduled"}

_HELD = {
    "time": N_("It leaves at its time."),
    "window": N_("It waits for the hours in which people may be written to where the person lives."),
    "canary": N_("It waits for the first messages of the campaign, which were sent ahead to test."),
    "launching": N_("The campaign is being prepared; it leaves right after."),
    "paused": N_("The campaign is paused. Resume it and the message leaves."),
    "batch": N_("The batch is held: the gateway did not understand Recado. An administrator must look at it."),
}
_ADVICE = {
    "queued": N_("Nothing to do: it leaves within moments."),
    "sending": N_("Nothing to do: it is on its way to the gateway."),
    "unknown": N_("Nothing to do: Recado asks the gateway before it sends again, so that nobody gets it twice."),
    RowState.ACCEPTED: N_("Nothing to do: the gateway has it and will say what became of it."),
    RowState.CANCELLED: N_("The campaign was cancelled before this message left. Nothing was debited."),
}
_WHY = {
    "optout": N_("Nothing to do. An opt-out holds over every list and campaign."),
    "erased": N_("Nothing to do. Nothing is written to this number any more."),
    "landline": N_("Ask the person for a mobile number, or use a voice call."),
    "recent": N_("Nothing to do. This campaign left out who had got another one in the last days."),
    "missing_field": N_("Fill in the field in the list, or give the field a fallback in the text."),
    "too_long": N_("Shorten the text, or the field that makes it long for this person, and try again."),
    "empty": N_("Fill in the field in the list, or write text around it, and try again."),
    "duplicate": N_("Nothing to do: the person gets it once."),
    "excluded": N_("Nothing to do, or take the person out of the excluded list."),
    "reached": N_("Nothing to do: nobody gets it twice."),
    "declined": N_("Try again if the message still makes sense."),
    "too_late": N_("Send a new campaign if the message still makes sense."),
}
_SILENT = N_("This operator never tells what the phone did: this is its last word.")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person is shown of a message: msgids `label`, `why` and `advice`, a CSS look, an icon, and the raw codes.

    `key` is the state of the contract (held, queued, …, accepted) or "status" where the gateway's status speaks.
    """

    key: str
    label: str
    look: str
    icon: str
    why: str = ""
    advice: str = ""
    due: datetime | None = None  # of held messages: when they leave, or are to arrive


def seen_state(message: Message, batch: Batch | None, run: Run | None, now: datetime) -> str:
    """A row's state from outside: held, queued, sending and unknown tell what its batch does."""
    return message.state if message.state != RowState.PENDING or run is None else pending_state(batch, run, now)


def pending_state(batch: Batch | None, run: Run, now: datetime) -> str:
    """How a pending row of a batch looks from outside."""
    if batch is None or batch.state in {BatchState.HELD, BatchState.DONE}:
        return "held"
    if batch.state in {BatchState.SENDING, BatchState.UNKNOWN}:
        return batch.state
    resting = run.state != RunState.RUNNING or max(run.not_before, batch.not_before) > now
    return "held" if resting else "queued"


def standing(message: Message, batch: Batch | None, run: Run | None, now: datetime) -> Standing:
    """How a message stands at a moment (naive UTC). `batch` is only looked at while the row is pending."""
    state = seen_state(message, batch, run, now)
    if state == RowState.ACCEPTED and message.status is not None:
        return of_status(message.status, message.carrier, message.type)
    label, look, icon = ROW_LOOKS[state]
    shown = Standing(state, label, LOOKS.get(look, look), icon, advice=_ADVICE.get(state, ""))
    if state == RowState.REFUSED:
        return _refused(shown, message.reason)
    if state in {RowState.SUPPRESSED, RowState.EXPIRED}:
        return _left_out(shown, message.reason)
    if state == "held":
        return _held(shown, batch, run, now)
    if state == "unknown":
        return Standing(state, label, "unknown", icon, advice=shown.advice)
    return shown


def of_status(code: str, carrier: str | None, kind: int | None) -> Standing:
    """What a delivery status tells; 0 of an operator without handset receipts is its last word."""
    row = codes.status(code)
    last_word = code == "0" and codes.is_final(code, carrier, kind)
    look = "cancelled" if code == "-6" else LOOKS.get(row.look, row.look)
    return Standing("status", row.label, look, row.icon, advice=_SILENT if last_word else row.advice)


def of_reason(state: str, reason: str | None) -> Standing:
    """What a group of rows of one state and reason stands for (reports)."""
    label, look, icon = ROW_LOOKS[state]
    shown = Standing(state, label, LOOKS.get(look, look), icon, advice=_ADVICE.get(state, ""))
    if state == RowState.REFUSED:
        return _refused(shown, reason)
    return _left_out(shown, reason) if reason else shown


def _refused(shown: Standing, code: str | None) -> Standing:
    row = codes.response(code or "")
    return Standing(shown.key, shown.label, shown.look, shown.icon, row.explanation, row.advice)


def _left_out(shown: Standing, reason: str | None) -> Standing:
    why = REASONS.get(reason or "", "")
    return Standing(shown.key, shown.label, shown.look, shown.icon, why, _WHY.get(reason or "", ""))


def _held(shown: Standing, batch: Batch | None, run: Run | None, now: datetime) -> Standing:
    if batch is not None and batch.state == BatchState.HELD:
        advice = _HELD["canary" if batch.problem == CANARY else "batch"]
        return Standing("held", N_("Held"), "paused", "player-pause", advice=advice)
    if run is not None and run.state == RunState.PAUSED:
        why, _ = PAUSES.get(run.pause_reason or "", ("", ""))
        return Standing("held", N_("Paused"), "paused", "player-pause", why=why, advice=_HELD["paused"])
    if run is not None and run.state == RunState.LAUNCHING:
        return Standing("held", shown.label, shown.look, shown.icon, advice=_HELD["launching"])
    times = [run.deliver_at or run.not_before] if run else []
    times += [batch.not_before] if batch else []
    due = max(times, default=now)
    waits = "window" if batch and run and batch.not_before > (run.deliver_at or run.not_before) else "time"
    return Standing("held", shown.label, shown.look, shown.icon, advice=_HELD[waits], due=due if due > now else None)


LOOK_ORDER = ("delivered", "operator", "waiting", "failed", "blocked", "cancelled")  # of a chart's legend


def look_of(status: str) -> str:
    """The look under which charts count accepted messages of a status; nothing heard yet is waiting."""
    if status == "-6":
        return "cancelled"
    look = codes.status(status).look if status else "wait"
    return LOOKS.get(look, look)


@dataclass(frozen=True, slots=True)
class Group:
    """One choice of the status filter: rows of these states, or accepted rows of these statuses."""

    name: str
    label: str
    states: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    unheard: bool = False  # accepted rows of which nothing was heard yet are meant too


def _with_look(*looks: str) -> tuple[str, ...]:
    return tuple(row.code for row in codes.STATUSES.values() if row.look in looks and row.code != "-6")


GROUPS = {
    group.name: group
    for group in (
        Group("delivered", N_("Delivered"), statuses=_with_look("ok")),
        Group("operator", N_("At the operator"), statuses=_with_look("op")),
        Group("waiting", N_("Waiting at the gateway"), statuses=_with_look("wait"), unheard=True),
        Group("failed", N_("Not delivered"), statuses=_with_look("bad")),
        Group("blocked", N_("Blocked"), statuses=_with_look("blk")),
        Group("pending", N_("Not sent yet"), states=(RowState.PENDING,)),
        Group("unknown", N_("Outcome unknown"), states=(RowState.PENDING,)),
        Group("refused", N_("Refused by the gateway"), states=(RowState.REFUSED,)),
        Group("suppressed", N_("Left out"), states=(RowState.SUPPRESSED,)),
        Group("cancelled", N_("Cancelled"), states=(RowState.CANCELLED,), statuses=("-6",)),
        Group("expired", N_("Expired before it left"), states=(RowState.EXPIRED,)),
    )
}

"""What the opt-outs hold of one person: told to them, and erased. The tombstone takes their place (`erased`)."""

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.dossier import Section
from webapp.core.i18n import N_
from webapp.optouts import erased, queries
from webapp.optouts.models import EVERY_CHANNEL, OptOut, OptOutEvent

_OUT = (("since", N_("Since")), ("channel", N_("Channel")), ("origin", N_("Where from")), ("reason", N_("Reason")))
_CHANGES = (
    ("at", N_("When")), ("change", N_("What happened")), ("channel", N_("Channel")), ("origin", N_("Where from")),
    ("reason", N_("Reason")),
)  # fmt: skip
HELD = "erasure"  # `origin` of what keeps a person back while they are being erased
_CHANNELS = {EVERY_CHANNEL: N_("all channels")}
_ORIGINS = {
    "reply": N_("asked by reply"), "hand": N_("added by a colleague"), "import": N_("from a suppression list"),
}  # fmt: skip
_HAPPENED = {"added": N_("Opt-out"), "lifted": N_("May be written to again")}
_STONE = (("at", N_("When")), ("suppressed", N_("Not written to")))


def tell(session: Session, number: int, most: int) -> list[Section]:
    """Opt-outs of a person, everything that happened to them, and the tombstone of an earlier erasure."""
    out, changes = queries.of_person(session, number), queries.history(session, number)
    stone = erased.of_person(session, number)
    stones: list[tuple[Any, ...]] = [(stone.at, stone.suppressed)] if stone else []
    return [
        Section("optouts", N_("Opt-outs"), _OUT, len(out), [
            (row.since, row.channel, row.origin, row.reason) for row in out[:most]
        ], {"channel": _CHANNELS, "origin": _ORIGINS}),
        Section("optout_history", N_("Changes of opt-outs"), _CHANGES, len(changes), [
            (row.at, row.change, row.channel, row.origin, row.reason) for row in changes[:most]
        ], {"channel": _CHANNELS, "origin": _ORIGINS, "change": _HAPPENED}),
        Section("erased", N_("Earlier erasure"), _STONE, len(stones), stones[:most]),
    ]  # fmt: skip


def hold_back(session: Session, number: int) -> None:
    """Keep a person from being written to while they are being erased: what was handed over and came back must wait for
    nobody. The row goes with the others at the end."""
    row = {"number": number, "channel": EVERY_CHANNEL, "since": clock.now(), "origin": HELD, "reason": "—"}
    session.execute(insert_for(session, OptOut).values(**row, person_id=None).on_conflict_do_nothing())


def forget_person(session: Session, number: int) -> dict[str, int]:
    """Erase the opt-outs of a person and their history. Returns what was erased."""
    theirs = select(func.count()).select_from(OptOut).where(OptOut.number == number, OptOut.origin != HELD)
    count = session.scalar(theirs) or 0
    session.execute(delete(OptOut).where(OptOut.number == number))
    events = session.execute(delete(OptOutEvent).where(OptOutEvent.number == number))
    return {"optouts": count, "optout_history": int(events.rowcount)}  # type: ignore[attr-defined]

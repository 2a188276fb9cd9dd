"""Parts of a campaign's people, by what became of them: which there are, how they are called, how they are found.

A part is what a row of the report stands for. From any of them a list can be made; another try only for people whom the
message did not reach, and only where trying again can end better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select
from sqlalchemy.orm import Session

from webapp.core.errors import NotFound
from webapp.core.i18n import N_
from webapp.gateway.codes import DELIVERED, UNDELIVERED
from webapp.inbox.models import Inbound
from webapp.messages.models import Message, RunCount
from webapp.messages.states import RowState
from webapp.reports.standing import Standing, of_reason, of_status

LONGEST = 60  # characters of a value

# Statuses, codes and reasons after which the same message may well arrive at another time …
SAME_AGAIN = frozenset({"7", "9", "-2", "-6", "-10", "-11"})
SAME_STATES = frozenset({RowState.CANCELLED, RowState.EXPIRED})
# … and those where it will once the text, the file or the type is another one.
CHANGED_AGAIN = frozenset({"8", "-7", "-8", "-9"})
CHANGED_CODES = frozenset({"030", "070", "150"})
CHANGED_REASONS = frozenset({"missing_field", "too_long", "empty"})


class Part(NamedTuple):
    """Some of a campaign's people. `value` is a status, a code, a reason or a carrier, by the kind."""

    kind: str
    value: str = ""

    @property
    def changes(self) -> bool:
        """Whether trying again makes sense only with another text, file or type."""
        return (
            (self.kind == "status" and self.value in CHANGED_AGAIN)
            or (self.kind == RowState.REFUSED and self.value in CHANGED_CODES)
            or (self.kind == RowState.SUPPRESSED and self.value in CHANGED_REASONS)
        )


# The kinds beside the row states: msgid, look, icon.
_WORDS = {
    "everybody": (N_("Everybody"), "waiting", "users"),
    "accepted": (N_("Accepted by the gateway"), "operator", "send"),
    "delivered": (N_("Confirmed by the phone"), "delivered", "check"),
    "missed": (N_("Not reached, and another try may help"), "failed", "refresh"),
    "carrier": (N_("Through this carrier"), "operator", "building-broadcast-tower"),
    "replied": (N_("Answered"), "operator", "message-reply"),
    "silent": (N_("No answer"), "waiting", "message-off"),
    "left": (N_("Opted out by their answer"), "blocked", "hand-stop"),
}
_STATES = (RowState.REFUSED, RowState.SUPPRESSED, RowState.CANCELLED, RowState.EXPIRED)
KINDS = frozenset({"status", *_STATES, *_WORDS})


def read(args: Mapping[str, str]) -> Part:
    """The part that an address or a form names; NotFound for one that there is not."""
    kind, value = args.get("part", ""), args.get("value", "")
    if kind not in KINDS or len(value) > LONGEST or "\x00" in value:
        raise NotFound(N_("There is no such part of a campaign."))
    return Part(kind, value)


def of_count(row: RunCount) -> Part | None:
    """The part of the people of one counter, as the table of what became of them cuts it; None for who still waits."""
    if row.state == RowState.ACCEPTED:
        return Part("status", row.status)
    return None if row.state == RowState.PENDING else Part(row.state, row.reason)


def standing(part: Part) -> Standing:
    """How a part is shown: msgids, look and icon; a carrier's name is its value."""
    if part.kind == "status":
        return of_status(part.value, None, None) if part.value else of_reason(RowState.ACCEPTED, None)
    if part.kind in _STATES:
        return of_reason(part.kind, part.value or None)
    label, look, icon = _WORDS[part.kind]
    return Standing(part.kind, label, look, icon)


class Sizes(NamedTuple):
    """How many people a part has, and to how many of them another try may be sent."""

    people: int
    again: int


@dataclass(frozen=True, slots=True)
class Answers:
    """People who answered, and those of them who opted out by it."""

    replied: int = 0
    left: int = 0


def sizes(part: Part, counts: Iterable[RunCount], answers: Answers) -> Sizes:
    """The sizes of a part, from counters. Who gave no answer is counted as if all answers came from whom it reached."""
    rows = list(counts)
    if part.kind in {"replied", "left"}:
        return Sizes(answers.replied if part.kind == "replied" else answers.left, 0)
    inside = [row for row in rows if _holds(part, row)]
    people = sum(row.n for row in inside)
    if part.kind == "silent":
        people = max(people - answers.replied, 0)
    return Sizes(people, sum(row.n for row in inside if _may_again(part, row)))


def _holds(part: Part, row: RunCount) -> bool:
    accepted = row.state == RowState.ACCEPTED
    if part.kind in _STATES:
        return row.state == part.kind and row.reason == part.value
    if part.kind == "missed":
        return _may_again(part, row)
    return part.kind == "everybody" or (accepted and _holds_status(part, row))


def _holds_status(part: Part, row: RunCount) -> bool:
    return {
        "accepted": True,
        "status": row.status == part.value,
        "delivered": row.status in DELIVERED,
        "carrier": row.carrier == part.value,
        "silent": row.status not in UNDELIVERED,
    }[part.kind]


def _may_again(part: Part, row: RunCount) -> bool:
    if part.changes:
        return _holds(part, row)
    return row.state in SAME_STATES or (row.state == RowState.ACCEPTED and row.status in SAME_AGAIN)


def people(part: Part, run_id: int) -> ColumnElement[bool]:
    """The part as a condition on messages; the run itself is for the caller to ask about."""
    accepted = Message.state == RowState.ACCEPTED
    if part.kind in _STATES:
        return and_(Message.state == part.kind, func.coalesce(Message.reason, "") == part.value)
    if part.kind in {"everybody", "accepted"}:
        return Message.id > 0 if part.kind == "everybody" else accepted
    if part.kind == "status":
        return and_(accepted, func.coalesce(Message.status, "") == part.value)
    if part.kind == "delivered":
        return and_(accepted, Message.status.in_(DELIVERED))
    if part.kind == "missed":
        return again(part, run_id)
    if part.kind == "carrier":
        return and_(accepted, func.coalesce(Message.carrier, "") == part.value)
    if part.kind == "silent":
        lost = and_(Message.status.is_not(None), Message.status.in_(UNDELIVERED))
        return and_(accepted, ~lost, ~_answered(run_id))
    return _answered(run_id, left=part.kind == "left")


def again(part: Part, run_id: int) -> ColumnElement[bool]:
    """Of a part, whom another try may be sent to: it did not reach them, and it is known that it will not any more.

    Whoever answered was reached, whatever the receipts say.
    """
    if part.kind in {"replied", "left"}:
        return false()
    if part.changes:
        return and_(people(part, run_id), ~_answered(run_id))
    same = or_(Message.state.in_(SAME_STATES), and_(Message.state == RowState.ACCEPTED, Message.status.in_(SAME_AGAIN)))
    inside = same if part.kind == "missed" else and_(people(part, run_id), same)
    return and_(inside, ~_answered(run_id))


def _answered(run_id: int, *, left: bool = False) -> ColumnElement[bool]:
    answers = select(Inbound.id).where(Inbound.run_id == run_id, Inbound.number == Message.number)
    return (answers.where(Inbound.opted_out) if left else answers).exists()


def answers(session: Session, run_id: int) -> Answers:
    """Who answered a run, counted in one walk along the index."""
    left = func.max(case((Inbound.opted_out, 1), else_=0)).label("left")
    each = select(left).where(Inbound.run_id == run_id).group_by(Inbound.number).subquery()
    found = select(func.count(), func.coalesce(func.sum(each.c.left), 0)).select_from(each)
    replied, opted_out = session.execute(found).one()
    return Answers(replied, int(opted_out))

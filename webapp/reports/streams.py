"""Which index a view of the messages goes along: stretches of rows, the newest first, that hold every hit.

A view's filters are its dimensions. Each has an index that goes by it and then by (at, id), so the rows of one filter
need no search at all; of several, the one with the fewest rows leads, and the others are looked at row by row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text
from sqlalchemy.orm import Session

from webapp.messages.models import CLOSED_ROWS, OTHERS_ROWS, TOLD_ROWS, Batch, Message, Run
from webapp.messages.states import BatchState, RowState
from webapp.reports.filters import MessageFilter
from webapp.reports.standing import GROUPS

KINDS = {"replies": "reply", "tests": "test"}
_LOOKED_AT = (Message.run_id, Message.number, Message.type, Message.state, Message.status, Message.carrier)
MOST_STRETCHES = 16  # that are merged
Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """The stretches that lead a view. `dimension` is the filter they are by ("" = the period alone)."""

    dimension: str
    stretches: tuple[Conditions, ...]


def dimensions(wanted: MessageFilter) -> set[str]:
    """What a view asks for besides its period and its campaign."""
    asked = {
        "type": wanted.type is not None,
        "status": bool(wanted.status),
        "carrier": bool(wanted.carrier),
        "source": bool(wanted.source),
        "digits": bool(wanted.digits),
    }
    return {name for name, given in asked.items() if given}


def leads(wanted: MessageFilter) -> list[Lead]:
    """Every way to all hits of a view, but for the period alone."""
    found = []
    if wanted.status and (stretches := _of_status(wanted.status)):
        found.append(Lead("status", stretches))
    if wanted.source == "outside":
        found.append(Lead("source", ((text(OTHERS_ROWS),),)))  # type: ignore[arg-type]
    if wanted.carrier:
        found.append(Lead("carrier", (through(wanted.carrier),)))
    if wanted.type is not None:
        found.append(Lead("type", ((Message.type == wanted.type,),)))
    return found


def _of_status(name: str) -> tuple[Conditions, ...]:
    """A stretch for each status and state that is meant; none where one of them is of most messages."""
    group = GROUPS.get(name)
    statuses, _ = counted(name)
    if "1" in statuses:
        return ()
    return (*map(told, statuses), *(map(closed, group.states) if group else ()))


def through(carrier: str) -> Conditions:
    """The stretch of a carrier's rows."""
    return (Message.carrier == carrier,)


def told(status: str) -> Conditions:
    """The stretch of accepted rows of a status but 1 ('' = none was heard yet)."""
    heard = Message.status == status if status else Message.status.is_(None)
    return text(TOLD_ROWS), heard  # type: ignore[return-value]


def closed(state: str) -> Conditions:
    """The stretch of rows that ended here without leaving."""
    return text(CLOSED_ROWS), Message.state == state  # type: ignore[return-value]


def conditions(wanted: MessageFilter, dimension: str, row: Any) -> ColumnElement[bool]:
    """What a row must be to fit one dimension of a view. `row` has the columns of `Message`."""
    fits: ColumnElement[bool]
    match dimension:
        case "type":
            fits = row.type == wanted.type
        case "carrier":
            fits = row.carrier == wanted.carrier
        case "digits":
            fits = and_(row.number > 0, row.number % 10 ** len(wanted.digits) == int(wanted.digits))
        case "status":
            fits = status(wanted.status, row)
        case "source" if wanted.source == "outside":
            fits = row.run_id.is_(None)
        case _:
            fits = row.run_id.in_(select(Run.id).where(Run.kind == KINDS[wanted.source]))
    return fits


def status(name: str, row: Any) -> ColumnElement[bool]:
    """What a row must be to stand as a group or a gateway's code says."""
    group = GROUPS.get(name)
    if group is None:
        return and_(row.state == RowState.ACCEPTED, row.status == name)
    ways: list[ColumnElement[bool]] = []
    if group.states:
        ways.append(row.state.in_(group.states))
    if group.statuses:
        heard = row.status.in_(group.statuses)
        heard = or_(heard, row.status.is_(None)) if group.unheard else heard
        ways.append(and_(row.state == RowState.ACCEPTED, heard))
    chosen = or_(*ways)
    if name not in {"unknown", "pending"}:
        return chosen
    unknown = (
        select(Batch.id)
        .where(Batch.run_id == row.run_id, Batch.state == BatchState.UNKNOWN)
        .where(Batch.first_key <= row.id, Batch.last_key >= row.id)
        .exists()
    )
    return and_(chosen, unknown if name == "unknown" else ~unknown)


def fitting(
    session: Session, rows: Callable[[tuple[Any, ...]], Select[Any]], fits: Callable[[Any], list[ColumnElement[bool]]]
) -> Select[Any]:
    """Moment and key of those among some rows that fit. `rows` selects both, and the columns that it is given.

    PostgreSQL is to take the rows' keys from the index alone: where it reads more at once it thinks of another index,
    that of all moments, and goes through everything that lies there and is not meant.
    """
    if session.get_bind().dialect.name == "postgresql":
        keys = rows(()).subquery("looked_at")
        found = select(keys.c.at, keys.c.id).join(Message, Message.id == keys.c.id).where(*fits(Message))
        return found.order_by(keys.c.at.desc(), keys.c.id.desc())
    row = rows(_LOOKED_AT).subquery("looked_at").c
    return select(row.at, row.id).where(*fits(row)).order_by(row.at.desc(), row.id.desc())


def accepted_only(wanted: MessageFilter) -> bool:
    """Whether every hit was accepted by the gateway, so that the counters of days know it."""
    group = GROUPS.get(wanted.status)
    return bool(wanted.carrier) or (bool(wanted.status) and not (group and group.states))


def open_batches(wanted: MessageFilter) -> list[ColumnElement[bool]]:
    """The batches in which rows of the groups *pending* and *unknown* can be."""
    waiting = (BatchState.QUEUED, BatchState.SENDING, BatchState.HELD)
    return [Batch.state.in_((BatchState.UNKNOWN,) if wanted.status == "unknown" else waiting), Batch.pending > 0]


def counted(name: str) -> tuple[tuple[str, ...], bool]:
    """The statuses of accepted rows that a choice means, as counters write them ('' = none heard), if it means any."""
    group = GROUPS.get(name)
    if group is None:
        return (name,), True
    return (*group.statuses, *([""] if group.unheard else [])), bool(group.statuses or group.unheard)

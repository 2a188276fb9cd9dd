"""What messages hold of one person: told to them, and taken out of the rows without a count changing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.core.dossier import Section, Value
from webapp.core.i18n import N_
from webapp.core.spelling import like, mentions
from webapp.gateway import codes
from webapp.messages import outbox
from webapp.messages.models import Message, Receipt, Run
from webapp.messages.reference import encode
from webapp.messages.states import ROW_LOOKS, RowState

REASON = "erased"
SINGLES = ("reply", "test")  # launches for one person alone: their text is that person's
NAMELESS = "—"

_MESSAGES = (
    ("at", N_("When")), ("campaign", N_("Campaign")), ("text", N_("Text")), ("state", N_("State")),
    ("status", N_("Status")), ("status_at", N_("Status since")), ("carrier", N_("Operator")),
    ("credits", N_("Credits")), ("reference", N_("Reference")),
)  # fmt: skip
_RECEIPTS = (
    ("heard_at", N_("When")), ("source", N_("By")), ("reference", N_("Reference")), ("status", N_("Status")),
    ("carrier", N_("Operator")), ("raw", N_("As it came")),
)  # fmt: skip
_STATUSES = {code: known.label for code, known in codes.STATUSES.items()}
_SOURCES = {
    "callback": N_("The gateway called"), "mt_id": N_("The gateway was asked"), "mt_date": N_("The gateway was asked"),
}  # fmt: skip


def tell(session: Session, number: int, most: int) -> list[Section]:
    """Messages to a person, and what the gateway told of them; at most so many of each."""
    ours = Message.number == number
    shown = session.execute(
        select(Message, Run).outerjoin(Run, Run.id == Message.run_id).where(ours).order_by(Message.id).limit(most)
    ).all()
    heard = select(Receipt).join(Message, Message.id == Receipt.message_id).where(ours)
    loose = [row for row in _loose(session, number) if mentions(row.raw or "", number)]
    told = [*session.scalars(heard.order_by(Receipt.id).limit(most)), *loose][:most]
    receipts: list[tuple[Value, ...]] = [
        (row.heard_at, row.source, row.reference, row.status, row.carrier, row.raw) for row in told
    ]
    count = session.scalar(select(func.count()).where(ours)) or 0
    answers = session.scalar(select(func.count()).select_from(heard.subquery())) or 0
    return [
        Section(
            "messages",
            N_("Messages"),
            _MESSAGES,
            count,
            [_row(message, run) for message, run in shown],
            {"state": {key: words for key, (words, _, _) in ROW_LOOKS.items()}, "status": _STATUSES},
        ),
        Section(
            "receipts",
            N_("Delivery reports"),
            _RECEIPTS,
            answers + len(loose),
            receipts,
            {"status": _STATUSES, "source": _SOURCES},
        ),
    ]


def _row(message: Message, run: Run | None) -> tuple[Value, ...]:
    text = message.text if message.text is not None else run.text if run else ""
    reference = encode(run.token, message.id) if run else message.reference
    return (
        message.at, run.name if run else None, text, message.state, message.status, message.status_at,
        message.carrier, message.credits, reference,
    )  # fmt: skip


def _loose(session: Session, number: int) -> Sequence[Receipt]:
    """Callbacks about nothing of ours in whose bytes the number may stand."""
    return session.scalars(select(Receipt).where(Receipt.message_id.is_(None), Receipt.raw.like(like(number)))).all()


def stop(session: Session, number: int) -> int:
    """Keep back whatever has not left to a person; returns how many. What is leaving, or may have left, is not ours."""
    return outbox.suppress(session, number, reason=REASON)


def open_messages(session: Session, number: int) -> int:
    """Messages that are leaving or may have left: to ask the gateway about them takes the number."""
    return session.scalar(select(func.count()).where(Message.number == number, Message.state == RowState.PENDING)) or 0


def forget_person(session: Session, number: int) -> dict[str, int]:
    """Take a person out of every message that is not open; what was counted stays counted. Returns what was erased.

    A status that comes later finds its message by the reference, which says nothing of the person.
    """
    closed = Message.number == number, Message.state != RowState.PENDING
    keys = list(session.scalars(select(Message.id).where(*closed).order_by(Message.id).with_for_update()))
    gone = {"messages": len(keys), "receipts": 0}
    for start in range(0, len(keys), 500):
        chunk = keys[start : start + 500]
        runs = select(Message.run_id).where(Message.id.in_(chunk))
        session.execute(
            update(Run)
            .where(Run.id.in_(runs), Run.kind.in_(SINGLES))
            .values(name=NAMELESS, text="", caption="")
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(Message)
            .where(Message.id.in_(chunk))
            .values(number=-Message.id, text="", reference=None)
            .execution_options(synchronize_session=False)
        )
        bytes_of = update(Receipt).where(Receipt.message_id.in_(chunk), Receipt.raw.is_not(None))
        gone["receipts"] += _count(session.execute(bytes_of.values(raw=None)))
    loose = [row.id for row in _loose(session, number) if mentions(row.raw or "", number)]
    if loose:
        gone["receipts"] += _count(session.execute(update(Receipt).where(Receipt.id.in_(loose)).values(raw=None)))
    session.flush()
    session.expire_all()
    return gone


def _count(result: Any) -> int:
    return int(result.rowcount)

"""What the inbox holds of one person: told to them, and erased."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from sqlalchemy import Text, cast, delete, func, select, update
from sqlalchemy.orm import Session

from webapp.core.dossier import Section
from webapp.core.i18n import N_
from webapp.core.spelling import mentions
from webapp.inbox import conversations, intake
from webapp.inbox.models import Conversation, ConversationEvent, Draft, Inbound, Note, RawInbound, Sighting

CHUNK = 1000  # raw bodies read at a time

_REPLIES = (
    ("at", N_("When")), ("text", N_("Text")), ("source", N_("By")), ("opted_out", N_("Opt-out")),
    ("carrier", N_("Operator")), ("number_as_it_came", N_("Number as it came")),
)  # fmt: skip
_THREAD = (("opened_at", N_("Since")), ("last_at", N_("Last exchange")), ("name", N_("Name")), ("state", N_("State")))
_WORDS = (("at", N_("When")), ("text", N_("Text")))
# What goes with the last of the replies, the conversation itself at the end.
_BESIDE: tuple[tuple[str, Any], ...] = (
    ("drafts", Draft), ("notes", Note), ("events", ConversationEvent), ("conversation", Conversation),
)  # fmt: skip
_SOURCES = {
    "callback": N_("The gateway called"), "mo_new": N_("The gateway was asked"), "mo": N_("The gateway was asked"),
}  # fmt: skip
_STATES = {"open": N_("being looked after"), "closed": N_("closed")}
_RAW = (("received_at", N_("When")), ("source", N_("By")), ("body", N_("As it came")))


def tell(session: Session, number: int, most: int) -> list[Section]:
    """Replies, the conversation, notes and drafts about a person, and the bytes in which replies came."""

    def rows(model: Any, order: Any) -> tuple[int, list[Any]]:
        count = session.scalar(select(func.count()).select_from(model).where(model.number == number)) or 0
        return count, list(session.scalars(select(model).where(model.number == number).order_by(order).limit(most)))

    replies, heard = rows(Inbound, Inbound.id)
    threads, talked = rows(Conversation, Conversation.number)
    notes, noted = rows(Note, Note.id)
    drafts, typed = rows(Draft, Draft.at)
    raws = list(_raw_of(session, number))
    bodies = session.scalars(select(RawInbound).where(RawInbound.id.in_(raws)).order_by(RawInbound.id).limit(most))
    return [
        Section("replies", N_("Replies"), _REPLIES, replies, [
            (row.at, row.text, row.source, row.opted_out, row.carrier, row.number_raw) for row in heard
        ], {"source": _SOURCES}),
        Section("conversation", N_("Conversation"), _THREAD, threads, [
            (row.opened_at, row.last_at, row.name, row.state) for row in talked
        ], {"state": _STATES}),
        Section("notes", N_("Notes of colleagues"), _WORDS, notes, [(row.at, row.text) for row in noted]),
        Section("drafts", N_("Answers that were not sent"), _WORDS, drafts, [(row.at, row.text) for row in typed]),
        Section("raw_replies", N_("Replies as they came"), _RAW, len(raws), [
            (row.received_at, row.source, _only_theirs(row.body, number)) for row in bodies
        ], {"source": _SOURCES}),
    ]  # fmt: skip


def _only_theirs(body: bytes, number: int) -> str:
    """What came in about one person: of an answer about many, their part."""
    rows = _rows_of(body)
    if rows is None:
        return body.decode("utf-8", "replace")
    told = [json.dumps(row, ensure_ascii=False) for row in rows]
    return "\n".join(row for row in told if mentions(row, number))


def _rows_of(body: bytes) -> list[Any] | None:
    """The replies of an answer of `mo_new` or `mo`; None for the bytes of a callback, which is about one person."""
    try:
        rows = json.loads(body)["messages"]
    except (ValueError, KeyError, TypeError):
        return None
    return rows if isinstance(rows, list) else None


def _raw_of(session: Session, number: int) -> Iterator[int]:
    """Raw bodies that hold the number, however they came: a reply that two ways told of is linked to one of them."""
    on_postgres = session.get_bind().dialect.name == "postgresql"
    body = func.encode(RawInbound.body, "escape") if on_postgres else cast(RawInbound.body, Text)
    # Any spelling of the number ends in its last digits, in this order; what else does is sorted out below.
    wanted = select(RawInbound.id, RawInbound.body).where(body.like(f"%{'%'.join(str(number)[-4:])}%"))
    after = 0
    while rows := session.execute(wanted.where(RawInbound.id > after).order_by(RawInbound.id).limit(CHUNK)).all():
        after = rows[-1].id
        for raw_id, raw in rows:
            text = raw.decode("utf-8", "replace")
            if mentions(text, number) or mentions(unquote_plus(text), number):
                yield raw_id


def forget_person(session: Session, number: int, until: datetime | None = None) -> dict[str, int]:
    """Erase a person's conversation, replies, notes, drafts and raw bodies, as far as they are of before `until`
    (naive UTC; None: all). A person who writes after it has a conversation that is new, and stays.

    That somebody answered a campaign, and whether they opted out by it, stays as a figure of the campaign.
    """
    _read_the_unread(session, number)
    gone = {"raw_replies": _forget_raw(session, number, until)}
    replies = Inbound.number == number
    theirs = replies if until is None else replies & (Inbound.at <= until)
    ids = list(session.scalars(select(Inbound.id).where(theirs).with_for_update()))
    session.execute(delete(Sighting).where(Sighting.inbound_id.in_(ids)))
    session.execute(
        update(Inbound)
        .where(Inbound.id.in_(ids), Inbound.run_id.is_not(None))
        .values(
            number=-Inbound.id, number_raw="", text="", words="", text_key="", raw_id=None, gateway_id=None,
            reference=None, message_id=None, carrier=None, suspect=False,
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    session.execute(delete(Inbound).where(Inbound.id.in_(ids), Inbound.run_id.is_(None)))
    gone["replies"] = len(ids)
    left = session.scalar(select(Inbound.id).where(replies).limit(1))
    for key, model in _BESIDE:
        if left is None:
            gone[key] = _count(session.execute(delete(model).where(model.number == number)))
    if any(gone.values()):
        conversations.bump(session)
    session.flush()
    session.expire_all()
    return gone


def _read_the_unread(session: Session, number: int) -> None:
    """What was kept and not read yet gets its meaning first: a raw body may hold others' replies too."""
    for raw_id in list(_raw_of(session, number)):
        raw = session.get(RawInbound, raw_id)
        if raw is not None and raw.read_at is None:
            intake.read_raw(session, raw)
    session.flush()


def _forget_raw(session: Session, number: int, until: datetime | None) -> int:
    ids = set(_raw_of(session, number))
    ids |= {row for row in session.scalars(select(Inbound.raw_id).where(Inbound.number == number)) if row}
    old = select(RawInbound.id).where(RawInbound.id.in_(ids))
    if until is not None:
        old = old.where(RawInbound.received_at <= until)
    wanted = list(session.scalars(old))
    session.execute(update(Inbound).where(Inbound.raw_id.in_(wanted), Inbound.number == number).values(raw_id=None))
    linked = set(session.scalars(select(Inbound.raw_id).where(Inbound.raw_id.in_(wanted))))
    for raw_id in wanted:
        raw = session.get_one(RawInbound, raw_id)
        others = _without(raw.body, number)
        if others or raw_id in linked:  # theirs are understood already, or waiting to be
            raw.body = others
        else:
            session.delete(raw)
    session.flush()
    return len(wanted)


def _without(body: bytes, number: int) -> bytes:
    """An answer about many people without one of them; nothing where nobody else is in it."""
    others = [row for row in _rows_of(body) or [] if not mentions(json.dumps(row, ensure_ascii=False), number)]
    return json.dumps({**json.loads(body), "messages": others}, ensure_ascii=False).encode() if others else b""


def _count(result: Any) -> int:
    return int(result.rowcount)

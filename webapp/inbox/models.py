"""What people answer: raw, understood, and as conversations that colleagues work on."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, BigKey


class RawInbound(Base):
    """What the gateway handed us, byte for byte, committed before it is read: it may never be handed out again."""

    __tablename__ = "raw_inbound"
    __table_args__ = (
        Index("ix_raw_inbound_open", "read_at", "id"),
        Index("ix_raw_inbound_problem", "problem", "id"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    source: Mapped[str] = mapped_column(String(10))  # callback | mo_new | mo
    body: Mapped[bytes] = mapped_column(LargeBinary)  # the query string or the answer's body
    received_at: Mapped[datetime] = mapped_column(index=True)
    read_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(String(200))  # kept and shown where it could not be understood
    settled_at: Mapped[datetime | None]  # somebody looked at the problem
    digest: Mapped[str | None] = mapped_column(String(64), index=True)  # of odd rows that every sweep brings again


class Conversation(Base):
    """Everything with one person. One person is one number, however it was spelled."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index("ix_conversation_state_last_at", "state", "last_at"),
        Index("ix_conversation_last_at_key", "last_at", "key"),
        Index("ix_conversation_suspect", "suspect", sqlite_where=text("suspect"), postgresql_where=text("suspect")),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(12), unique=True)  # random; stands in addresses instead of the number
    state: Mapped[str] = mapped_column(String(8), default="open")  # open | closed
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    unread: Mapped[int] = mapped_column(default=0)  # replies nobody has opened
    name: Mapped[str] = mapped_column(String(200), default="")
    name_key: Mapped[str] = mapped_column(String(200), default="")  # folded, for searching
    channel_type: Mapped[int | None]  # service type of the last exchange: answers go out by the same kind
    snippet: Mapped[str] = mapped_column(String(160), default="")
    snippet_out: Mapped[bool] = mapped_column(default=False)  # the snippet is ours
    suspect: Mapped[bool] = mapped_column(default=False)  # a reply reads like an opt-out; a person decides
    version: Mapped[int] = mapped_column(default=0)  # counts every change, for live boxes
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]  # the first reply that nobody has answered
    first_answer_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Inbound(Base):
    """One reply, once, by however many ways it came."""

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("number", "text_key", "second"),
        Index("ix_inbound_number_at", "number", "at"),
        Index("ix_inbound_run_id_id", "run_id", "id"),
        Index("ix_inbound_run_id_number", "run_id", "number", "opted_out"),  # who answered, from the index alone
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)  # E.164 digits, or the digits as they came
    number_raw: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text, default="")  # the text folded, for searching
    text_key: Mapped[str] = mapped_column(String(64))  # hash of the trimmed NFC text
    second: Mapped[int] = mapped_column(BigInteger)  # the gateway's moment in epoch seconds
    at: Mapped[datetime] = mapped_column(index=True)  # the gateway's moment, or ours where it gave none
    received_at: Mapped[datetime]  # ours
    undated: Mapped[bool] = mapped_column(default=False)  # the gateway gave no moment: `second` and `at` are ours
    source: Mapped[str] = mapped_column(String(10))
    raw_id: Mapped[int | None] = mapped_column(ForeignKey("raw_inbound.id"), index=True)
    gateway_id: Mapped[str | None] = mapped_column(String(40))
    reference: Mapped[str | None] = mapped_column(String(60))
    message_id: Mapped[int | None] = mapped_column(BigInteger, index=True)  # of ours, which it answers
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    type: Mapped[int | None]
    carrier: Mapped[str | None] = mapped_column(String(60))
    opted_out: Mapped[bool] = mapped_column(default=False)  # the whole message was an opt-out word
    suspect: Mapped[bool] = mapped_column(default=False)  # reads like one; a person decides


class Sighting(Base):
    """One way in which a reply reached us, with the moment that this way stated.

    Ways state different seconds, and zones, for one reply, and a sweep brings it again and again: what a way said once
    is known when it says it again, and two equal replies stay two although each comes by three ways.
    """

    __tablename__ = "inbound_sighting"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    text_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(10), primary_key=True)
    second: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    inbound_id: Mapped[int] = mapped_column(ForeignKey("inbound.id"), index=True)


class ConversationEvent(Base):
    """What colleagues did with a conversation, for its thread and for the times to first answer and to the end."""

    __tablename__ = "conversation_event"
    __table_args__ = (Index("ix_conversation_event_number_at", "number", "at"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    number: Mapped[int] = mapped_column(ForeignKey("conversation.number"))
    at: Mapped[datetime]
    change: Mapped[str] = mapped_column(String(10))  # taken | assigned | released | closed | reopened
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # who did it; None: a new reply
    other_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # to whom it was given


class Note(Base):
    """What colleagues write to each other beside a conversation; the person never sees it."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_number_at", "number", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(ForeignKey("conversation.number"))
    at: Mapped[datetime]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    text: Mapped[str] = mapped_column(Text)


class Draft(Base):
    """What somebody has typed and not sent."""

    __tablename__ = "draft"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class CannedReply(Base):
    """An answer kept for use again."""

    __tablename__ = "canned_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(80), unique=True)
    text: Mapped[str] = mapped_column(Text)


class InboxVersion(Base):
    """One row: a number that counts every change of the inbox, so that live boxes ask one integer."""

    __tablename__ = "inbox_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, default=0)

"""People, their sessions, one-time links, and the audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.db import Base, BigKey


class Person(Base):
    """Someone who signs in. Without a password they have not used their one-time link yet."""

    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    locale: Mapped[str | None] = mapped_column(String(8))
    timezone: Mapped[str | None] = mapped_column(String(64))
    theme: Mapped[str] = mapped_column(String(8), default="light")
    shortcuts: Mapped[bool] = mapped_column(default=True)
    undo_seconds: Mapped[int] = mapped_column(default=15)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]

    sessions: Mapped[list["LoginSession"]] = relationship(back_populates="person")


class LoginSession(Base):
    """One sign-in. The cookie holds a random id whose hash is here, so ending the row ends the cookie."""

    __tablename__ = "login_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # moved by a person's requests, not by polling
    ended_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))

    person: Mapped[Person] = relationship(back_populates="sessions")


class Invite(Base):
    """A one-time link to choose a password."""

    __tablename__ = "invite"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginAttempt(Base):
    """A sign-in that did not work (yet): a try counts as failed until the password turns out right."""

    __tablename__ = "login_attempt"
    __table_args__ = (
        Index("ix_login_attempt_address_at", "address", "at"),
        Index("ix_login_attempt_account_at", "account", "at"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account: Mapped[str] = mapped_column(String(64))  # keyed hash of what was typed, whether somebody has it or not
    address: Mapped[str] = mapped_column(String(64))  # of IPv6 the network, which one person has all of
    at: Mapped[datetime]


class Audit(Base):
    """Who did what, when and from where. Only ever added to; people appear by id or keyed hash, never by number."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    actor: Mapped[str] = mapped_column(String(254))  # the e-mail address as it was, or "command", "worker"
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(60), index=True)  # "login", "campaign.cancel", …
    subject: Mapped[str] = mapped_column(String(120))  # "campaign 7"
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)

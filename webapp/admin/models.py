"""Requests to erase a person, from the click to the last message that had to be settled first."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class Erasure(Base):
    """One erasure. The number is here only until it is done; the mark, which tells nobody anything, stays."""

    __tablename__ = "erasure"

    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(32))  # keyed hash, see `optouts.erased`
    open_mark: Mapped[str | None] = mapped_column(String(32), unique=True)  # the same until it is done: one at a time
    number: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10), index=True)  # a key of `admin.words.ERASURES`
    reason: Mapped[str] = mapped_column(String(300))
    requested_at: Mapped[datetime]  # what is of before it goes
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    waits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # messages, launches, files → how many
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # kind → how many were erased
    done_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]  # a worker is at it until then

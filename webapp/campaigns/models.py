"""Campaigns as people write them. What sending needs of one lives in its run (`messages`)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.db import Base
from webapp.messages.models import Run


class Media(Base):
    """A file that we host for the gateway to fetch."""

    __tablename__ = "media"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)  # random, with its extension
    kind: Mapped[str] = mapped_column(String(8))  # image | audio | video
    original: Mapped[str] = mapped_column(String(200))
    size: Mapped[int]  # bytes
    width: Mapped[int | None]  # pixels
    height: Mapped[int | None]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class Campaign(Base):
    """A draft until it has a run; from then on the run says how it stands."""

    __tablename__ = "campaign"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    type: Mapped[int] = mapped_column(default=0)  # service type of the gateway
    text: Mapped[str] = mapped_column(Text, default="")
    caption: Mapped[str] = mapped_column(Text, default="")
    media_id: Mapped[int | None] = mapped_column(ForeignKey("media.id"))
    media_url: Mapped[str | None] = mapped_column(String(500))  # a file hosted elsewhere
    lists: Mapped[list[int]] = mapped_column(JSON, default=list)  # in order: the first named gives the fields
    excluded_lists: Mapped[list[int]] = mapped_column(JSON, default=list)
    filters: Mapped[list[Any]] = mapped_column(JSON, default=list)
    rest_days: Mapped[int] = mapped_column(default=0)  # who got a campaign in so many days is left out; 0 = nobody
    estimate: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # the audience as last counted while composing
    missing: Mapped[str] = mapped_column(String(8), default="leave")  # a field without value: leave out | send empty
    accents: Mapped[str] = mapped_column(String(8), default="keep")  # keep | save: exchange them where that costs less
    send_at: Mapped[datetime | None]  # UTC; None = as soon as launched
    timezone: Mapped[str] = mapped_column(String(64))
    handover: Mapped[str] = mapped_column(String(8), default="held")  # held here until shortly before | now
    valid_until: Mapped[datetime | None]  # UTC; what has not left by then expires
    ignores_window: Mapped[bool] = mapped_column(default=False)  # an admin's override
    canary: Mapped[bool] = mapped_column(default=False)
    forecast: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # of the last exact count; None = not counted
    audience_upto: Mapped[int | None] = mapped_column(BigInteger)  # contacts above this id came after the launch
    lease_until: Mapped[datetime | None]  # a worker counts or launches it until then
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), unique=True)
    # Another try of that run (the first of them all): whoever one of them has reached since is left out. Not a foreign
    # key: SQLite would copy the table to add one.
    retry_of: Mapped[int | None] = mapped_column(index=True)

    run: Mapped[Run | None] = relationship()
    media: Mapped[Media | None] = relationship()

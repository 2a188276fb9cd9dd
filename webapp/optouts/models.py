"""Who must not be written to. The number is the person, so this holds over every list."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, BigKey

EVERY_CHANNEL = "all"


class OptOut(Base):
    """Somebody who must not be written to now, on one channel or on all."""

    __tablename__ = "optout"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # E.164 digits
    channel: Mapped[str] = mapped_column(String(12), primary_key=True, default=EVERY_CHANNEL)
    since: Mapped[datetime] = mapped_column(index=True)
    origin: Mapped[str] = mapped_column(String(12))  # reply | hand | import
    reason: Mapped[str] = mapped_column(String(300))  # the word they sent, or what a colleague wrote
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class OptOutEvent(Base):
    """Every change of it: who, when, why. Only ever added to."""

    __tablename__ = "optout_event"
    __table_args__ = (Index("ix_optout_event_number_at", "number", "at"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    channel: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
    change: Mapped[str] = mapped_column(String(8))  # added | lifted
    origin: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(300))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class Erased(Base):
    """The tombstone of somebody who was erased on request: no number, only its keyed hash and the moment.

    What was before the moment never comes back, whatever sweeps and files bring. While `suppressed`, nobody takes the
    number in again or writes to it.
    """

    __tablename__ = "erased"

    mark: Mapped[str] = mapped_column(String(32), primary_key=True)  # see `optouts.erased`
    at: Mapped[datetime]
    suppressed: Mapped[bool] = mapped_column(default=True)
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    lift_reason: Mapped[str | None] = mapped_column(String(300))

"""Who must not be written to. The number is the person, so this holds over every list."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, BigKey
from webapp.core.i18n import N_

EVERY_CHANNEL = "all"
# On what somebody does not want to be written to: `ServiceType.channel`, or all of them.
CHANNELS = {
    EVERY_CHANNEL: N_("every channel"),
    "sms": N_("SMS"),
    "whatsapp": N_("WhatsApp"),
    "voice": N_("voice calls"),
}


# Who asked for it, by a reply or to a colleague; not whom a list names, by the million on one day. Written out, for
# SQLite takes a partial index only where the words are the same.
ASKED = text("optout.origin <> 'import'")
_ASKED_HERE = text("origin <> 'import'")


class OptOut(Base):
    """Somebody who must not be written to now, on one channel or on all."""

    __tablename__ = "optout"
    # In the order of the page. One file may bring millions at the same moment, so the moment alone is no order.
    __table_args__ = (
        Index("ix_optout_since_number_channel", "since", "number", "channel"),
        Index("ix_optout_origin_since_number_channel", "origin", "since", "number", "channel"),
        Index("ix_optout_asked_since", "since", sqlite_where=_ASKED_HERE, postgresql_where=_ASKED_HERE),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # E.164 digits
    channel: Mapped[str] = mapped_column(String(12), primary_key=True, default=EVERY_CHANNEL)
    since: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(12))  # reply | hand | import
    reason: Mapped[str] = mapped_column(String(300))  # the word they sent, or what a colleague wrote
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    # The import that alone keeps them out, which its undoing lifts: nobody else has asked for the same since. Not a
    # foreign key: imports are contacts', which stand to the left of us.
    import_id: Mapped[int | None]


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

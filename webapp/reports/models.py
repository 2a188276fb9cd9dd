"""What reports keep: the people whom somebody took out of a campaign, and views of the delivery browser."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class CampaignExtract(Base):
    """The people of a slice of a campaign on their way into a new list; for another try a draft is made for them, too.

    `found` = `added` + `erased`, and with another try + `opted_out`: there whoever left stays out of the list. In a
    list they are added, and counted, as those of an import.
    """

    __tablename__ = "campaign_extract"
    __table_args__ = (Index("ix_campaign_extract_campaign_id_id", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    press: Mapped[str] = mapped_column(String(32), unique=True)  # of the form: its second press finds the first
    part: Mapped[str] = mapped_column(String(12))  # `slices.Part`: its kind …
    value: Mapped[str] = mapped_column(String(60), default="")  # … and its value
    deed: Mapped[str] = mapped_column(String(5))  # list | retry
    name: Mapped[str] = mapped_column(String(120))
    list_id: Mapped[int | None] = mapped_column(ForeignKey("contact_list.id"))
    draft_id: Mapped[int | None]  # the draft of another try; no foreign key, for drafts may be deleted
    state: Mapped[str] = mapped_column(String(8), default="working", index=True)  # working | done | nobody | failed
    after_key: Mapped[int] = mapped_column(BigInteger, default=0)  # messages up to this key were looked at
    found: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    opted_out: Mapped[int] = mapped_column(default=0)
    erased: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    finished_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]  # a worker is at it until then


class SavedView(Base):
    """Filters of the delivery browser under a name. Never of one person: whose messages it shows is not kept."""

    __tablename__ = "saved_view"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    asked: Mapped[dict[str, str]] = mapped_column(JSON)  # what stands in the address
    shared: Mapped[bool] = mapped_column(default=False)  # everybody sees it, its owner changes it
    created_at: Mapped[datetime]

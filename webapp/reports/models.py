"""What people keep of the delivery browser."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class SavedView(Base):
    """Filters of the delivery browser under a name. Never of one person: whose messages it shows is not kept."""

    __tablename__ = "saved_view"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    asked: Mapped[dict[str, str]] = mapped_column(JSON)  # what stands in the address
    shared: Mapped[bool] = mapped_column(default=False)  # everybody sees it, its owner changes it
    created_at: Mapped[datetime]

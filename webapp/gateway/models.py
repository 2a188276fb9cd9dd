"""The gateway account as the admin page keeps it, and whether the gateway refuses us."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class Account(Base):
    """One row (id 1): the account's address and login where the settings leave them to the page, and its stops."""

    __tablename__ = "gateway_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str | None] = mapped_column(String(300))
    user: Mapped[str | None] = mapped_column(String(200))
    password_sealed: Mapped[str | None] = mapped_column(Text)  # encrypted under the secret key
    callback_token_sealed: Mapped[str | None] = mapped_column(Text)
    previous_token_sealed: Mapped[str | None] = mapped_column(Text)  # still good while the vendor changes over
    stopped_code: Mapped[str | None] = mapped_column(String(8))  # "010", "090", "091", or account.UNREADABLE
    stopped_at: Mapped[datetime | None]
    unreadable_in_row: Mapped[int] = mapped_column(default=0)  # send answers in a row that could not be read
    dates_zone: Mapped[str] = mapped_column(String(6), default="-03:00")  # of dates that come without one

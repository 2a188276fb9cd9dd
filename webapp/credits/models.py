"""Readings of the account's purses and the thresholds that raise an alert."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class BalanceReading(Base):
    """What `balance` answered at one moment. A purse that was not in the answer is unknown (None), never 0."""

    __tablename__ = "balance_reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    balance_1: Mapped[int | None]
    balance_2: Mapped[int | None]
    balance_3: Mapped[int | None]
    balance_4: Mapped[int | None]
    activation: Mapped[datetime | None]
    expiration: Mapped[datetime | None]

    def purse(self, number: int) -> int | None:
        """Credits in purse 1 to 4."""
        value: int | None = getattr(self, f"balance_{number}")
        return value


class Threshold(Base):
    """Below how many credits (purses "1" to "4"), or how many days before expiry ("days"), people are warned."""

    __tablename__ = "threshold"

    name: Mapped[str] = mapped_column(String(8), primary_key=True)
    value: Mapped[int]

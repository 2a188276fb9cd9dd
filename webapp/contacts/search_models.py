"""What the search of big lists keeps: made from the people by a job, and to be thrown away and made again at any time.

A list is cut into blocks of `BLOCK` ids. A block's postings say, for each word of a name, pair of last digits and kind
of number, whose of the block's people have it. Triggers on `contact` note which blocks have changed since.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, BigKey

BLOCK_BITS = 14
BLOCK = 1 << BLOCK_BITS  # ids of a block; a contact's block is `id >> BLOCK_BITS`


class SearchState(Base):
    """How far a list is indexed, and which worker is at it."""

    __tablename__ = "contact_search"

    list_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    upto: Mapped[int] = mapped_column(BigInteger, default=0)  # people with higher ids are in no block yet
    holder: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]


class SearchBlock(Base):
    """A block of a list that has postings."""

    __tablename__ = "contact_search_block"

    list_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    outs: Mapped[int]  # of its people, who was opted out of everything
    upto_event: Mapped[int] = mapped_column(BigInteger)  # opt-out events that `outs` and its postings know of


class SearchPosting(Base):
    """Whose of a block's people have a token: see `contacts.postings`."""

    __tablename__ = "contact_search_posting"
    # In this order a block is written and thrown away in one piece.
    __table_args__ = {"sqlite_with_rowid": False}

    list_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    token: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # bytes: compared alike by both databases
    places: Mapped[bytes] = mapped_column(LargeBinary)


class SearchStale(Base):
    """Somebody of a block was changed or removed; written by triggers, taken away by the job that looked again.

    On SQLite one row a block, whose `change` counts; on PostgreSQL a row for each transaction, so that none waits for
    another.
    """

    __tablename__ = "contact_search_stale"
    __table_args__ = (Index("ix_contact_search_stale_list_id_block_change", "list_id", "block", "change"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    list_id: Mapped[int]
    block: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[int] = mapped_column(BigInteger)

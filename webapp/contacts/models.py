"""Lists, the people in them, and how they came in."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.core.db import Base, BigKey

_OPEN = text("mended_at IS NULL")


class ContactList(Base):
    """A list of people under one name."""

    __tablename__ = "contact_list"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    archived_at: Mapped[datetime | None]
    size: Mapped[int] = mapped_column(default=0)  # people in it; changed in the transaction that changes the rows

    fields: Mapped[list["ListField"]] = relationship(order_by="ListField.position", back_populates="list")


class ListField(Base):
    """A column of a list beyond number and name; `key` is the placeholder's name."""

    __tablename__ = "list_field"
    __table_args__ = (UniqueConstraint("list_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("contact_list.id"))
    key: Mapped[str] = mapped_column(String(60))  # folded: lower-case ASCII with _
    label: Mapped[str] = mapped_column(String(120))  # the header as it stood in the file
    kind: Mapped[str] = mapped_column(String(8), default="text")  # text | number | date | name | phone
    position: Mapped[int]

    list: Mapped[ContactList] = relationship(back_populates="fields")


class Contact(Base):
    """One person in one list. The same number in two lists is the same person."""

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("number", "list_id"),  # in this order it also finds a person in all lists
        Index("ix_contact_list_id_id", "list_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("contact_list.id"))
    number: Mapped[int] = mapped_column(BigInteger)  # E.164 digits
    kind: Mapped[str] = mapped_column(String(8), default="mobile")  # mobile | landline (voice only) | foreign
    name: Mapped[str] = mapped_column(String(200), default="")
    name_key: Mapped[str] = mapped_column(String(200), default="")  # folded, for searching
    fields: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("contact_import.id"))  # that brought them in
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Import(Base):
    """One upload on its way into a list, or among the opt-outs, from the stored file to the counts of its result.

    Of opt-outs `imported` are those who were not opted out before, `suppressed` those who were; `source` is where the
    list is from. Undoing takes from `created` whom it freed: what is left of it stayed opted out, or was lifted before.
    """

    __tablename__ = "contact_import"
    __table_args__ = (Index("ix_contact_import_header_key_started_at", "header_key", "started_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(8), default="people", server_default="people")  # people | optouts
    list_id: Mapped[int | None] = mapped_column(ForeignKey("contact_list.id"))
    new_list_name: Mapped[str | None] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(12))  # a key of `contacts.states.STATES`
    filename: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(String(300))  # below the instance folder
    format: Mapped[str] = mapped_column(String(8))  # csv | sheet | paste
    encoding: Mapped[str | None] = mapped_column(String(20))
    delimiter: Mapped[str | None] = mapped_column(String(4))
    has_header: Mapped[bool] = mapped_column(default=True)
    header_key: Mapped[str | None] = mapped_column(String(64))  # see `contacts.recall`; None: nothing to remember
    mapping: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    checked: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # what the check before it counted
    total_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    done_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    rows: Mapped[int] = mapped_column(default=0)
    imported: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)  # of the imported, those new to the list
    duplicates: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    suppressed: Mapped[int] = mapped_column(default=0)
    landlines: Mapped[int] = mapped_column(default=0)
    repaired: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # repair → how many
    basis: Mapped[str] = mapped_column(String(20), default="not_stated")  # LGPD: consent, contract, interest, …
    source: Mapped[str] = mapped_column(String(300), default="")
    consent_date: Mapped[date | None]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]  # a worker is at it until then
    tries: Mapped[int] = mapped_column(default=0, server_default="0")  # begun and not gone on since
    mended_at: Mapped[datetime | None]  # when a wrong row of it was mended last
    error: Mapped[str | None] = mapped_column(Text)  # msgid of the sentence for the person
    error_values: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    channel: Mapped[str | None] = mapped_column(String(12))  # of opt-outs: on which nobody of the file is written to
    undo_reason: Mapped[str | None] = mapped_column(String(300))  # of opt-outs: why they were lifted again …
    undo_by: Mapped[int | None]  # … and by whom. No foreign key: SQLite would copy the table to add one


class ImportFault(Base):
    """A row that could not be used, as it stood, with its reason."""

    __tablename__ = "import_fault"
    __table_args__ = (  # what is still wrong: paged, one reason alone, counted by reason without reading the rows
        Index("ix_import_fault_open", "import_id", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(
            "ix_import_fault_open_reason", "import_id", "reason", "mended_at", "id",
            sqlite_where=_OPEN, postgresql_where=_OPEN,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("contact_import.id"))
    line: Mapped[int]  # as a spreadsheet counts it, the header being 1
    column: Mapped[str] = mapped_column(String(120))
    value: Mapped[str] = mapped_column(String(300))
    reason: Mapped[str] = mapped_column(String(40))  # key of the reasons in `contacts.faults`
    row: Mapped[list[Any]] = mapped_column(JSON)
    mended_at: Mapped[datetime | None]


class ImportBefore(Base):
    """A person who was in the list already, as they were before an import changed them: what its undoing restores."""

    __tablename__ = "import_before"

    import_id: Mapped[int] = mapped_column(ForeignKey("contact_import.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(200))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)


class ConsentStatement(Base):
    """Why people may be written to, as somebody stated it once: with an import, or by hand for one person."""

    __tablename__ = "consent_statement"
    __table_args__ = {"sqlite_autoincrement": True}  # an id is never given again: links may outlive their statement

    id: Mapped[int] = mapped_column(primary_key=True)
    basis: Mapped[str] = mapped_column(String(20))  # a key of `states.BASES`, or `states.WITHDRAWN`
    purpose: Mapped[str] = mapped_column(String(12))  # a key of `states.PURPOSES`
    channels: Mapped[str] = mapped_column(String(40))  # keys of `states.CHANNELS` in their order, with commas
    source: Mapped[str] = mapped_column(String(300))
    given_on: Mapped[date | None]  # None: nobody said when
    proof_path: Mapped[str | None] = mapped_column(String(100))  # below the instance folder
    proof_name: Mapped[str | None] = mapped_column(String(200))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("contact_import.id"), unique=True)  # None: by hand
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class ConsentLink(Base):
    """Whom a statement is about. It hangs on the number, so it outlives the lists that the person was in.

    Written a million times by an import: one tree and no more. A foreign key would look the statement up for each row,
    and an index by statement would double the work for what only an undo asks; a link whose statement is gone says
    nothing.
    """

    __tablename__ = "consent"
    __table_args__ = {"sqlite_with_rowid": False}

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # E.164 digits
    statement_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

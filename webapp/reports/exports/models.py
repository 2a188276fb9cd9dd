"""Files that workers make."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class ExportFile(Base):
    """A file with more rows than are sent at once: asked for by a person, made by a worker, kept for a day."""

    __tablename__ = "export_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)  # random: its address
    label: Mapped[str] = mapped_column(String(200))  # for the person who asked, in their language
    campaign_id: Mapped[int | None]  # whose people it holds; None: the messages of a view
    view: Mapped[dict[str, str]] = mapped_column(JSON)  # the view's address; without its number once the file is made
    format: Mapped[str] = mapped_column(String(4))  # csv | xlsx
    locale: Mapped[str] = mapped_column(String(8))
    zone: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10))  # a key of `exports.states.STATES`
    open_mark: Mapped[str | None] = mapped_column(String(64), unique=True)  # while open: nobody asks for it twice
    expected: Mapped[int] = mapped_column(BigInteger)  # rows
    rows: Mapped[int] = mapped_column(BigInteger, default=0)  # written so far
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    path: Mapped[str | None] = mapped_column(String(80))  # below the instance folder; None: there is no file
    error: Mapped[str | None] = mapped_column(Text)  # msgid of what the person is told
    asked_at: Mapped[datetime]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]  # of a file that is ready
    lease_until: Mapped[datetime | None]  # a worker is at it until then
    holder: Mapped[str | None] = mapped_column(String(16))  # which attempt; an older one writes nothing any more
    attempts: Mapped[int] = mapped_column(default=0)

"""Whether the instance folder and the database belong together.

Machines of one installation share one folder. One that was given a folder of its own, or another installation's
database, would host media that nobody finds and seal passwords that nobody else can open.
"""

import secrets
from pathlib import Path

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.core.db import Base
from webapp.core.errors import UserError
from webapp.core.secrets import keep

FILE = "installation"


class Installation(Base):
    """One row: the name that the instance folder carries too."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


def check(session: Session, folder: Path) -> None:
    """Name a new installation; UserError where folder and database carry different names. The transaction writes."""
    path = folder / FILE
    found = session.get(Installation, 1)
    if found is None:
        session.add(Installation(id=1, name=keep(path, secrets.token_hex(8))))
        session.flush()
        return
    named = path.read_text().strip() if path.exists() else ""
    if named != found.name:
        raise UserError(
            "%(folder)s does not belong to this database: share the folder of the other machines, "
            "or, where it is lost, write %(name)s into %(file)s.",
            folder=str(folder),
            name=found.name,
            file=str(path),
        )

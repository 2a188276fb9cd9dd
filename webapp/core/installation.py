"""Whether the instance folder, the database and the secret key belong together.

Machines of one installation share one folder. One that was given a folder of its own, or another installation's
database, would host media that nobody finds; one with a key of its own would seal passwords that nobody else can open,
and sign everybody out who comes from another machine.
"""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.core.db import Base
from webapp.core.errors import UserError
from webapp.core.keyfile import keep
from webapp.core.secrets import fingerprint

FILE = "installation"
KEY_FILE = "secret_check"


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


def check_key(folder: Path, keys: Sequence[str]) -> None:
    """Remember which secret key the folder is used with; UserError where it is used with another one.

    `keys` are the one in force and those that still open what they closed. The folder keeps no key, but a keyed hash.
    """
    path = folder / KEY_FILE
    marks = [fingerprint(key, FILE) for key in keys]
    kept = keep(path, marks[0])
    if kept not in marks:
        raise UserError(
            "The secret key is not the one that %(folder)s was used with: give every machine the same "
            "RECADO_SECRET_KEY, name the former one in RECADO_SECRET_KEY_FALLBACKS, or, where it is lost, delete "
            "%(file)s.",
            folder=str(folder),
            file=str(path),
        )
    if kept != marks[0]:  # rotated: from now on the new one is asked for
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(marks[0])
        draft.replace(path)

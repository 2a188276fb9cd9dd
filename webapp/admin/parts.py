"""Every place where something of a person is held. A package that keeps people's data has its line in both functions.

Each package offers `tell` (what is held, for the page and the export) and `forget_person` (erase it; twice does no
harm) in a module called `privacy`.
"""

from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from webapp.contacts import privacy as contacts
from webapp.core.dossier import Section
from webapp.inbox import privacy as inbox
from webapp.messages import privacy as messages
from webapp.optouts import privacy as optouts


def tell(session: Session, folder: Path, number: int, most: int) -> list[Section]:
    """Everything that is held of a number (E.164), by kind, at most so many of each (0: only the counts)."""
    return [
        *contacts.tell(session, folder, number, most),
        *messages.tell(session, number, most),
        *inbox.tell(session, number, most),
        *optouts.tell(session, number, most),
    ]


def forget(session: Session, folder: Path, number: int, until: datetime, uploads: list[int]) -> dict[str, int]:
    """Erase what is of before `until` (naive UTC) everywhere, but for messages that are still open; what has not left
    does not leave. Returns how many rows of each kind went."""
    messages.stop(session, number)
    return {
        **contacts.forget_person(session, folder, number, uploads),
        **inbox.forget_person(session, number, until),
        **messages.forget_person(session, number),
        **optouts.forget_person(session, number),
    }

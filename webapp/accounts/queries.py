"""What the pages about oneself and about people show."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts import sessions
from webapp.accounts.models import Invite, LoginSession, Person
from webapp.core import clock
from webapp.core.errors import NotFound

_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("Android", r"Android"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux"),
)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One sign-in of a person that is good now. `browser` and `system` are "" where they cannot be told."""

    id: int
    browser: str
    system: str
    address: str
    started_at: datetime
    seen_at: datetime
    is_this: bool

    @property
    def on_phone(self) -> bool:
        """Whether it is held in a hand."""
        return self.system in {"Android", "iPhone", "iPad"}


def open_sessions(session: Session, person_id: int, this_id: int | None = None) -> list[OpenSession]:
    """A person's sign-ins that are good now: the one that asks first, then the latest used."""
    rows = [_shown(row, this_id) for row in sessions.live_sessions(session, person_id)]
    return sorted(rows, key=lambda row: not row.is_this)


def _shown(row: LoginSession, this_id: int | None) -> OpenSession:
    return OpenSession(
        id=row.id,
        browser=_first(_BROWSERS, row.agent),
        system=_first(_SYSTEMS, row.agent),
        address=row.address,
        started_at=row.created_at,
        seen_at=row.seen_at,
        is_this=row.id == this_id,
    )


def _first(table: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in table if re.search(pattern, agent)), "")


def person(session: Session, person_id: int) -> Person:
    """That person. NotFound where there is none."""
    found = session.get(Person, person_id)
    if found is None:
        raise NotFound("There is no such person.")
    return found


def people(session: Session) -> Sequence[Person]:
    """Everybody who has or had access: those who have it first, by name."""
    return session.scalars(
        select(Person).order_by(Person.disabled_at.is_not(None), func.lower(Person.name), Person.id)
    ).all()


def open_links(session: Session) -> dict[int, datetime]:
    """Person → until when their unused one-time link is good."""
    rows = session.execute(
        select(Invite.person_id, Invite.expires_at).where(Invite.used_at.is_(None), Invite.expires_at > clock.now())
    )
    return {row.person_id: row.expires_at for row in rows}

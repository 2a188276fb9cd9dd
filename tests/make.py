"""The builder: a small cast (Ana, Bruno, Carla …) and what they need, made through the product's own services."""

from sqlalchemy.orm import Session

from webapp.accounts import service as accounts
from webapp.accounts import sessions
from webapp.accounts.models import Person
from webapp.core.db import Database

PASSWORD = "correct horse battery"
ANA, BRUNO, CARLA = 5511987654321, 5521998765432, 5531987651234


def person(session: Session, role: str = "marketing", *, email: str | None = None, locale: str | None = None) -> Person:
    """Somebody who can sign in, without paying for a password hash."""
    made = accounts.create(session, email or f"{role}@example.com", role, name=f"{role.title()} Silva")
    made.locale = locale
    return made


def signed_in_person(db: Database, role: str, *, locale: str = "pt_BR") -> str:
    """The cookie's token of a new session of somebody with that role."""
    with db.writing() as session:
        count = session.query(Person).count()
        somebody = person(session, role, email=f"{role}{count}@example.com", locale=locale)
        return sessions.start_session(session, somebody, "127.0.0.1", "tests")

"""`recado user create` and `recado user reset`, without the terminal around them."""

from webapp.accounts import audit, service
from webapp.accounts.models import Person
from webapp.core.db import Database
from webapp.core.errors import NotFound


def create_user(db: Database, email: str, role: str, password: str | None) -> tuple[Person, str | None]:
    """A new person, and without a password the token of a one-time link (`/welcome/<token>`, good for 24 hours).

    UserError for an address that is none or taken, an unknown role, a password that cannot be used.
    """
    with db.writing() as session:
        person = service.create(session, email, role, password=password)
        token = service.invite(session, person) if password is None else None
        audit.record(session, "person.create", f"person {person.id}", actor="command", role=role)
    return person, token


def reset_user(db: Database, email: str) -> str:
    """The token of a new one-time link; the old password works until the link is used. NotFound for nobody."""
    with db.writing() as session:
        person = service.by_email(session, email)
        if person is None:
            raise NotFound("Nobody has the address %(email)s.", field="email", email=service.fold_email(email))
        if person.disabled_at:
            raise NotFound("%(email)s is disabled. Enable the person first.", field="email", email=person.email)
        token = service.invite(session, person)
        audit.record(session, "person.link", f"person {person.id}", actor="command")
    return token

"""People: who there is, what they may, how they get in."""

import re
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.accounts import passwords, tries
from webapp.accounts.models import Invite, Person
from webapp.accounts.permissions import ROLES
from webapp.accounts.sessions import end_sessions
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.secrets import token_hash

LINK_LIFE = timedelta(hours=24)
UNDO_CHOICES = (5, 15, 30, 60)  # seconds
THEMES = ("light", "dark")
_EMAIL = re.compile(r"[^\s@<>\"',;:()\[\]\\]{1,64}@(?:[^\s@.<>\"',;:()\[\]\\]+\.)*[^\s@.<>\"',;:()\[\]\\]{2,}")


def fold_email(email: str) -> str:
    """How addresses are compared and stored."""
    return email.strip().lower()


def create(session: Session, email: str, role: str, *, name: str = "", password: str | None = None) -> Person:
    """A new person. UserError where the address is taken or no address, or the role is unknown."""
    email = fold_email(email)
    _, _, domain = email.partition("@")
    if len(email) > 254 or not _EMAIL.fullmatch(email) or ("." not in domain and domain != "localhost"):
        raise UserError("%(email)s is not an e-mail address.", field="email", email=email[:100])
    _check_role(role)
    if session.scalar(select(Person.id).where(Person.email == email)):
        raise UserError("Somebody with the address %(email)s exists already.", field="email", email=email)
    person = Person(
        email=email, name=" ".join(name.split())[:120] or email.partition("@")[0], role=role, created_at=clock.now(),
        theme=THEMES[0], shortcuts=True, undo_seconds=15,
    )  # fmt: skip
    if password is not None:
        set_password(session, person, password)
    session.add(person)
    session.flush()
    return person


def by_email(session: Session, email: str) -> Person | None:
    """The person of that address."""
    return session.scalar(select(Person).where(Person.email == fold_email(email)))


def check_password(password: str, email: str = "") -> None:
    """UserError where a password is too short, too long or too obvious to be used."""
    if not passwords.MINIMUM <= len(password) <= passwords.MAXIMUM:
        raise UserError(
            "A password has %(minimum)s to %(maximum)s characters.",
            field="password", minimum=passwords.MINIMUM, maximum=passwords.MAXIMUM,
        )  # fmt: skip
    if passwords.is_obvious(password, email):
        raise UserError("This password is among the first that anybody would try. Choose another.", field="password")


def set_password(session: Session, person: Person, password: str) -> None:
    """A new password; every session of the person ends."""
    check_password(password, person.email)
    person.password_hash = passwords.make(password)
    if person.id:
        end_sessions(session, person.id)


# One-time links


def invite(session: Session, person: Person) -> str:
    """A one-time link's token, good for 24 hours; links made before end."""
    now = clock.now()
    session.execute(update(Invite).where(Invite.person_id == person.id, Invite.used_at.is_(None)).values(used_at=now))
    token = secrets.token_urlsafe(32)
    session.add(Invite(token_hash=token_hash(token), person_id=person.id, expires_at=now + LINK_LIFE))
    return token


def invited(session: Session, token: str) -> Person | None:
    """Whom a one-time link is for, while it is good."""
    found = session.scalar(
        select(Invite).where(
            Invite.token_hash == token_hash(token), Invite.used_at.is_(None), Invite.expires_at > clock.now()
        )
    )
    person = session.get(Person, found.person_id) if found else None
    return person if person and not person.disabled_at else None


def use_invite(session: Session, token: str, password: str) -> Person:
    """Choose a password by a one-time link. UserError where the link is used up, too old or unknown."""
    person = invited(session, token)
    if person is None:
        raise _spent()
    check_password(password, person.email)
    used = session.execute(
        update(Invite)
        .where(Invite.token_hash == token_hash(token), Invite.used_at.is_(None), Invite.expires_at > clock.now())
        .values(used_at=clock.now())
        .returning(Invite.person_id)
    ).scalar_one_or_none()
    if used is None:  # the same link, a moment earlier, in another window
        raise _spent()
    set_password(session, person, password)
    return person


def _spent() -> UserError:
    return UserError("This link was used already or is older than 24 hours. Ask an administrator for a new one.")


# Signing in


def stored_hash(session: Session, email: str) -> str | None:
    """The password hash to compare with; None for people who are unknown, disabled or without a password."""
    person = by_email(session, email)
    return person.password_hash if person and not person.disabled_at else None


def admit(session: Session, email: str, account: str, *, compared: str, renewed: str | None) -> Person | None:
    """Let a person in whose password was right against the hash `compared`; None where that no longer holds.

    Hashing takes long, so it happens between two transactions: meanwhile the password may have changed.
    """
    person = by_email(session, email)
    if person is None or person.disabled_at or person.password_hash != compared:
        return None
    if renewed:
        person.password_hash = renewed
    person.last_login_at = clock.now()
    tries.forget(session, account)
    return person


# What administrators change


def change_role(session: Session, person: Person, role: str, *, by: int | None) -> bool:
    """Another role; every session of the person ends. False where they have it already.

    UserError where `by` (the id of who asks) is that person, or nobody would be left to administer.
    """
    _check_role(role)
    if person.role == role:
        return False
    if by == person.id:
        raise UserError("Nobody changes their own role: ask another administrator.", field="role")
    if person.role == "admin":
        _check_not_last(session, person)
    person.role = role
    end_sessions(session, person.id)
    return True


def disable(session: Session, person: Person, *, by: int | None) -> bool:
    """Keep a person out from now on, whatever link or cookie they hold. False where they were out already."""
    if person.disabled_at:
        return False
    if by == person.id:
        raise UserError("Nobody disables themselves: ask another administrator.")
    if person.role == "admin":
        _check_not_last(session, person)
    now = clock.now()
    person.disabled_at = now
    session.execute(update(Invite).where(Invite.person_id == person.id, Invite.used_at.is_(None)).values(used_at=now))
    end_sessions(session, person.id)
    return True


def enable(session: Session, person: Person) -> bool:
    """Let a disabled person in again, with the password they had. False where they were not disabled."""
    was_out = person.disabled_at is not None
    person.disabled_at = None
    return was_out


def change_settings(person: Person, **values: Any) -> None:
    """One's own settings: name, locale, timezone, theme, shortcuts, undo_seconds. UserError for other values."""
    if "name" in values:
        values["name"] = " ".join(str(values["name"]).split())[:120]
        if not values["name"]:
            raise UserError("Write your name.", field="name")
    if "timezone" in values and values["timezone"] is not None:
        try:
            clock.zone(values["timezone"])
        except ValueError:
            raise UserError("There is no such time zone.", field="timezone") from None
    if values.get("theme", THEMES[0]) not in THEMES:
        raise UserError("The look is light or dark.", field="theme")
    if values.get("undo_seconds", UNDO_CHOICES[0]) not in UNDO_CHOICES:
        raise UserError("Choose one of the times.", field="undo_seconds")
    for name, value in values.items():
        setattr(person, name, value)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UserError("The role must be one of: %(roles)s.", field="role", roles=", ".join(ROLES))


def _check_not_last(session: Session, person: Person) -> None:
    # Locked, so that two administrators who remove each other at once do not both succeed.
    admins = session.scalars(
        select(Person.id)
        .where(Person.role == "admin", Person.disabled_at.is_(None))
        .order_by(Person.id)
        .with_for_update()
    ).all()
    if set(admins) <= {person.id}:
        raise UserError("This is the last administrator. Make somebody else an administrator first.")

"""People and their sessions."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from webapp.accounts import passwords
from webapp.accounts.models import Invite, LoginAttempt, LoginSession, Person
from webapp.accounts.permissions import ROLES
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.secrets import token_hash

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=10)
LINK_LIFE = timedelta(hours=24)
SEEN_STEP = timedelta(seconds=30)  # how often a busy session's row is written
FREE_TRIES = 3  # wrong passwords before a person has to wait
LONGEST_WAIT = 900  # seconds
ADDRESS_TRIES, ADDRESS_SPAN = 30, timedelta(minutes=15)


def fold_email(email: str) -> str:
    """How addresses are compared and stored."""
    return email.strip().lower()


def create(session: Session, email: str, role: str, *, name: str = "", password: str | None = None) -> Person:
    """A new person. UserError where the address is taken or no address, or the role is unknown."""
    email = fold_email(email)
    local, _, domain = email.partition("@")
    if not local or ("." not in domain.strip(".") and domain != "localhost") or len(email) > 254 or " " in email:
        raise UserError("%(email)s is not an e-mail address.", field="email", email=email)
    if role not in ROLES:
        raise UserError("The role must be one of: %(roles)s.", field="role", roles=", ".join(ROLES))
    if session.scalar(select(Person.id).where(Person.email == email)):
        raise UserError("Somebody with the address %(email)s exists already.", field="email", email=email)
    person = Person(
        email=email, name=name.strip() or local, role=role, created_at=clock.now(), theme="light", failed_logins=0,
        shortcuts=True, undo_seconds=15,
    )  # fmt: skip
    if password is not None:
        set_password(session, person, password)
    session.add(person)
    session.flush()
    return person


def check_password(password: str) -> None:
    """UserError where a password is too short or too long to be used."""
    if not passwords.MINIMUM <= len(password) <= passwords.MAXIMUM:
        raise UserError(
            "A password has %(minimum)s to %(maximum)s characters.",
            field="password", minimum=passwords.MINIMUM, maximum=passwords.MAXIMUM,
        )  # fmt: skip


def set_password(session: Session, person: Person, password: str) -> None:
    """A new password; every session of the person ends."""
    check_password(password)
    person.password_hash = passwords.make(password)
    person.failed_logins, person.wait_until = 0, None
    if person.id:
        end_sessions(session, person.id)


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
    check_password(password)
    used = session.execute(
        update(Invite)
        .where(Invite.token_hash == token_hash(token), Invite.used_at.is_(None), Invite.expires_at > clock.now())
        .values(used_at=clock.now())
        .returning(Invite.person_id)
    ).scalar_one_or_none()
    person = session.get(Person, used) if used else None
    if person is None or person.disabled_at:
        raise UserError("This link was used already or is older than 24 hours. Ask an administrator for a new one.")
    set_password(session, person, password)
    return person


class Refusal(Exception):
    """A sign-in that did not work; `wait` is how many seconds to wait before the next try counts (0 = none)."""

    def __init__(self, wait: int = 0) -> None:
        super().__init__("sign-in refused")
        self.wait = wait


def sign_in(session: Session, email: str, password: str, address: str) -> Person | Refusal:
    """The person, or why not. Wrong, unknown and disabled look alike; failures are counted (so commit in any case)."""
    now = clock.now()
    tried = session.scalar(
        select(func.count()).where(LoginAttempt.address == address, LoginAttempt.at > now - ADDRESS_SPAN)
    )
    if (tried or 0) >= ADDRESS_TRIES:
        return Refusal(int(ADDRESS_SPAN.total_seconds()))
    person = session.scalar(select(Person).where(Person.email == fold_email(email)))
    if person and person.wait_until and person.wait_until > now:
        return Refusal(int((person.wait_until - now).total_seconds()) + 1)
    right = passwords.matches(person.password_hash if person else None, password)
    if person is None or not right or person.disabled_at:
        return _failed(session, person, address, now)
    if person.password_hash and passwords.is_old(person.password_hash):
        person.password_hash = passwords.make(password)
    person.failed_logins, person.wait_until, person.last_login_at = 0, None, now
    return person


def _failed(session: Session, person: Person | None, address: str, now: datetime) -> Refusal:
    session.add(LoginAttempt(address=address, at=now))
    session.execute(delete(LoginAttempt).where(LoginAttempt.at < now - ADDRESS_SPAN * 4))
    if person is None:
        return Refusal()
    person.failed_logins += 1
    if person.failed_logins <= FREE_TRIES:
        return Refusal()
    wait = min(2 ** (person.failed_logins - FREE_TRIES), LONGEST_WAIT)
    person.wait_until = now + timedelta(seconds=wait)
    return Refusal(wait)


def start_session(session: Session, person: Person, address: str, agent: str) -> str:
    """A new session's token for the cookie; only its hash is kept here."""
    token, now = secrets.token_urlsafe(32), clock.now()
    session.add(
        LoginSession(
            token_hash=token_hash(token),
            person_id=person.id,
            created_at=now,
            seen_at=now,
            address=address[:64],
            agent=agent[:200],
        )  # fmt: skip
    )
    return token


def live_session(session: Session, token: str) -> LoginSession | None:
    """The session of a cookie, while neither ended, idle, too old, nor its person disabled."""
    now = clock.now()
    found = session.scalar(
        select(LoginSession).where(
            LoginSession.token_hash == token_hash(token),
            LoginSession.ended_at.is_(None),
            LoginSession.seen_at > now - IDLE,
            LoginSession.created_at > now - ABSOLUTE,
        )
    )
    return found if found and not found.person.disabled_at else None


def end_session(session: Session, token: str) -> None:
    """Sign out: the cookie fails from now on, copies of it too."""
    session.execute(
        update(LoginSession).where(LoginSession.token_hash == token_hash(token)).values(ended_at=clock.now())
    )


def end_sessions(session: Session, person_id: int) -> None:
    """Every session of a person ends (password, role, disabling)."""
    session.execute(
        update(LoginSession)
        .where(LoginSession.person_id == person_id, LoginSession.ended_at.is_(None))
        .values(ended_at=clock.now())
    )

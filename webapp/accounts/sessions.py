"""Sign-ins: rows that the cookie names, so that ending the row ends every copy of the cookie."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, contains_eager

from webapp.accounts.models import Invite, LoginSession, Person
from webapp.core import clock
from webapp.core.secrets import token_hash

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=10)
SEEN_STEP = timedelta(seconds=30)  # how often a busy session's row is written
KEPT = timedelta(days=30)  # how long ended sessions and used links stay


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
        )
    )
    return token


def live_session(session: Session, token: str) -> LoginSession | None:
    """The session of a cookie with its person, while neither ended, idle, too old, nor its person disabled."""
    now = clock.now()
    return session.scalar(
        select(LoginSession)
        .join(LoginSession.person)
        .options(contains_eager(LoginSession.person))
        .where(
            LoginSession.token_hash == token_hash(token),
            LoginSession.ended_at.is_(None),
            LoginSession.seen_at > now - IDLE,
            LoginSession.created_at > now - ABSOLUTE,
            Person.disabled_at.is_(None),
        )
    )


def live_sessions(session: Session, person_id: int) -> Sequence[LoginSession]:
    """A person's sign-ins that are good now, the latest used first."""
    now = clock.now()
    return session.scalars(
        select(LoginSession)
        .where(
            LoginSession.person_id == person_id,
            LoginSession.ended_at.is_(None),
            LoginSession.seen_at > now - IDLE,
            LoginSession.created_at > now - ABSOLUTE,
        )
        .order_by(LoginSession.seen_at.desc(), LoginSession.id.desc())
    ).all()


def ends_at(seen: datetime, created: datetime) -> datetime:
    """When a session ends by itself, in the form its moments are in."""
    return min(seen + IDLE, created + ABSOLUTE)


def touch(session: Session, session_id: int) -> datetime:
    """A person's hand was on it just now; returns the moment."""
    now = clock.now()
    session.execute(update(LoginSession).where(LoginSession.id == session_id).values(seen_at=now))
    return now


def end_session(session: Session, token: str) -> None:
    """Sign out: the cookie fails from now on, copies of it too."""
    session.execute(
        update(LoginSession)
        .where(LoginSession.token_hash == token_hash(token), LoginSession.ended_at.is_(None))
        .values(ended_at=clock.now())
    )


def end_sessions(session: Session, person_id: int, *, only: int | None = None, but: int | None = None) -> int:
    """End a person's sessions (password, role, disabling), or only one, or all but one; returns how many ended."""
    ended = (
        update(LoginSession)
        .where(LoginSession.person_id == person_id, LoginSession.ended_at.is_(None))
        .values(ended_at=clock.now())
    )
    if only is not None:
        ended = ended.where(LoginSession.id == only)
    if but is not None:
        ended = ended.where(LoginSession.id != but)
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]


def tidy(session: Session) -> None:
    """Drop sessions and links that have been of no use for a month."""
    before = clock.now() - KEPT
    session.execute(delete(LoginSession).where(LoginSession.created_at < before - ABSOLUTE))
    session.execute(delete(Invite).where(Invite.expires_at < before))

"""Flask-Login over revocable sessions: the cookie names a row, and the row decides."""

from dataclasses import dataclass

from flask import Flask, redirect, request, url_for
from flask_login import LoginManager
from sqlalchemy import update
from werkzeug.wrappers import Response

from webapp.accounts import service
from webapp.accounts.guards import is_polling
from webapp.accounts.models import LoginSession
from webapp.core import clock
from webapp.core.web import services


@dataclass(frozen=True, slots=True)
class CurrentPerson:
    """Who asks, as views and templates see them."""

    id: int
    email: str
    name: str
    role: str
    locale: str | None
    timezone: str | None
    theme: str
    shortcuts: bool
    undo_seconds: int
    session_id: int
    session_ends_at: object
    token: str

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """What the cookie holds: the session's token, not the person's id."""
        return self.token


def init_app(app: Flask) -> None:
    """Attach Flask-Login."""
    manager = LoginManager(app)
    manager.session_protection = None  # sessions are revoked by their rows; people change networks
    manager.user_loader(_load)
    manager.unauthorized_handler(_unauthorized)


def _load(token: str) -> CurrentPerson | None:
    with services().db.reading() as session:
        found = service.live_session(session, token)
        if found is None:
            return None
        person = found.person
        ends = min(found.seen_at + service.IDLE, found.created_at + service.ABSOLUTE)
        current = CurrentPerson(
            person.id, person.email, person.name, person.role, person.locale, person.timezone, person.theme,
            person.shortcuts, person.undo_seconds, found.id, clock.aware(ends), token,
        )  # fmt: skip
        stale = found.seen_at < clock.now() - service.SEEN_STEP
    if stale and not is_polling():
        _touch(current.session_id)
    return current


def _touch(session_id: int) -> None:
    with services().db.writing(durable=False) as session:
        session.execute(update(LoginSession).where(LoginSession.id == session_id).values(seen_at=clock.now()))


def _unauthorized() -> Response:
    target = url_for("accounts.login", next=request.full_path.rstrip("?") if request.method == "GET" else None)
    if request.headers.get("HX-Request"):
        answer = Response(status=401)
        answer.headers["HX-Redirect"] = url_for("accounts.login")
        return answer
    return redirect(target)

"""Flask-Login over revocable sessions: the cookie names a row, and the row decides."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import Flask, redirect, request, session, url_for
from flask_login import LoginManager, current_user, login_user, logout_user
from werkzeug.wrappers import Response

from webapp.accounts import sessions
from webapp.accounts.guards import is_polling
from webapp.accounts.models import LoginSession
from webapp.core import clock
from webapp.core.web import services

ENDS_HEADER = "X-Session-Ends"  # in how many seconds: tells the page's script when to warn, live boxes' answers too


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
    session_ends_at: datetime  # aware; moves on with each of the person's requests
    token: str

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def session_seconds(self) -> int:
        """Seconds until the session ends by itself. Not a moment: browsers' clocks differ from ours."""
        return max(0, int((self.session_ends_at - clock.aware(clock.now())).total_seconds()))

    def get_id(self) -> str:
        """What the cookie holds: the session's token, not the person's id."""
        return self.token


def init_app(app: Flask) -> None:
    """Attach Flask-Login."""
    manager = LoginManager(app)
    manager.session_protection = None  # sessions are revoked by their rows; people change networks
    manager.user_loader(_load)
    manager.unauthorized_handler(_unauthorized)
    app.after_request(_tell_end)


def enter(token: str) -> bool:
    """Put a new session into the cookie; nothing of the cookie before stays (a planted one is worth nothing)."""
    with services().db.reading() as reading:
        found = sessions.live_session(reading, token)
        if found is None:
            return False
        person = _current(found, token, found.seen_at)
    session.clear()
    return bool(login_user(person))


def leave() -> None:
    """Empty the cookie; the caller ends the row."""
    logout_user()
    session.clear()


def _current(found: LoginSession, token: str, seen: datetime) -> CurrentPerson:
    person = found.person
    return CurrentPerson(
        id=person.id,
        email=person.email,
        name=person.name,
        role=person.role,
        locale=person.locale,
        timezone=person.timezone,
        theme=person.theme,
        shortcuts=person.shortcuts,
        undo_seconds=person.undo_seconds,
        session_id=found.id,
        session_ends_at=clock.aware(sessions.ends_at(seen, found.created_at)),
        token=token,
    )


def _load(token: str) -> CurrentPerson | None:
    with services().db.reading() as reading:
        found = sessions.live_session(reading, token)
        if found is None:
            return None
        seen = found.seen_at
        if not is_polling() and seen < clock.now() - sessions.SEEN_STEP:
            seen = _touch(found.id)
        return _current(found, token, seen)


def _touch(session_id: int) -> datetime:
    with services().db.writing(durable=False) as writing:
        return sessions.touch(writing, session_id)


def _tell_end(response: Response) -> Response:
    told = response.mimetype == "text/html" or response.status_code == 204
    if told and "_user_id" in session and current_user.is_authenticated:
        response.headers[ENDS_HEADER] = str(current_user.session_seconds)
    return response


def _unauthorized() -> Response:
    if request.headers.get("HX-Request"):  # a redirect would put the login page into the box that asked
        answer = Response(status=401)
        answer.headers["HX-Redirect"] = url_for("accounts.login", next=_page_around())
        return answer
    asked = request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None
    return redirect(url_for("accounts.login", next=asked), 303)


def _page_around() -> str | None:
    parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    return f"{parts.path}?{parts.query}".rstrip("?") or None

"""The guard on every route. A house test walks all routes and refuses one without."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from flask import abort, current_app, request
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.accounts.permissions import PERMISSIONS, allows

log = structlog.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def guard(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only people with the permission in: others get 403, visitors the login page (a fragment gets HX-Redirect)."""
    PERMISSIONS[permission]  # a typing mistake stops the start

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not current_user.is_authenticated:
                return _to_login()  # type: ignore[return-value]
            if not allows(current_user.role, permission):
                log.warning("refused", person=current_user.id, needs=permission, endpoint=request.endpoint)
                abort(403)
            return view(*args, **kwargs)

        guarded.guard = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that anyone may ask for (login, health, media, static files)."""
    view.guard = "public"  # type: ignore[attr-defined]
    return view


def _to_login() -> Response:
    return current_app.login_manager.unauthorized()  # type: ignore[attr-defined, no-any-return]


def may(permission: str) -> bool:
    """Whether the person who asks has a permission; for templates, which show no button that would be refused."""
    return bool(current_user.is_authenticated) and allows(current_user.role, permission)


def is_polling() -> bool:
    """Whether the request came from a live box and not from a person's hand (it must not keep a session alive)."""
    return request.headers.get("X-Recado-Poll") == "1"

"""Error answers: a page for people, one sentence for fragments, a log line with a number for the operator."""

import secrets

import structlog
from flask import Flask, jsonify, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from webapp.core.errors import NotFound, UserError

log = structlog.get_logger(__name__)
PAGES = frozenset({400, 403, 404, 405, 413, 422, 429, 500, 503})


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(UserError, _refused)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(Exception, _unexpected)


def page(code: int, *, message: str | None = None, incident: str | None = None) -> tuple[str, int]:
    """The error page of a status code, with a sentence of its own where there is one."""
    shown = code if code in PAGES else 400 if code < 500 else 500
    return render_template(f"errors/{shown}.html", code=code, message=message, incident=incident), code


def _http(error: HTTPException) -> tuple[str, int] | Response | HTTPException:
    if error.response is not None or (error.code or 500) < 400:
        return error
    if request.accept_mimetypes.best == "application/json":
        answer = jsonify(error=error.name)
        answer.status_code = error.code or 500
        return answer
    message = (
        gettext("The page was open for too long or in two places. Load it again and repeat.")
        if isinstance(error, CSRFError)
        else None
    )
    return page(error.code or 500, message=message)


def _refused(error: UserError) -> tuple[str, int]:
    message = gettext(error.msgid, **error.values)
    return page(404 if isinstance(error, NotFound) else 422, message=message)


def _database(error: OperationalError) -> tuple[str, int]:
    log.error("database does not answer", route=_route(), error=str(error.orig))
    return page(503)


def _unexpected(error: Exception) -> tuple[str, int]:
    incident = secrets.token_hex(4)
    log.exception("request failed", incident=incident, route=_route(), method=request.method)
    return page(500, incident=incident)


def _route() -> str:
    """The address without its values: one-time links and callback tokens stay out of the log."""
    return str(request.url_rule or "unknown")

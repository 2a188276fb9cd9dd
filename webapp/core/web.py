"""What views share: the request's sessions, the running services, and answers that htmx understands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from cryptography.fernet import MultiFernet
from flask import Flask, current_app, g
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.core.db import Database
from webapp.core.jobs import Jobs
from webapp.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What one process of an installation holds, made once by the factory."""

    settings: Settings
    db: Database
    jobs: Jobs
    box: MultiFernet


def services() -> Services:
    """The services of the running application."""
    return cast(Services, current_app.extensions["recado"])


def settings() -> Settings:
    """The running application's settings."""
    return services().settings


def read_session() -> Session:
    """The request's reading session, opened at first use and closed with the request. It never writes."""
    if "read_session" not in g:
        g.read_manager = services().db.reading()
        g.read_session = g.read_manager.__enter__()
    return cast(Session, g.read_session)


@contextmanager
def write_session() -> Iterator[Session]:
    """The view's one writing transaction. What the request read before is read again afterwards, when it is used."""
    if "read_session" in g:
        g.read_session.rollback()  # ends its snapshot and expires its objects, which stay bound to it
    with services().db.writing() as session:
        yield session


def _close_reading(_error: BaseException | None = None) -> None:
    manager = g.pop("read_manager", None)
    g.pop("read_session", None)
    if manager is not None:
        manager.__exit__(None, None, None)


def init_app(app: Flask) -> None:
    """Close the reading session when the request ends."""
    app.teardown_appcontext(_close_reading)


def toast(response: Response, message: str, kind: str = "success") -> Response:
    """Have the page show a toast once htmx has this answer."""
    response.headers["HX-Trigger"] = json.dumps({"toast": {"message": message, "kind": kind}})
    return response

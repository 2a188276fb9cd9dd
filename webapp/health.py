"""`/healthz`, `/readyz`, `/metrics`: what supervisors and monitors ask."""

import hmac
import ipaddress
from datetime import timedelta

from flask import Flask, abort, jsonify, request
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from webapp.accounts.guards import public
from webapp.core.db import moment
from webapp.core.keyfile import keep
from webapp.core.web import services
from webapp.messages.models import Batch, Message, Receipt, WorkerSeen
from webapp.schema import head, revision

WORKER_QUIET = timedelta(seconds=60)


def init_app(app: Flask) -> None:
    """Register the three routes."""
    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)
    app.add_url_rule("/metrics", "metrics", metrics)


@public
def healthz() -> Response:
    """Alive."""
    return jsonify(status="ok")


@public
def readyz() -> tuple[Response, int]:
    """Able to serve: database, schema, and a worker seen in the last minute. 503 says which is missing."""
    checks = {"database": False, "schema": False, "worker": False}
    try:
        with services().db.reading() as session:
            session.execute(text("SELECT 1"))
            checks["database"] = True
            checks["schema"] = revision(session.connection()) == head()
            checks["worker"] = checks["schema"] and workers(session) > 0
    except SQLAlchemyError:
        pass
    ready = all(checks.values())
    return jsonify(status="ok" if ready else "not ready", **checks), 200 if ready else 503


@public
def metrics() -> Response:
    """Prometheus text, for loopback or for who sends `Authorization: Bearer <instance/metrics_token>`."""
    if not _may_read_metrics():
        abort(404)
    lines = []
    with services().db.reading() as session:
        for state, count, rows in session.execute(
            select(Batch.state, func.count(), func.coalesce(func.sum(Batch.pending), 0)).group_by(Batch.state)
        ):
            lines.append(f'recado_batches{{state="{state}"}} {count}')
            lines.append(f'recado_pending_messages{{batch_state="{state}"}} {rows}')
        lines.append(f"recado_message_key_max {session.scalar(select(func.max(Message.id))) or 0}")
        lines.append(f"recado_receipts_total {session.scalar(select(func.max(Receipt.id))) or 0}")
        lines.append(f"recado_workers {workers(session)}")
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


def workers(session: Session) -> int:
    """How many workers were seen lately, by the clock they say it by; a moment to come was written before it was set
    back."""
    now = moment(session)
    lately = WorkerSeen.seen_at.between(now - WORKER_QUIET, now + WORKER_QUIET)
    return session.scalar(select(func.count()).select_from(WorkerSeen).where(lately)) or 0


def _may_read_metrics() -> bool:
    address = request.remote_addr or ""
    try:
        if ipaddress.ip_address(address).is_loopback and "X-Forwarded-For" not in request.headers:
            return True
    except ValueError:
        pass
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = keep(services().settings.instance / "metrics_token")
    return hmac.compare_digest(given.encode(), token.encode())

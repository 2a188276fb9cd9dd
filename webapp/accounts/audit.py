"""The audit trail: one call at the edge, in the transaction of the deed itself."""

from typing import Any

from flask import has_request_context, request
from flask_login import current_user
from sqlalchemy.orm import Session

from webapp.accounts.models import Audit
from webapp.core import clock


def record(
    session: Session,
    action: str,
    subject: str = "",
    *,
    actor: str | None = None,
    actor_id: int | None = None,
    **detail: Any,
) -> None:
    """Note who did what, on what, from where. Never pass a phone number: pass ids.

    `actor` and `actor_id` say who, where that is nobody signed in (a sign-in itself, a command, a worker).
    """
    asked = has_request_context()
    person = current_user if asked and current_user.is_authenticated else None
    session.add(
        Audit(
            at=clock.now(),
            person_id=actor_id or (person.id if person else None),
            actor=actor or (person.email if person else "command"),
            address=(request.remote_addr or "")[:64] if asked else "",
            action=action,
            subject=subject[:120],
            detail=detail,
        )
    )

"""`recado db recount`: every counter held against its messages, now."""

from typing import Any

from webapp.core.web import Services
from webapp.messages import rounds
from webapp.messages.models import CountDrift


def recount_all(services: Services) -> dict[str, Any]:
    """Count everything anew and set right what differs. `moving`: what changed faster than it could be counted."""
    found = rounds.whole(services.db)
    return {
        "runs": found.runs, "messages": found.messages, "days": found.days, "accepted": found.accepted,
        "seconds": round(found.seconds, 1), "moving": found.moving, "drifts": [_told(row) for row in found.drifts],
    }  # fmt: skip


def _told(row: CountDrift) -> dict[str, Any]:
    of = f"run {row.run_id}" if row.run_id is not None else f"day {row.day}"
    return {"of": of, "counters": row.counters, "messages": row.messages, "credits": row.credits, "cells": row.cells}

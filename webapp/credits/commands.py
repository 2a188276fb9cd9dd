"""What the command line does with credits."""

from typing import Any

from webapp.core.web import Services
from webapp.credits.asking import ask


def sync_balance(services: Services) -> dict[str, Any]:
    """Ask once, now: purses in credits and two ISO 8601 moments, None where the gateway told nothing.

    Raises as `asking.ask` does.
    """
    balance = ask(services)
    told: dict[str, Any] = {f"balance_{number}": balance.purses.get(number) for number in range(1, 5)}
    told["activation"] = balance.activation.isoformat() if balance.activation else None
    told["expiration"] = balance.expiration.isoformat() if balance.expiration else None
    return told

"""`recado sync replies`: ask the gateway once, now, in the command itself."""

from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.errors import GatewayError
from webapp.inbox import intake, polling


def sync_replies(services: Services) -> dict[str, int]:
    """Ask `mo_new`, then `mo` over two days; `{"asked", "new", "changed"}` are calls, new replies, completed ones.

    Raises UserError where no account is set up or the gateway does not answer the question.
    """
    gateway = polling.connected(services)
    intake.replay(services)
    try:
        asked = polling.ask_new(services, gateway)
        asked.add(polling.sweep(services, gateway, polling.FAR))
    except GatewayError as error:
        raise UserError(error.explanation) from error
    finally:
        gateway.close()
    return {"asked": asked.calls, "new": asked.read.new, "changed": asked.read.changed}

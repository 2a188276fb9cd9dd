"""Work behind the reports: asking the gateway about a period because somebody wants to know now."""

from datetime import datetime

import structlog

from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.errors import GatewayError
from webapp.messages import polling
from webapp.reports.exports import jobs as exports

log = structlog.get_logger(__name__)
ASK = "reports.ask"


def ask(services: Services, since: str, until: str) -> None:
    """Ask about everything sent between two moments (naive UTC, ISO 8601). Asking twice does no harm."""
    try:
        polling.ask_window(services, datetime.fromisoformat(since), datetime.fromisoformat(until))
    except (GatewayError, UserError) as error:
        log.warning("the gateway could not be asked", error=str(error))


def register(services: Services) -> None:
    """Name the jobs."""
    services.jobs.add(ASK, lambda since, until: ask(services, since, until))
    exports.register(services)

"""Work behind the reports: asking the gateway about a period, and taking people out of a campaign into a list."""

from datetime import datetime

import structlog

from webapp.contacts import service as contacts
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.gateway.errors import GatewayError
from webapp.messages import polling
from webapp.reports import slicing

log = structlog.get_logger(__name__)
ASK, EXTRACT = "reports.ask", "reports.extract"
SWEEP_SECONDS = 15.0


def ask(services: Services, since: str, until: str) -> None:
    """Ask about everything sent between two moments (naive UTC, ISO 8601). Asking twice does no harm."""
    try:
        polling.ask_window(services, datetime.fromisoformat(since), datetime.fromisoformat(until))
    except (GatewayError, UserError) as error:
        log.warning("the gateway could not be asked", error=str(error))


def take_up(services: Services) -> None:
    """Ask again for lists that wait to be filled."""
    with services.db.reading() as session:
        waiting = slicing.waiting(session)
    for extract_id in waiting:
        services.jobs.start(EXTRACT, extract_id)


def register(services: Services) -> None:
    """Name the jobs, and let contacts ask whether a list is being filled here."""
    if slicing.filling not in contacts.in_use_checks:
        contacts.in_use_checks.append(slicing.filling)
    db, settings = services.db, services.settings
    services.jobs.add(ASK, lambda since, until: ask(services, since, until))
    services.jobs.add(EXTRACT, lambda extract_id: slicing.carry_out(db, settings, int(extract_id)))
    services.jobs.every("reports.extracts", SWEEP_SECONDS, lambda: take_up(services))

"""Work behind the reports: asking the gateway about a period, lists out of a campaign's people, and files."""

from webapp.contacts import service as contacts
from webapp.core.web import Services
from webapp.messages import polling
from webapp.reports import slicing
from webapp.reports.exports import jobs as exports

ASK, EXTRACT = "reports.ask", "reports.extract"
SWEEP_SECONDS = 15.0


def take_up(services: Services) -> None:
    """Ask again for lists that wait to be filled."""
    with services.db.reading() as session:
        waiting = slicing.waiting(session)
    for extract_id in waiting:
        services.jobs.start(EXTRACT, extract_id)


def register(services: Services) -> None:
    """Name the jobs, and let contacts ask whether a list is being filled here.

    Each works for a row of its own: what gets lost on the way is found again by a sweep, or by the next poll.
    """
    if slicing.filling not in contacts.in_use_checks:
        contacts.in_use_checks.append(slicing.filling)
    db, settings = services.db, services.settings
    services.jobs.add(ASK, lambda inquiry_id: polling.answer_by_hand(services, inquiry_id))
    services.jobs.add(EXTRACT, lambda extract_id: slicing.carry_out(db, settings, int(extract_id)))
    services.jobs.every("reports.extracts", SWEEP_SECONDS, lambda: take_up(services))
    exports.register(services)

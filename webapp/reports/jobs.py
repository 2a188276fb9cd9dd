"""Work behind the reports: asking the gateway about a period because somebody wants to know now."""

from webapp.core.web import Services
from webapp.messages import polling

ASK = "reports.ask"


def register(services: Services) -> None:
    """Name the job. Its row is an `Inquiry`: what gets lost on the way is found by the next poll."""
    services.jobs.add(ASK, lambda inquiry_id: polling.answer_by_hand(services, inquiry_id))

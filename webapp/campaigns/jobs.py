"""What workers do for campaigns: count them exactly, launch them, and take up what a killed worker left."""

from webapp.campaigns import counting, launch, queries
from webapp.contacts import service as contacts
from webapp.core.db import moment
from webapp.core.web import Services

COUNT, LAUNCH = "campaigns.count", "campaigns.launch"
SWEEP_SECONDS = 5.0


def register(services: Services) -> None:
    """Name the jobs, and let contacts ask whether a list is needed here."""
    if queries.launching_from not in contacts.in_use_checks:
        contacts.in_use_checks.append(queries.launching_from)
    db, settings = services.db, services.settings
    services.jobs.add(COUNT, lambda campaign_id: counting.carry_out(db, settings, int(campaign_id)))
    services.jobs.add(LAUNCH, lambda campaign_id: launch.carry_out(db, settings, int(campaign_id)))
    services.jobs.every("campaigns.sweep", SWEEP_SECONDS, lambda: sweep(services))


def sweep(services: Services) -> None:
    """Ask again for counts and launches that wait; delete files of launches that are finished."""
    with services.db.reading() as session:
        now = moment(session)
        counts, launches = counting.waiting(session, now), launch.waiting(session, now)
        launch.remove_leftovers(session, services.settings.instance)
    for campaign_id in counts:
        services.jobs.start(COUNT, campaign_id)
    for campaign_id in launches:
        services.jobs.start(LAUNCH, campaign_id)

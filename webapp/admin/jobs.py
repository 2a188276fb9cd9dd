"""What administration does in the background: erasing people."""

from webapp.admin import erasure
from webapp.core.web import Services

ERASE = "admin.erase"
SWEEP_SECONDS = 30.0


def register(services: Services) -> None:
    """Add the job, and the sweep that goes on with what waits or was left by a dead worker."""
    services.jobs.add(ERASE, lambda erasure_id: carry_out(services, int(erasure_id)))
    services.jobs.every("admin.erase", SWEEP_SECONDS, lambda: sweep(services), lease=1800.0)


def carry_out(services: Services, erasure_id: int) -> None:
    """One round of one erasure."""
    erasure.carry_out(services.db, services.settings.instance, erasure_id)


def sweep(services: Services) -> None:
    """Another round of every erasure that is not done."""
    with services.db.reading() as session:
        open_ones = erasure.unfinished(session)
    for erasure_id in open_ones:
        carry_out(services, erasure_id)

"""Files in the background: one at a time in each worker, so that launches and imports never wait for exports alone."""

from threading import Lock

from webapp.core.web import Services
from webapp.reports.exports import apart, work

EXPORT = "reports.export"
SWEEP_SECONDS, EXPIRE_SECONDS = 10.0, 30.0
_turn = Lock()


def register(services: Services) -> None:
    """Add the job, and the sweeps: one starts again what a dead worker left, one deletes what has had its time."""
    services.jobs.add(EXPORT, lambda export_id: make(services, int(export_id)))
    services.jobs.every("reports.exports", SWEEP_SECONDS, lambda: sweep(services))
    services.jobs.every("reports.expire", EXPIRE_SECONDS, lambda: work.expire(services.db, services.settings.instance))


def make(services: Services, export_id: int) -> None:
    """Make a file, unless this worker is at another one; that one starts the next when it is done."""
    if not _turn.acquire(blocking=False):
        return
    try:
        apart.run(services.db, services.settings.instance, export_id)
    finally:
        _turn.release()
    sweep(services, most=1)


def sweep(services: Services, most: int = 10) -> None:
    """Ask again for files that wait."""
    with services.db.reading() as session:
        found = work.waiting(session)
    for export_id in found[:most]:
        services.jobs.start(EXPORT, export_id)

"""What contacts do in the background: imports, and erasing the people of deleted lists."""

from sqlalchemy import select

from webapp.contacts import apart, service, suppression, uploads, work
from webapp.contacts.models import Import
from webapp.contacts.states import STATES
from webapp.core.web import Services

IMPORT, PURGE = "contacts.import", "contacts.purge"
SWEEP_SECONDS, STALE_SECONDS = 15.0, 3600.0


def register(services: Services) -> None:
    """Add the jobs, and the sweep that starts again what a dead worker left."""
    services.jobs.add(IMPORT, lambda import_id: run(services, int(import_id)))
    services.jobs.add(PURGE, lambda: purge(services))
    services.jobs.every("contacts.sweep", SWEEP_SECONDS, lambda: sweep(services))
    services.jobs.every("contacts.stale", STALE_SECONDS, lambda: discard_stale(services))


def run(services: Services, import_id: int) -> None:
    """Do what an import's state asks for; a workbook of opt-outs that was read goes on to its check by itself."""
    folder = services.settings.instance
    with services.db.reading() as session:
        was = session.scalar(select(Import.state).where(Import.id == import_id))
    apart.run(services.db, folder, import_id)
    if was != "reading":
        return
    with services.db.writing() as session:
        went_on = STATES[suppression.go_on(session, folder, session.get_one(Import, import_id)).state].at_work
    if went_on:
        services.jobs.start(IMPORT, import_id)


def sweep(services: Services) -> None:
    """Ask again for imports that wait and for lists that still hold people after their deletion."""
    with services.db.reading() as session:
        waiting = work.waiting(session)
        deleted = service.has_people_to_erase(session)
    for import_id in waiting:
        services.jobs.start(IMPORT, import_id)
    if deleted:
        services.jobs.start(PURGE)


def purge(services: Services) -> None:
    """Erase the people of deleted lists, some thousands a transaction."""
    while True:
        with services.db.writing(durable=False) as session:
            if not service.purge_chunk(session):
                return


def discard_stale(services: Services) -> None:
    """Remove files that were uploaded and then forgotten."""
    with services.db.writing() as session:
        uploads.discard_stale(session, services.settings.instance)

"""What contacts do in the background: imports, and erasing the people of deleted lists."""

from webapp.contacts import apart, proofs, service, uploads, work
from webapp.core.web import Services

IMPORT, PURGE = "contacts.import", "contacts.purge"
SWEEP_SECONDS, STALE_SECONDS = 15.0, 3600.0


def register(services: Services) -> None:
    """Add the jobs, and the sweep that starts again what a dead worker left."""
    services.jobs.add(IMPORT, lambda import_id: apart.run(services.db, services.settings.instance, int(import_id)))
    services.jobs.add(PURGE, lambda: purge(services))
    services.jobs.every("contacts.sweep", SWEEP_SECONDS, lambda: sweep(services))
    services.jobs.every("contacts.stale", STALE_SECONDS, lambda: discard_stale(services))


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
    """Remove files that were uploaded and then forgotten, and proofs of nothing."""
    with services.db.writing() as session:
        uploads.discard_stale(session, services.settings.instance)
        proofs.remove_orphans(session, services.settings.instance)

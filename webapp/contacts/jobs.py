"""What contacts do in the background: imports, erasing the people of deleted lists, and the index of the big ones."""

from sqlalchemy import select

from webapp.contacts import apart, indexing, proofs, service, suppression, uploads, work
from webapp.contacts.models import Import
from webapp.contacts.states import STATES
from webapp.core.web import Services

IMPORT, PURGE, INDEX = "contacts.import", "contacts.purge", "contacts.index"
SWEEP_SECONDS, STALE_SECONDS = 15.0, 3600.0


def register(services: Services) -> None:
    """Add the jobs, and the sweep that starts again what a dead worker left."""
    services.jobs.add(IMPORT, lambda import_id: bring_in(services, int(import_id)))
    services.jobs.add(PURGE, lambda: purge(services))
    services.jobs.add(INDEX, lambda: indexing.run(services.db))
    services.jobs.every("contacts.sweep", SWEEP_SECONDS, lambda: sweep(services))
    services.jobs.every("contacts.stale", STALE_SECONDS, lambda: discard_stale(services))


def bring_in(services: Services, import_id: int) -> None:
    """Do what an import's state asks for. What it brought is then made quick to search; a workbook of opt-outs that was
    read goes on to its check by itself."""
    folder = services.settings.instance
    with services.db.reading() as session:
        was = session.scalar(select(Import.state).where(Import.id == import_id))
    apart.run(services.db, folder, import_id)
    _index_if_due(services)
    if was != "reading":
        return
    with services.db.writing() as session:
        went_on = STATES[suppression.go_on(session, folder, session.get_one(Import, import_id)).state].at_work
    if went_on:
        services.jobs.start(IMPORT, import_id)


def _index_if_due(services: Services) -> None:
    with services.db.reading() as session:
        due = indexing.lists_due(session)
    if due:
        services.jobs.start(INDEX)


def sweep(services: Services) -> None:
    """Ask again for imports that wait, lists that still hold people after their deletion, and lists to be indexed."""
    with services.db.reading() as session:
        waiting = work.waiting(session)
        deleted = service.has_people_to_erase(session)
    for import_id in waiting:
        services.jobs.start(IMPORT, import_id)
    if deleted:
        services.jobs.start(PURGE)
    _index_if_due(services)


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

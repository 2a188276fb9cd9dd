"""An installation spread over processes of its own, each of which can be killed, and the gateway it speaks to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, update

from tests.crash.nursery import Child, Nursery
from tests.crash.witness import Witness
from tests.installation import PASSWORD, wait_for
from tests.visitor import Page, Visitor
from webapp import migrate
from webapp.accounts.commands import create_user
from webapp.accounts.models import Person
from webapp.contacts.models import Import
from webapp.core import settings as settings_module
from webapp.core.web import Services
from webapp.factory import make_services
from webapp.messages import queries
from webapp.messages.models import Run
from webapp.serve import first_start

FIRST = 5511970000000
TOKEN = "many-machines-0123456789abcdef"


@dataclass
class Machines:
    """Processes of one installation, by name; `services` is the tests' own way into its database."""

    box: Witness
    nursery: Nursery
    services: Services
    environment: Mapping[str, str]
    folder: Path
    running: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, prelude: str = "", **settings: str) -> Child:
        """One more process, with settings of its own."""
        given = {**self.environment, **as_environment(settings)}
        log = self.folder / f"{name}.log"
        self.running[name] = self.nursery.start(*arguments, environment=given, log=log, prelude=prelude)
        return self.running[name]

    def start_worker(self, host: str = "127.0.0.1") -> Child:
        """A worker that calls the gateway by that name."""
        return self.start(f"worker at {host}", "worker", gateway_url=self.box.url_for(host))

    def start_web(self, port: int, prelude: str = "") -> Child:
        """A web server."""
        return self.start(f"web at {port}", "web", "--port", str(port), prelude=prelude)

    def logs(self) -> str:
        """What everybody wrote, for a failed assertion."""
        return "\n".join(f"{name}: {child.log.read_text()[-3000:]}" for name, child in self.running.items())

    def counts(self, run_id: int) -> queries.Counts:
        """How a run stands."""
        with self.services.db.reading() as session:
            return queries.counts(session, session.get_one(Run, run_id))

    def person(self, role: str = "marketing") -> str:
        """The address of somebody new, whose sends are not held back for an undo."""
        person, _ = create_user(self.services.db, f"{role}@example.com", role, PASSWORD)
        with self.services.db.writing() as session:
            session.execute(update(Person).where(Person.id == person.id).values(undo_seconds=0))
        return person.email


def as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as a process is given them."""
    return {f"RECADO_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def machines(nursery: Nursery, box: Witness, folder: Path, **more: str) -> Iterator[Machines]:
    """An installation on that gateway, migrated, without a process yet; all of them end with the block."""
    environment = as_environment({
        "instance": str(folder / "instance"), "gateway_url": box.url, "gateway_user": "ana",
        "gateway_password": "segredo", "callback_token": TOKEN, "sending_window": "always", "locale": "en", **more,
    })  # fmt: skip
    services = make_services(settings_module.load(environment))
    migrate.upgrade(services.db)
    first_start(services)
    made = Machines(box, nursery, services, environment, folder)
    try:
        yield made
    finally:
        for child in made.running.values():
            child.kill()
        services.db.dispose()


def address(port: int) -> str:
    """Where a web server answers."""
    return f"http://127.0.0.1:{port}"


def page_with(visitor: Visitor, url: str, action: str, seconds: float = 30) -> Page:
    """The page, once it has a form that goes to `action`."""

    def look() -> Page | None:
        page = visitor.get(url)
        return page if any(action in form.action for form in page.forms) else None

    return wait_for(look, seconds, f"{url}: {action}")  # type: ignore[no-any-return]


def upload(visitor: Visitor, rows: str) -> Page:
    """A file is sent and its columns confirmed; the page on which it is then checked."""
    page = visitor.get("/contacts/import")
    page = visitor.send(page, page.form("pasted"), files={"file": ("clientes.csv", rows.encode(), "text/csv")})
    page = page_with(visitor, page.url, "/columns")
    return visitor.send(page, page.form(action="/columns"))


def confirm(visitor: Visitor, page: Page, name: str) -> Page:
    """The check was read and the import confirmed; the page that shows how far it is."""
    page = page_with(visitor, page.url, "/confirm")
    return visitor.send(page, page.form("list_name"), list_name=name, basis="consent", source="Balcão")


def imported(place: Machines, seconds: float = 30) -> Import:
    """The newest import, once it is done."""

    def look() -> Import | None:
        with place.services.db.reading() as session:
            found = session.scalars(select(Import).order_by(Import.id.desc())).first()
        return found if found is not None and found.state == "done" else None

    return wait_for(look, seconds, "the import")  # type: ignore[no-any-return]


def compose(visitor: Visitor, list_id: int, name: str, text: str) -> Page:
    """A campaign is written; its last page, on which it is sent."""
    page = visitor.get("/campaigns/new")
    page = visitor.send(page, page.form("lists", "name"), name=name, lists=[list_id])
    page = visitor.send(page, page.form("text"), type=0, text=text)
    page = visitor.send(page, page.form("date"), mode="now", date="", time="")
    return page_with(visitor, page.url, "/launch")

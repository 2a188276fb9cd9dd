"""What every test may use: an installation of its own on SQLite (or PostgreSQL), and its people signed in."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import make_url

from tests import make
from tests.postgres import Emptied, PostgresMissing, new_database, running_server
from webapp import migrate
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import create_app, make_services

IN_CI = bool(os.environ.get("CI"))
# Dozens of processes are started here: where the environment forbids it, each would compile all that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class Compiled(BytecodeCache):
    """Templates as Jinja has compiled them: each test has an application of its own, and would compile them anew."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was kept under the template's name, where it is of the same source."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Compiled()}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=0, help="how many kills the long crash test makes")


# Files that take longest, longest first: started last, they would keep one process busy while the other has no more to do.
LONGEST = ("test_journey.py", "crash/", "e2e/test_pages.py", "e2e/", "cli/", "bench/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the order within a file, and of the others, stays."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(here).as_posix()
        return next((rank for rank, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty migrated SQLite file, copied for each test: migrating once is enough."""
    folder = tmp_path_factory.mktemp("template")
    settings = settings_module.load({}, instance=folder)
    services = make_services(settings)
    migrate.upgrade(services.db)
    with services.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    services.db.dispose()
    return folder / "recado.db"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an installation without a gateway; override it in a module for other ones."""
    return settings_module.load({}, instance=tmp_path / "instance", secret_key="a secret for tests only")


@pytest.fixture
def services(settings: Settings, template_database: Path) -> Iterator[Services]:
    """The installation's services over a migrated database; jobs run at once, in the caller."""
    if settings.sqlite_path is not None and not settings.sqlite_path.exists():
        settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(template_database, settings.sqlite_path)
    made = make_services(settings, immediate_jobs=True)
    yield made
    made.db.dispose()


@pytest.fixture
def app(services: Services) -> Flask:
    """The web application."""
    app = create_app(services.settings, services)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=False)
    return app


SignIn = Callable[..., FlaskClient]


@pytest.fixture
def signed_in(app: Flask, services: Services) -> SignIn:
    """`signed_in("marketing")` is a browser of somebody with that role (pt-BR; `locale="en"` for English)."""

    def sign_in(role: str = "admin", *, locale: str = "pt_BR") -> FlaskClient:
        token = make.signed_in_person(services.db, role, locale=locale)
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True
        return client

    return sign_in


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of the tests' own; its URL without a database name. Skips where there are no binaries."""
    try:
        with running_server() as url:
            yield url
    except PostgresMissing as missing:
        if IN_CI:
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a migrated PostgreSQL database that tests copy."""
    with new_database(postgres_server) as url:
        database = Database(url)
        migrate.upgrade(database)
        database.dispose()
        yield make_url(url).database or ""


@pytest.fixture(scope="session")
def postgres_emptied(postgres_server: str, postgres_template: str) -> Iterator[Emptied]:
    """Migrated PostgreSQL databases that one test after the other uses."""
    databases = Emptied(postgres_server, postgres_template)
    yield databases
    databases.close()


@pytest.fixture
def postgres_url(postgres_emptied: Emptied) -> Iterator[str]:
    """A migrated PostgreSQL database with nothing in it, while the test lasts its own."""
    with postgres_emptied.one() as url:
        yield url


@pytest.fixture
def postgres_new_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """One that was made for the test: for those whose processes are killed."""
    with new_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of the test's own: what asks for it runs on both."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


@pytest.fixture(scope="module")
def postgres_empty_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database, which `recado db upgrade` is to fill."""
    with new_database(postgres_server) as url:
        yield url

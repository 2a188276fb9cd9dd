"""The command line on an installation of its own: `recado("campaign", "show", "1", "--json")`."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from webapp.cli import main
from webapp.core import settings as settings_module
from webapp.core.web import Services
from webapp.factory import make_services
from webapp.messages import sending
from webapp.messages.polling import gateway_of
from webapp.sandbox.server import Sandbox


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its one JSON object: stdout holds nothing else."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def refusal(self) -> str:
        """The one sentence with which it refused."""
        assert (self.status, self.out) == (1, ""), (self.status, self.out, self.err)
        assert self.err.count("\n") == 1
        return self.err.strip()


Recado = Callable[..., Done]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A gateway where a whole life passes at once."""
    with Sandbox(user="ana", password="segredo", speed=1000, failures=0, reply_share=0) as sandbox:
        yield sandbox


@pytest.fixture
def environ(tmp_path: Path, box: Sandbox, template_database: Path) -> dict[str, str]:
    """The environment of a migrated installation on that gateway, in English."""
    folder = tmp_path / "instance"
    folder.mkdir()
    shutil.copy(template_database, folder / "recado.db")
    return {
        "RECADO_INSTANCE": str(folder), "RECADO_GATEWAY_URL": box.url, "RECADO_GATEWAY_USER": "ana",
        "RECADO_GATEWAY_PASSWORD": "segredo", "RECADO_SENDING_WINDOW": "always", "RECADO_LOCALE": "en",
        "RECADO_PUBLIC_URL": "http://recado.example:8000", "RECADO_GATEWAY_TIMEOUT": "3",
    }  # fmt: skip


@pytest.fixture
def recado(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Recado:
    """Runs one command in this process; `given` is its stdin, further names change the environment."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, given: str = "", **changes: str) -> Done:
        result = CliRunner().invoke(main, [str(each) for each in arguments], input=given, env=changes)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def installed(environ: dict[str, str]) -> Iterator[Services]:
    """The same installation's services, for what a worker does between two commands."""
    services = make_services(settings_module.load(environ))
    yield services
    services.db.dispose()


def send_all(services: Services) -> None:
    """Do what workers do until nothing is due."""
    gateway = gateway_of(services)
    while sending.send_next(services.db, services.settings, gateway):
        pass
    gateway.close()

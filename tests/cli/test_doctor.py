"""`recado doctor`: a healthy installation passes, and each fault is named with what mends it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from tests.cli.conftest import Recado
from tests.installation import free_port
from webapp import doctor
from webapp.accounts.commands import create_user
from webapp.core import clock
from webapp.core import settings as settings_module
from webapp.core.web import Services
from webapp.gateway import account
from webapp.messages.models import WorkerSeen
from webapp.sandbox.server import Sandbox
from webapp.serve import first_start, wsgi


@contextmanager
def website(services: Services, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, wsgi(services.settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def environ(environ: dict[str, str], port: int) -> dict[str, str]:
    """As for all commands, with a public address that can lead here."""
    return environ | {"RECADO_PUBLIC_URL": f"http://127.0.0.1:{port}", "RECADO_ASSETS_URL": "/assets"}


@pytest.fixture
def healthy(installed: Services, port: int) -> Iterator[Services]:
    """An installation that has everything."""
    first_start(installed)
    create_user(installed.db, "ana@example.com", "admin", None)
    with installed.db.writing() as session:
        session.add(WorkerSeen(id="here:1:a", started_at=clock.now(), seen_at=clock.now()))
    with website(installed, port):
        yield installed


def by_name(services: Services) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(services.settings) if finding.level != doctor.OK}


def test_a_healthy_installation_passes(recado: Recado, healthy: Services) -> None:
    done = recado("doctor")
    assert done.status == 0, done.out
    assert "FAIL" not in done.out and "Nothing needs mending." in done.out


def test_a_new_installation_is_told_what_it_lacks(recado: Recado, environ: dict[str, str]) -> None:
    done = recado("doctor", RECADO_GATEWAY_USER="")
    assert done.status == 1 and done.err.strip().endswith("things need mending.")
    for remedy in ("recado user create", "recado serve", "Administration, Gateway", "recado db upgrade"):
        assert remedy in done.out


def test_an_empty_database_is_the_first_thing_to_mend(recado: Recado, tmp_path: Path) -> None:
    done = recado("doctor", RECADO_INSTANCE=str(tmp_path / "empty"))
    assert done.status == 1 and "recado db upgrade" in done.out


def test_a_key_that_others_can_read_fails(healthy: Services) -> None:
    (healthy.settings.instance / "secret_key").chmod(0o644)
    assert "chmod 600" in by_name(healthy)["secret key"].sentence


def test_a_worker_that_fell_silent_fails(healthy: Services) -> None:
    with healthy.db.writing() as session:
        seen = session.get_one(WorkerSeen, "here:1:a")
        seen.seen_at = clock.now() - 2 * doctor.QUIET
    assert by_name(healthy)["worker"].level == doctor.FAIL


def test_wrong_credentials_and_stopped_sending_fail(recado: Recado, healthy: Services) -> None:
    with healthy.db.writing() as session:
        account.stop(session, "010")
    done = recado("doctor", RECADO_GATEWAY_PASSWORD="wrong")
    assert done.status == 1 and "FAIL  gateway" in done.out and "FAIL  sending" in done.out


def test_an_address_that_leads_elsewhere_fails(recado: Recado, healthy: Services, box: Sandbox) -> None:
    done = recado("doctor", RECADO_PUBLIC_URL=box.url.removesuffix("/webservice-rest/"))
    assert done.status == 1 and "leads somewhere else" in done.out


def test_an_unencrypted_gateway_and_a_public_page_without_https_are_warned_of() -> None:
    settings = settings_module.load({}, public_url="http://recado.example.com")
    findings = {finding.what: finding.level for finding in doctor._address(settings)}
    assert findings == {"cookies": doctor.WARN, "hosts": doctor.WARN}


def test_the_callback_token_is_not_shown(recado: Recado, healthy: Services) -> None:
    with healthy.db.reading() as session:
        (token,) = account.tokens(session, healthy.settings, healthy.box)
    shown = recado("doctor", RECADO_PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert token not in shown.out + shown.err and "does not answer" in shown.out

"""`recado demo`: a folder of its own, a gateway of its own, and everything running until Ctrl-C."""

import fcntl
import http.client
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from webapp import migrate
from webapp.core import assets
from webapp.core import settings as settings_module
from webapp.core.keyfile import keep
from webapp.core.settings import ROOT, Settings
from webapp.core.web import Services
from webapp.demo import cast, seed
from webapp.factory import make_services
from webapp.gateway import account
from webapp.processes import Family, ended_by_signal, free_address
from webapp.sandbox.server import Sandbox
from webapp.serve import first_start

Say = Callable[[str], object]
USER = PASSWORD = "demo"  # noqa: S105 - the sandbox's, which writes to nobody
KEPT = ("RECADO_ASSETS_URL", "RECADO_LOCALE", "RECADO_TIMEZONE")  # of the caller's settings; the rest is the demo's own
STAYS = {"assets", "lock"}  # what --fresh leaves in the folder
REPLIES = 0.015  # share of the past's people who answered; live ones answer more often
ASSETS_SECONDS = 25.0  # that the pages wait for their files, counted from the start
START_SECONDS = 45.0


class DemoFailed(Exception):
    """The demo cannot run; the text is one sentence."""


def run(host: str, port: int, fresh: bool, say: Say, note: Say) -> None:
    """Run the demo until Ctrl-C or SIGTERM. `say` gets what people need, `note` what is being done.

    Raises DemoFailed or PortTaken with one sentence.
    """
    began = time.monotonic()
    free_address(host, port)
    folder = _base() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if fresh or not (folder / "full").exists():
            _wipe(folder)
        gateway_port = _free_port()
        environ = _environ(folder, host, port, gateway_port)
        settings = settings_module.load(environ)
        styles = _begin_assets(settings, note)
        with (folder / "demo.log").open("wb") as log:
            family = Family(output=log.fileno())
            try:
                passwords = _open(family, folder, environ, settings, host, port, gateway_port, note)
                with ended_by_signal() as ended:
                    family.release()
                    _wait(host, port, ended)
                    styles.join(max(0.0, ASSETS_SECONDS - (time.monotonic() - began)))
                    if not ended.is_set():
                        say(_greeting(host, port, gateway_port, passwords, folder))
                    family.look_after(ended)
            finally:
                family.stop()


def _open(
    family: Family,
    folder: Path,
    environ: dict[str, str],
    settings: Settings,
    host: str,
    port: int,
    gateway_port: int,
    note: Say,
) -> dict[str, str]:
    """Database, people and past; the children get ready meanwhile. Returns the passwords by address."""
    services = make_services(settings)
    try:
        passwords = _prepare(services, folder)
        _start(family, environ, host, port, gateway_port, _token(services))
        full = folder / "full"
        if not full.exists():
            note("Living through two weeks of a small shop …")
            _fill(services, folder)
            full.touch()
    finally:
        services.db.dispose()
    return passwords


def _base() -> Path:
    return Path(os.environ.get("RECADO_INSTANCE") or ROOT / "instance").expanduser().absolute()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoFailed(f"Another demo is running in {folder}.") from None
        yield


def _wipe(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name in STAYS:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8900))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environ(folder: Path, host: str, port: int, gateway_port: int) -> dict[str, str]:
    """The children's environment: nothing of the caller's own installation may reach the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECADO_") or name in KEPT}
    return kept | {
        "RECADO_INSTANCE": str(folder),
        "RECADO_PUBLIC_URL": f"http://{_reachable(host)}:{port}",
        "RECADO_GATEWAY_URL": f"http://127.0.0.1:{gateway_port}/webservice-rest/",
        "RECADO_GATEWAY_USER": USER,
        "RECADO_GATEWAY_PASSWORD": PASSWORD,
        "RECADO_GATEWAY_TIMEOUT": "10",
        "RECADO_SENDING_WINDOW": "always",
        "RECADO_POLL_SECONDS": "5",
        "RECADO_SETTLE_SECONDS": "15",
        "RECADO_ENVIRONMENT": "sandbox",
    }


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"[{host}]" if ":" in host else host


def _prepare(services: Services, folder: Path) -> dict[str, str]:
    """Database, token and people; returns the passwords by address. They are made once and kept with the demo."""
    migrate.upgrade(services.db)
    first_start(services)
    passwords = {who.email: keep(folder / f"password_{who.role}", _password()) for who in cast.COLLEAGUES}
    seed.add_people(services.db, passwords)
    return passwords


def _password() -> str:
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def _fill(services: Services, folder: Path) -> None:
    with Sandbox(user=USER, password=PASSWORD, store=folder / "gateway.db", balances=seed.BALANCES) as box:
        box.settings(reply_share=REPLIES)
        settings = replace(services.settings, gateway_url=box.url)
        own = make_services(settings)
        try:
            people = seed.add_people(own.db, {})
            seed.fill(own, box, people)
        finally:
            own.db.dispose()


def _token(services: Services) -> str:
    with services.db.reading() as session:
        return account.tokens(session, services.settings, services.box)[0]


def _start(family: Family, environ: dict[str, str], host: str, port: int, gateway_port: int, token: str) -> None:
    callbacks = f"{environ['RECADO_PUBLIC_URL']}/callback/{token}"
    store = Path(environ["RECADO_INSTANCE"]) / "gateway.db"
    gateway = ["sandbox", "--port", str(gateway_port), "--user", USER, "--password", PASSWORD, "--store", str(store)]
    gateway += ["--callback-url", f"{callbacks}/status", "--reply-url", f"{callbacks}/reply"]
    family.add("sandbox", gateway, environ, held=True)
    family.add("web", ["web", "--host", host, "--port", str(port)], environ, held=True)
    family.add("worker", ["worker", "--port", str(port)], environ, held=True)


def _wait(host: str, port: int, ended: threading.Event) -> None:
    """Until the web server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not ended.wait(0.1):
        connection = http.client.HTTPConnection(_reachable(host).strip("[]"), port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            continue
        finally:
            connection.close()
    if not ended.is_set():
        raise DemoFailed("The demo's web server did not start; instance/demo/demo.log says why.")


def _begin_assets(settings: Settings, note: Say) -> threading.Thread:
    """Bring styles and scripts by ourselves where browsers would not get them from the CDN."""

    def bring() -> None:
        folder = settings.instance
        if assets.local_assets(folder) or assets.cdn_answers(settings.assets_url):
            return
        note("The CDN cannot be reached from here; bringing styles and scripts …")
        base = settings.assets_url if assets.origin(settings.assets_url) else assets.CDN
        try:
            assets.fetch(folder / "assets", base)
        except assets.AssetsUnavailable as error:
            note(str(error))

    thread = threading.Thread(target=bring, name="assets", daemon=True)
    thread.start()
    return thread


def _greeting(host: str, port: int, gateway_port: int, passwords: dict[str, str], folder: Path) -> str:
    people = "\n".join(f"  {who.role:<10} {who.email:<22} {passwords[who.email]}" for who in cast.COLLEAGUES)
    return f"""
Recado is running with a shop to look at. Nobody is written to: its gateway is a sandbox.

  Open       http://{_reachable(host)}:{port}
  Gateway    http://127.0.0.1:{gateway_port}   (what it was told; make people answer, make it fail)

{people}

Everything lies in {folder}, its log in demo.log. Ctrl-C ends it; `recado demo --fresh` begins anew.
"""

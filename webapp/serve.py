"""The running installation: the web server, the worker, and both together on one machine."""

import gc
import os
import threading
from dataclasses import replace
from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.common import AbstractServer
from huey.consumer import Consumer
from sqlalchemy.exc import IntegrityError

from webapp import schema
from webapp.core import installation, logs
from webapp.core.jobs import Ticker
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.factory import create_app, keys_of, make_services
from webapp.gateway import account
from webapp.inbox import intake
from webapp.messages.hooks import Callbacks
from webapp.messages.worker import Worker
from webapp.optouts import erased
from webapp.processes import Family, die_with_parent, ended_by_signal, free_address

log = structlog.get_logger(__name__)
THREADS = 64  # requests answered at once by one web process; half of them make a group of callbacks (`messages.hooks`)
BACKLOG = 1024
WEB_GRACE = 5  # seconds for requests under way when the server ends
JOB_THREADS = 2
JOB_POLL = 0.5  # seconds between looks at the queue, at the most
JOB_GRACE = 10.0  # seconds for jobs under way when the worker ends; what is cut off is taken up by the next one


def at_port(settings: Settings, port: int) -> Settings:
    """The settings with the public address following the port, where nobody set one."""
    if "public_url" in settings.fixed:
        return settings
    return replace(settings, public_url=f"http://127.0.0.1:{port}")


def first_start(services: Services) -> None:
    """What a new installation needs once: a name and the callback token (its secret key is made with the services).

    UserError where the instance folder belongs to another database, or the secret key is not that of the others.
    """
    try:
        _first_start(services)
    except IntegrityError:  # another machine was first, at the same moment
        _first_start(services)


def _first_start(services: Services) -> None:
    settings = services.settings
    with services.db.writing() as session:
        installation.check(session, settings.instance)
        installation.check_key(settings.instance, keys_of(settings))
        erased.check(session)
        account.ensure_token(session, settings, services.box)


def wsgi(settings: Settings) -> WSGIApplication:
    """The whole web side: the gateway's callbacks in front, Flask behind."""
    services = make_services(settings)
    app = create_app(settings, services)
    return Callbacks(app.wsgi_app, services, partial(intake.keep_callback, services))


def _in_child(settings: Settings, parent: int) -> WSGIApplication:
    """What the web server's own worker process serves."""
    die_with_parent(parent)
    logs.configure()
    app = wsgi(settings)
    gc.freeze()  # as in `worker`
    return app


def web(settings: Settings, host: str, port: int, threads: int = THREADS) -> None:
    """Answer HTTP until SIGTERM or Ctrl-C. Raises PortTaken, and UserError for an old schema."""
    address = free_address(host, port)
    services = make_services(settings)
    schema.require(services.db)
    first_start(services)
    services.db.dispose()  # the child opens its own
    log.info("web server starts", address=address, port=port)
    server(address, port, threads).serve(target_loader=partial(_in_child, settings, os.getpid()), wrap_loader=False)


def server(address: str, port: int, threads: int = THREADS) -> AbstractServer[Any]:
    """The web server, for whatever application: one process, so many requests answered at once."""
    return Granian(
        "webapp.serve:wsgi",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        backlog=BACKLOG,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=WEB_GRACE,
        log_level=LogLevels.error,
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {}},  # to the root logger, which is ours
    )


class _Consumer(Consumer):  # type: ignore[misc]
    """Huey's consumer without signal handlers: the worker process has its own."""

    def _set_signal_handlers(self) -> None:
        pass


def worker(settings: Settings) -> None:
    """Send, look after unknown outcomes, run jobs and periodic tasks until SIGTERM or Ctrl-C."""
    services = make_services(settings)
    schema.require(services.db)
    first_start(services)
    sender = Worker(services)
    ticker = Ticker(services.db, services.jobs.periodic)
    consumer = _Consumer(
        services.jobs.huey, workers=JOB_THREADS, periodic=False, max_delay=JOB_POLL, shutdown_timeout=JOB_GRACE
    )
    with ended_by_signal() as ended:
        consumer.start()
        ticker.start()
        sender.start()
        gc.freeze()  # what is there now stays: looking through it again and again would hold everybody up for 0.1 s
        log.info("worker starts", worker=sender.id)
        while not ended.wait(10):
            consumer.check_worker_health()
        log.info("worker ends")
        _end(sender, ticker, consumer, settings, services.jobs.stopping)
    services.db.dispose()


def _end(sender: Worker, ticker: Ticker, consumer: Consumer, settings: Settings, ending: threading.Event) -> None:
    """Take nothing new anywhere, then wait: for calls to the gateway as long as one may last, for jobs a little."""
    sender.stopping.set()
    ticker.stopping.set()
    ending.set()
    others = threading.Thread(target=consumer.stop, kwargs={"graceful": True}, daemon=True)
    others.start()
    sender.stop(settings.gateway_timeout + 5)
    ticker.stop(WEB_GRACE)
    others.join(JOB_GRACE + 1)


def both(settings: Settings, host: str, port: int) -> None:
    """Web and worker as children, started again if they die. Raises PortTaken, and UserError for an old schema."""
    free_address(host, port)
    services = make_services(settings)
    schema.require(services.db)
    first_start(services)
    services.db.dispose()
    environ = {**os.environ, "RECADO_INSTANCE": str(settings.instance)}
    family = Family(grace=settings.gateway_timeout + 15)
    with ended_by_signal() as ended:
        family.add("web", ["web", "--host", host, "--port", str(port)], environ)
        family.add("worker", ["worker", "--port", str(port)], environ)
        try:
            family.look_after(ended)
        finally:
            family.stop()

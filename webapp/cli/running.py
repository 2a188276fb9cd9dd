"""Commands that run the installation: serve, web, worker, sandbox, db upgrade."""

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import click

from webapp import doctor, migrate, schema, serve
from webapp.cli.frame import Installation, Refused, answer, as_json, pass_installation
from webapp.core import logs
from webapp.demo import run
from webapp.factory import make_services
from webapp.messages.commands import recount_all
from webapp.processes import die_with_parent, free_address, wait_for_release
from webapp.sandbox import server
from webapp.serve import at_port

Command = Callable[..., Any]
host = click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
port = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")


def child(command: Command) -> Command:
    """The options that we give to children of ours, and what they do before anything else."""

    @wraps(command)
    def tied(*args: Any, parent: int | None, held: bool, **how: Any) -> Any:
        if parent is not None:
            die_with_parent(parent)
        if held:
            wait_for_release()
        return command(*args, **how)

    tied = click.option("--parent", type=int, hidden=True, help="End with this process.")(tied)
    return click.option("--held", is_flag=True, hidden=True, help="Wait for a line on stdin.")(tied)


@click.command("serve")
@host
@port
@pass_installation
def serve_both(installation: Installation, host: str, port: int) -> None:
    """Run one machine: web server and worker, restarted if they die."""
    logs.configure()
    serve.both(at_port(installation.settings, port), host, port)


@click.command()
@host
@port
@click.option("--fresh", is_flag=True, help="Begin anew: forget what an earlier demo has kept.")
def demo(host: str, port: int, fresh: bool) -> None:
    """Show everything on a shop with history, people to sign in as, and a gateway that writes to nobody."""
    logs.configure(level=logging.WARNING)
    try:
        run.run(host, port, fresh, click.echo, partial(click.echo, err=True))
    except run.DemoFailed as error:
        raise Refused(str(error)) from error


@click.command()
@host
@port
@child
@pass_installation
def web(installation: Installation, host: str, port: int) -> None:
    """Run the web server alone."""
    logs.configure()
    serve.web(at_port(installation.settings, port), host, port)


@click.command()
@click.option("--port", default=8000, hidden=True, type=int, help="The web server's port, for the public address.")
@child
@pass_installation
def worker(installation: Installation, port: int) -> None:
    """Run a worker alone: it sends, asks the gateway and does background jobs."""
    logs.configure()
    serve.worker(at_port(installation.settings, port))


@click.command()
@host
@click.option("--port", default=8900, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--user", default="demo", show_default=True, metavar="U", help="User that may log in.")
@click.option("--password", default="demo", show_default=True, metavar="P", help="The user's password.")
@click.option("--callback-url", default="", metavar="URL", help="Where delivery statuses are told.")
@click.option("--reply-url", default="", metavar="URL", help="Where replies are told.")
@click.option("--store", default=":memory:", show_default=True, metavar="FILE", help="Where messages are kept.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.01), help="How fast life passes.")
@child
def sandbox(
    host: str,
    port: int,
    user: str,
    password: str,
    callback_url: str,
    reply_url: str,
    store: str,
    speed: float,
) -> None:
    """Run the gateway's stand-in alone. Nobody is written to; open its address to see what it was told."""
    logs.configure()
    free_address(host, port)

    def tell(box: server.Sandbox) -> None:
        click.echo(f"Gateway: {box.url}", err=True)
        click.echo(f"Control: {box.url.removesuffix('webservice-rest/')}", err=True)

    server.serve(
        host,
        port,
        tell,
        user=user,
        password=password,
        status_url=callback_url,
        reply_url=reply_url,
        store=store,
        speed=speed,
    )


@click.group()
def db() -> None:
    """The database."""


@db.command()
@pass_installation
def upgrade(installation: Installation) -> None:
    """Create or migrate the database."""
    services = make_services(installation.settings)
    migrate.upgrade(services.db)
    serve.first_start(services)
    services.db.dispose()
    click.echo(f"The database is at revision {schema.head()}.")


@db.command("recount")
@as_json
@pass_installation
def count_anew(installation: Installation, as_json: bool) -> None:
    """Count every message and set right what counters say otherwise. Workers may go on meanwhile."""
    found = recount_all(installation.services)
    drifts = found.pop("drifts")
    answer({**found, "drifts": drifts if as_json else len(drifts)}, as_json)
    for line in [] if as_json else drifts:
        click.echo(f"{line['of']}: {line['messages']} messages, {line['credits']} credits")


@click.command("doctor")
@pass_installation
def examine(installation: Installation) -> None:
    """Look at everything that an installation needs, and say what to mend."""
    failed = 0
    for level, what, sentence in doctor.examine(installation.settings):
        failed += level == doctor.FAIL
        click.echo(f"{level:<5} {what:<11} {sentence}")
    if failed:
        raise Refused("One thing needs mending." if failed == 1 else f"{failed} things need mending.")
    click.echo("Nothing needs mending.")

"""`recado campaign send, show, pause, resume, cancel, export`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from webapp.campaigns import commands
from webapp.cli.frame import Installation, answer, as_json, pass_installation
from webapp.core.web import Services
from webapp.reports.commands import export as write_file
from webapp.reports.exports.wanted import FORMATS


@click.group()
def campaign() -> None:
    """Campaigns."""


@campaign.command()
@click.option("--list", "list_name", required=True, metavar="NAME", help="List of people to write to.")
@click.option("--type", "kind", required=True, type=click.IntRange(0, 8), help="The gateway's service type: 0 is SMS.")
@click.option("--content", required=True, metavar="TEXT", help="The text; for media types a file or an http(s) URL.")
@click.option("--caption", default="", metavar="T", help="Caption of an image or a video.")
@click.option("--name", metavar="N", help="Name of the campaign; by default the list's.")
@click.option("--at", metavar='"YYYY-MM-DD HH:MM"', help="When it shall arrive; by default at once.")
@click.option("--timezone", metavar="ZONE", help="Zone of --at, such as America/Manaus; by default the installation's.")
@click.option("--canary", is_flag=True, help="Write to a few people first and wait for what comes of it.")
@as_json
@pass_installation
def send(
    installation: Installation,
    list_name: str,
    kind: int,
    content: str,
    caption: str,
    name: str | None,
    at: str | None,
    timezone: str | None,
    canary: bool,
    as_json: bool,
) -> None:
    """Write a campaign and launch it, with no undo delay; workers send it."""
    if shifted := commands.shift_words(installation.services, at, timezone, installation.locale):
        click.echo(shifted, err=True)  # stdout is the answer's alone
    found = commands.send(
        installation.services,
        list_name=list_name,
        type=kind,
        content=content,
        caption=caption,
        name=name,
        at=at,
        timezone=timezone,
        canary=canary,
    )
    answer(found, as_json)


def _about_one(name: str, deed: Callable[[Services, int], dict[str, Any]], help: str) -> click.Command:
    """A command that does one thing with one campaign and prints how it stands then."""

    @click.argument("campaign_id", metavar="ID", type=int)
    @as_json
    @pass_installation
    def run(installation: Installation, campaign_id: int, as_json: bool) -> None:
        answer(deed(installation.services, campaign_id), as_json)

    return click.command(name, help=help)(run)


campaign.add_command(_about_one("show", commands.show, "How a campaign stands: everyone in exactly one count."))
campaign.add_command(_about_one("pause", commands.pause, "Hand nothing over until somebody resumes it."))
campaign.add_command(_about_one("resume", commands.resume, "Go on."))
campaign.add_command(_about_one("cancel", commands.cancel, "Stop for good whatever has not left."))


@campaign.command()
@click.argument("campaign_id", metavar="ID", type=int)
@click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="Kind of file.")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@pass_installation
def export(installation: Installation, campaign_id: int, form: str, output: Path) -> None:
    """Write everyone of a campaign to a file, with what became of each."""
    with _bar() as told:
        people = write_file(installation.services, campaign_id, form, output, told)
    click.echo(f"{people} rows in {output}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], object] | None]:
    """How far it is, on stderr where somebody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, file=sys.stderr, show_pos=True) as bar:

        def told(rows: int, total: int) -> None:
            bar.length = max(total, rows, 1)
            bar.update(rows - bar.pos)

        yield told

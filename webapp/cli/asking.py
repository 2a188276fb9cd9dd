"""Commands that ask: sync statuses, replies, balance; messages find; assets fetch."""

from typing import Any

import click

from webapp.cli.frame import Installation, Refused, answer, as_json, pass_installation
from webapp.core import assets
from webapp.credits.commands import sync_balance
from webapp.inbox.commands import sync_replies
from webapp.messages.polling import sync_statuses
from webapp.reports.commands import find


@click.group()
def sync() -> None:
    """Ask the gateway once, now."""


@sync.command()
@as_json
@pass_installation
def statuses(installation: Installation, as_json: bool) -> None:
    """What became of messages."""
    answer(sync_statuses(installation.services).as_dict(), as_json)


@sync.command()
@as_json
@pass_installation
def replies(installation: Installation, as_json: bool) -> None:
    """What people answered: new replies, and those of the last two days again."""
    answer(sync_replies(installation.services), as_json)


@sync.command()
@as_json
@pass_installation
def balance(installation: Installation, as_json: bool) -> None:
    """What is left in the purses, and until when."""
    answer(sync_balance(installation.services), as_json)


@click.group()
def messages() -> None:
    """Messages sent and received."""


@messages.command("find")
@click.argument("number")
@as_json
@pass_installation
def find_number(installation: Installation, number: str, as_json: bool) -> None:
    """The history of one person."""
    found = find(installation.services, number)
    if as_json:
        answer(found, as_json)
        return
    click.echo(f"{found['number']}{' (opted out)' if found['opted_out'] else ''}")
    for line in _in_order(found):
        click.echo(line)


def _in_order(found: dict[str, Any]) -> list[str]:
    lines = [
        (row["at"], f"{row['at']}  → {row['content'] or ''}  [{row['state']} {row['status'] or ''}]".rstrip())
        for row in found["sent"]
    ]
    lines += [(row["at"], f"{row['at']}  ← {row['content']}") for row in found["replies"]]
    return [line for _, line in sorted(lines)]


@click.group("assets")
def assets_group() -> None:
    """The interface's styles, scripts and icons."""


@assets_group.command()
@pass_installation
def fetch(installation: Installation) -> None:
    """Bring them into the instance folder, for networks that close the CDN."""
    settings = installation.settings
    base = settings.assets_url if assets.origin(settings.assets_url) else assets.CDN
    try:
        source = assets.fetch(settings.instance / "assets", base, lambda line: click.echo(line, err=True))
    except assets.AssetsUnavailable as error:
        raise Refused(str(error)) from error
    click.echo(f"Complete in {settings.instance / 'assets'} ({source}).")

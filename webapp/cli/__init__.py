"""The command line: `recado …`. Exit status 0 done, 1 refused with one sentence on stderr, 2 bad usage."""

import click

from webapp.cli import asking, campaigns, contacts, people, running
from webapp.cli.frame import Recado


@click.group(cls=Recado)
@click.version_option(package_name="recado", prog_name="recado")
def main() -> None:
    """Campaigns by SMS, WhatsApp and voice through the SpeedMarket gateway."""


for part in (running, people, contacts, campaigns, asking):
    for command in part.COMMANDS:
        main.add_command(command)

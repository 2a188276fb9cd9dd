"""The command line: `recado …`. Exit status 0 done, 1 refused with one sentence on stderr, 2 bad usage."""

from importlib import import_module

import click

from webapp.cli.frame import Recado

# Where each command is, loaded when it is asked for: most need only a part of the product.
PARTS = {
    "running": ("demo", "serve", "web", "worker", "sandbox", "db", "doctor"),
    "people": ("user",),
    "contacts": ("contacts", "optouts"),
    "campaigns": ("campaign",),
    "asking": ("sync", "messages", "assets"),
}
PLACES = {command: part for part, commands in PARTS.items() for command in commands}


class Lazy(Recado):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands in alphabetical order."""
        return sorted(PLACES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A command by its name; None where there is none."""
        if name not in PLACES:
            return None
        part = import_module(f"{__name__}.{PLACES[name]}")
        return next(each for each in vars(part).values() if isinstance(each, click.Command) and each.name == name)


@click.group(cls=Lazy)
@click.version_option(package_name="recado", prog_name="recado")
def main() -> None:
    """Campaigns by SMS, WhatsApp and voice through the SpeedMarket gateway."""

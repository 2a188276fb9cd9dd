"""`recado contacts import` and `recado optouts import`."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from webapp.cli.frame import Installation, answer, as_json, pass_installation
from webapp.contacts.commands import run_import_command, run_optouts_command
from webapp.contacts.states import BASES
from webapp.core.i18n import LOCALES, translate
from webapp.core.text import fold_word
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL


class Basis(click.ParamType[str]):
    """A legal basis by its name, or by its words in any of our languages."""

    name = "B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name of the basis."""
        wanted = fold_word(str(value).replace("_", " "))
        known = {fold_word(translate(words, locale)): name for name, words in BASES.items() for locale in LOCALES}
        known |= {fold_word(name.replace("_", " ")): name for name in BASES}
        if wanted not in known:
            self.fail(f"{value!r} is not one of {', '.join(BASES)}", param, ctx)
        return known[wanted]


@click.group()
def contacts() -> None:
    """Lists of people."""


@contacts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--list", "list_name", required=True, metavar="NAME", help="List to import into; made where it is new.")
@click.option(
    "--basis",
    default="not_stated",
    show_default=True,
    type=Basis(),
    help=f"Legal basis for writing to these people: {', '.join(BASES)}.",
)
@click.option("--source", default="", metavar="S", help="Where the numbers come from.")
@click.option("--consent-date", metavar="D", type=click.DateTime(["%Y-%m-%d", "%d/%m/%Y"]), help="Day of consent.")
@as_json
@pass_installation
def import_file(
    installation: Installation,
    file: Path,
    list_name: str,
    basis: str,
    source: str,
    consent_date: datetime | None,
    as_json: bool,
) -> None:
    """Import FILE (CSV, XLSX …) into a list, to its end, in this command itself."""
    day = consent_date.date() if consent_date else None
    found = run_import_command(installation.db, installation.settings, file, list_name, basis, source, day)
    answer(found, as_json)


@click.group()
def optouts() -> None:
    """People who must not be written to."""


@optouts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", required=True, metavar="R", help="Where the list is from; kept with each person.")
@click.option("--channel", default=EVERY_CHANNEL, show_default=True, type=click.Choice(list(CHANNELS)))
@as_json
@pass_installation
def import_optouts(installation: Installation, file: Path, reason: str, channel: str, as_json: bool) -> None:
    """Opt out everybody in FILE (CSV, XLSX …), to its end, in this command itself."""
    answer(run_optouts_command(installation.db, installation.settings, file, reason, channel), as_json)

"""Commands about people: user create, user reset."""

import sys

import click

from webapp.accounts import commands
from webapp.accounts.permissions import ROLES
from webapp.cli.frame import Installation, pass_installation


@click.group()
def user() -> None:
    """People who sign in."""


@user.command()
@click.argument("email")
@click.option("--role", required=True, type=click.Choice(list(ROLES)), help="What the person may do.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@pass_installation
def create(installation: Installation, email: str, role: str, password_stdin: bool) -> None:
    """Add a person. Without a password, prints a one-time link, good for 24 hours."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    person, token = commands.create_user(installation.services.db, email, role, password)
    click.echo(_link(installation, token) if token else f"{person.email} may sign in as {role}.")


@user.command()
@click.argument("email")
@pass_installation
def reset(installation: Installation, email: str) -> None:
    """Print a one-time link, good for 24 hours, with which the person chooses a new password."""
    click.echo(_link(installation, commands.reset_user(installation.services.db, email)))


def _link(installation: Installation, token: str) -> str:
    return f"{installation.settings.public_url}/welcome/{token}"

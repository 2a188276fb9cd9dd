"""What every command shares: settings and services opened when needed, refusals as one sentence, JSON on stdout."""

import json
import logging
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

import click
import psycopg
from sqlalchemy.exc import OperationalError

import webapp
from webapp import schema
from webapp.core import logs
from webapp.core import settings as settings_module
from webapp.core.db import Database
from webapp.core.errors import UserError
from webapp.core.i18n import N_, translate
from webapp.core.settings import SettingError, Settings
from webapp.gateway.errors import GatewayError
from webapp.processes import PortTaken

if TYPE_CHECKING:
    from webapp.core.web import Services

# A database that is away, as SQLAlchemy says it and as the job queue's own connection does.
AWAY = (OperationalError, psycopg.OperationalError, sqlite3.OperationalError)
NO_DATABASE = N_("The database does not answer: %(reason)s")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


class Refused(click.ClickException):
    """Ends the command with status 1 and one sentence on stderr."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), file=file or sys.stderr)


class Installation:
    """The installation that a command works on, opened at first use."""

    @cached_property
    def settings(self) -> Settings:
        """Its settings. Raises SettingError."""
        return settings_module.load()

    @cached_property
    def db(self) -> Database:
        """Its database. Raises UserError where that has another schema than ours."""
        opened = Database(self.settings.database_url, self.settings.instance)
        schema.require(opened)
        return opened

    @cached_property
    def services(self) -> "Services":
        """Its services, over a database of the right schema. Raises UserError for another one."""
        services = webapp.make_services(self.settings)
        schema.require(services.db)
        return services

    @property
    def locale(self) -> str:
        """The language of refusals."""
        with suppress(SettingError):
            return self.settings.locale
        return "en"

    def close(self) -> None:
        """Close what was opened."""
        if "db" in self.__dict__:
            self.db.dispose()
        if "services" in self.__dict__:
            self.services.db.dispose()


pass_installation = click.make_pass_decorator(Installation, ensure=True)


class Recado(click.Group):
    """A group whose commands refuse with one sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        logs.configure(level=logging.ERROR)  # a refusal is one sentence; commands that run on say more themselves
        installation = ctx.ensure_object(Installation)
        try:
            return super().invoke(ctx)
        except (SettingError, PortTaken) as error:
            raise Refused(str(error)) from error
        except (UserError, GatewayError, *AWAY) as error:
            raise Refused(sentence(error, installation.locale)) from error
        except OSError as error:
            raise Refused(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")) from error
        finally:
            installation.close()


def sentence(error: Exception, locale: str) -> str:
    """Why something was refused, in a language."""
    if isinstance(error, UserError):
        return translate(error.msgid, locale, **error.values)
    if isinstance(error, GatewayError):
        words = translate(error.explanation, locale)
        return f"{words} ({error})" if error.code or error.detail else words
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return translate(NO_DATABASE, locale, reason=lines[0] if lines else type(error).__name__)


def answer(found: Mapping[str, Any], as_json: bool) -> None:
    """Print what a command found: as one JSON object, or name by name."""
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else table(found))


def table(found: Mapping[str, Any]) -> str:
    """Names and values, one a line."""
    width = max(map(len, found), default=0)
    return "\n".join(f"{name:{width}}  {'–' if value is None else value}" for name, value in found.items())

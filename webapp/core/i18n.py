"""Words: English msgids, a Brazilian catalogue, and the language of the moment.

The catalogue is one `.po` a package under `webapp/translations/<locale>/`, merged when the process starts: no compiled
file to forget, and the words of a feature lie together.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, has_request_context, request
from flask_babel import Babel, Domain, force_locale, get_locale
from flask_login import current_user

TRANSLATIONS = Path(__file__).parent.parent / "translations"
LOCALES = {"pt_BR": "Português (Brasil)", "en": "English"}


def N_(msgid: str) -> str:
    """Mark a msgid that is translated where it is shown (tables of codes, results of services and jobs)."""
    return msgid


def merged_catalogue(locale: str) -> Catalog:
    """Every `.po` of a locale in one catalogue; a msgid defined twice keeps the first definition."""
    merged = Catalog(locale=locale)
    for path in sorted((TRANSLATIONS / locale).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=locale):
                if message.id and message.string and message.id not in merged:
                    merged.add(message.id, message.string, context=message.context)
    return merged


@cache
def _translations(locale: str) -> NullTranslations:
    if not (TRANSLATIONS / locale).is_dir():
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, merged_catalogue(locale))
    compiled.seek(0)
    return Translations(compiled)


class MergedDomain(Domain):  # type: ignore[misc]
    """Flask-Babel's domain over the merged catalogue."""

    def get_translations(self) -> NullTranslations:
        locale = get_locale()
        return _translations(str(locale) if locale else "en")


def translate(msgid: str, locale: str, **values: object) -> str:
    """A msgid in a given language, for jobs and commands that have no request."""
    text = _translations(locale).gettext(msgid)
    return text % values if values else text


def choose_locale(default: str) -> str:
    """The person's setting, then the cookie of a visitor's choice, then Accept-Language, then the installation's."""
    if not has_request_context():
        return default
    own = getattr(current_user, "locale", None)
    if own in LOCALES:
        return str(own)
    chosen = request.cookies.get("locale", "")
    if chosen in LOCALES:
        return chosen
    tags = {"pt-BR": "pt_BR", "pt": "pt_BR", "en": "en", "en-US": "en", "en-GB": "en"}
    best = request.accept_languages.best_match(list(tags))
    return tags[best] if best else default


@contextmanager
def speaking(app: Flask, locale: str) -> Iterator[None]:
    """Run a job or command in a language: `gettext` works inside as it does in a request."""
    with app.app_context(), force_locale(locale):
        yield


def init_app(app: Flask, default_locale: str, default_zone: str) -> None:
    """Attach Flask-Babel: language and zone of the person who asks."""

    def zone() -> str:
        own = getattr(current_user, "timezone", None) if has_request_context() else None
        return own or default_zone

    Babel(
        app,
        default_locale=default_locale,
        default_timezone=default_zone,
        locale_selector=lambda: choose_locale(default_locale),
        timezone_selector=zone,
    )
    app.extensions["babel"].instance.domain_instance = MergedDomain()  # Babel() itself takes only a file's name
    app.jinja_env.globals["locales"] = LOCALES

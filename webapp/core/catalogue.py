"""What the catalogue lacks: `python -m webapp.core.catalogue [package]` prints missing msgids as .po stubs."""

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from webapp.core.i18n import merged_catalogue
from webapp.core.settings import ROOT

KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "_l": None,
    "ngettext": (1, 2),
    "lazy_ngettext": (1, 2),
    "UserError": None,
    "NotFound": None,
}
Found = tuple[str | tuple[str, ...], str, int]


def every_msgid() -> Iterator[Found]:
    """(msgid or (singular, plural), file, line) of every word in the code, the templates and the libraries' forms."""
    for folder, methods in ((ROOT / "webapp", [("**.py", "python")]), (ROOT / "templates", [("**.html", "jinja2")])):
        for name, line, message, _comments, _context in extract_from_dir(
            folder, methods, keywords=KEYWORDS, directory_filter=lambda _folder: True
        ):  # babel's own filter would leave out `_macros`
            yield message, f"{folder.name}/{name}", line


def missing(locale: str = "pt_BR") -> list[Found]:
    """The msgids that the locale's catalogue does not have."""
    known = merged_catalogue(locale)
    return [found for found in every_msgid() if not _known(known, found[0])]


def _known(catalogue: Catalog, message: str | tuple[str, ...]) -> bool:
    entry = catalogue.get(message if isinstance(message, str) else message[0])
    return entry is not None and bool(entry.string)


def main(package: str | None = None) -> None:
    """Print what is missing, of one package (its code and templates) or of all."""
    stubs = Catalog(locale="pt_BR")
    for message, file, line in missing():
        if package is None or package in Path(file).parts:
            stubs.add(message, locations=[(file, line)])
    write_po(sys.stdout.buffer, stubs, omit_header=True, sort_by_file=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])

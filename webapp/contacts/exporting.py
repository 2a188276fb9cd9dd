"""How numbers of people look in the files of contacts."""

from webapp.core import phone


def number(value: int) -> str:
    """A number that Excel leaves alone: digits alone become 5,51E+12, and a leading + looks like a formula."""
    return phone.display(value).removeprefix("+")

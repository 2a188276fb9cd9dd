"""Finding one number in texts that somebody wrote: with 55 or without, with brackets, dots and dashes, or none."""

import re
from functools import lru_cache

from webapp.core.phone import ddd

_BETWEEN = r"[\s().,\-/+_]{0,3}"  # what people write between the digits of one number
_AREA_BEFORE = re.compile(r"\d{2}[\s).\-/]{1,3}$").search  # another area code stands before it


def _spread(digits: str) -> str:
    return _BETWEEN.join(digits)


@lru_cache(maxsize=64)
def _patterns(number: int) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    """The number with its area (or country) code, and the one without, as it stands in its own column or city."""
    digits = str(number)
    area = ddd(number)
    if area is None:
        return re.compile(rf"(?<!\d){_spread(digits)}(?!\d)"), None
    subscriber = digits[-8:]
    nine = rf"(?:9{_BETWEEN})?" if len(digits) == 13 else ""
    local = rf"{nine}{_spread(subscriber)}(?!\d)"
    lead = rf"(?:0{{0,2}}{_BETWEEN}5{_BETWEEN}5{_BETWEEN})?(?:0{_BETWEEN}(?:\d\d{_BETWEEN})?)?"
    whole = re.compile(rf"(?<!\d){lead}{_spread(str(area))}{_BETWEEN}{local}")
    return whole, re.compile(rf"(?<!\d){local}")


def mentions(text: str, number: int) -> bool:
    """Whether a text holds the number (E.164) in any spelling that people and programs use."""
    if str(number)[-1] not in text:
        return False
    whole, bare = _patterns(number)
    if whole.search(text):
        return True
    return bare is not None and any(not _AREA_BEFORE(text[: found.start()][-6:]) for found in bare.finditer(text))


def like(number: int) -> str:
    """A LIKE pattern that finds every such text, and some others: the last digits in their order."""
    return f"%{'%'.join(str(number)[-8:])}%"

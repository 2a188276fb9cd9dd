"""Simple conditions on the fields of a list: `cidade is "São Paulo"`, `ultimo_pedido before 01/03/2026`."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

from webapp.core.i18n import N_

OPERATORS: dict[str, str] = {
    "is": N_("is"),
    "is_not": N_("is not"),
    "contains": N_("contains"),
    "before": N_("is before or less than"),
    "after": N_("is after or more than"),
}
MOST = 10  # conditions of one audience

Values = Mapping[str, object]
Test = Callable[[Values], bool]

_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:\D.*)?").fullmatch
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:\D.*)?").fullmatch
_NUMBER = re.compile(r"(-?)(?:R\$\s*)?(-?[\d.,]+)%?").fullmatch


class Condition(NamedTuple):
    """One condition. `field` is a folded field name, `op` a key of `OPERATORS`, `value` what the person typed."""

    field: str
    op: str
    value: str


def read(stored: list[Any]) -> tuple[Condition, ...]:
    """Conditions as a campaign's row keeps them; what is no condition is passed over."""
    found = (Condition(*map(str, item)) for item in stored if isinstance(item, list | tuple) and len(item) == 3)
    return tuple(condition for condition in found if condition.op in OPERATORS and condition.field)


def test_of(conditions: tuple[Condition, ...]) -> Test | None:
    """One function that says whether a person meets all of them; None where there are none."""
    tests = [_test(condition) for condition in conditions]
    if not tests:
        return None
    return lambda values: all(test(values) for test in tests)


def is_comparable(value: str) -> bool:
    """Whether `before` and `after` can compare with this value: it is a date or a number."""
    return order_of(value) is not None


def plain(value: object) -> str:
    """A value as it is compared: accents, case and outer blanks do not matter."""
    text = unicodedata.normalize("NFKD", "" if value is None else str(value))
    return "".join(c for c in text if not unicodedata.combining(c)).casefold().strip()


def order_of(value: object) -> tuple[str, float] | None:
    """A place on a scale: ("date", day) for `05/03/2026` or `2026-03-05…`, ("number", x) for `1.234,5`, else None."""
    text = "" if value is None else str(value).strip()
    found = _DAY_FIRST(text)
    parts = (found[3], found[2], found[1]) if found else None
    if parts is None and (found := _YEAR_FIRST(text)):
        parts = (found[1], found[2], found[3])
    if parts is not None:
        year = int(parts[0]) + (2000 if len(parts[0]) == 2 else 0)
        try:
            return "date", float(date(year, int(parts[1]), int(parts[2])).toordinal())
        except ValueError:
            return None
    return _number(text)


def _number(text: str) -> tuple[str, float] | None:
    found = _NUMBER(text)
    if found is None:
        return None
    digits = found[2]
    # Brazilian spelling: the last of . and , is the decimal sign, but "1.234" alone means thousands.
    if "," in digits and digits.rfind(",") > digits.rfind("."):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"-?\d{1,3}(\.\d{3})+", digits):
        digits = digits.replace(".", "")
    else:
        digits = digits.replace(",", "")
    try:
        return "number", float(found[1] + digits)
    except ValueError:
        return None


def _test(condition: Condition) -> Test:
    name, wanted = condition.field, plain(condition.value)
    if condition.op == "is":
        return lambda values: plain(values.get(name)) == wanted
    if condition.op == "is_not":
        return lambda values: plain(values.get(name)) != wanted
    if condition.op == "contains":
        return lambda values: wanted in plain(values.get(name))
    border = order_of(condition.value)
    sign = 1 if condition.op == "after" else -1
    return lambda values: _beyond(order_of(values.get(name)), border, sign)


def _beyond(place: tuple[str, float] | None, border: tuple[str, float] | None, sign: int) -> bool:
    return place is not None and border is not None and place[0] == border[0] and sign * (place[1] - border[1]) > 0

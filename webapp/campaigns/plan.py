"""The plan before sending: how many people the message reaches when, by the sending window where they live."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webapp.core.window import SendingWindow

# Federative unit of each area code (Anatel, resolution 749/2022, annex).
_UNITS: dict[str, tuple[int, ...]] = {
    "SP": tuple(range(11, 20)), "RJ": (21, 22, 24), "ES": (27, 28), "MG": (31, 32, 33, 34, 35, 37, 38),
    "PR": (41, 42, 43, 44, 45, 46), "SC": (47, 48, 49), "RS": (51, 53, 54, 55), "DF": (61,), "GO": (62, 64),
    "TO": (63,), "MT": (65, 66), "MS": (67,), "AC": (68,), "RO": (69,), "BA": (71, 73, 74, 75, 77), "SE": (79,),
    "PE": (81, 87), "AL": (82,), "PB": (83,), "RN": (84,), "CE": (85, 88), "PI": (86, 89), "PA": (91, 93, 94),
    "AM": (92, 97), "RR": (95,), "AP": (96,), "MA": (98, 99),
}  # fmt: skip
UNIT_OF_AREA: dict[int, str] = {area: unit for unit, areas in _UNITS.items() for area in areas}
ABROAD = 0  # the key of numbers without a Brazilian area code
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Opening:
    """People whose messages may leave from one moment on.

    `at` is aware UTC; `places` are states, () for the rest; `too_late`: by then the campaign is valid no more.
    """

    at: datetime
    people: int
    places: tuple[str, ...]
    at_once: bool
    too_late: bool = False


def openings(
    areas: Mapping[int, int],
    window: SendingWindow,
    moment: datetime,
    *,
    ignores_window: bool = False,
    valid_until: datetime | None = None,
) -> list[Opening]:
    """The plan of a campaign that is due at `moment`, earliest first; `areas` counts people by area code.

    `moment` and `valid_until` are aware.
    """
    groups: dict[datetime, dict[int, int]] = {}
    for area, people in areas.items():
        if people:
            at = moment if ignores_window else window.next_opening(moment, area or None)
            groups.setdefault(at, {})[area] = people
    return [
        Opening(
            at, sum(group.values()), _places(group) if len(groups) > 1 else (), at <= moment,
            valid_until is not None and at >= valid_until,
        )
        for at, group in sorted(groups.items())
    ]  # fmt: skip


def _places(group: Mapping[int, int]) -> tuple[str, ...]:
    units = sorted({UNIT_OF_AREA.get(area, "+") for area in group})
    return tuple(units) if len(units) <= _MOST_NAMED else ()

"""What the delivery browser was asked for: a period and more, from the address and back into it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from webapp.core import clock, phone
from webapp.core.i18n import N_
from webapp.gateway import codes
from webapp.reports.standing import GROUPS

PERIODS = {
    "1": N_("Today"),
    "7": N_("Last 7 days"),
    "30": N_("Last 30 days"),
    "90": N_("Last 90 days"),
    "all": N_("All the time"),
    "dates": N_("Choose days"),
}
DEFAULT_PERIOD = "7"
LOOK_BACK = timedelta(days=31)  # as far as the gateway can be asked about
SOURCES = {"replies": N_("Answers from the inbox"), "tests": N_("Test messages"), "outside": N_("Other systems")}
LONGEST = {"carrier": 60, "number": 40}  # characters of a field that are looked at
LEAST_DIGITS = 3  # fewer would match a thousandth of everybody
MOST_DIGITS = 6  # that may stand in an address: more would tell who it is
MOST_PEOPLE = 10


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """One view of the messages. `since` and `until` are naive UTC (until excluded), None = without end.

    `source` is a campaign's id or a key of `SOURCES`; `status` a group's name or a gateway code; `number` a whole E.164
    number, else `digits` its last ones. Numbers must not stand in addresses, so there a person is somebody whom a
    message went to: `people` are keys of such messages (0: of nobody). `asked` holds what the address said, for the
    form and the links.
    """

    since: datetime | None = None
    until: datetime | None = None
    type: int | None = None
    status: str = ""
    carrier: str = ""
    campaign: int | None = None
    source: str = ""
    number: int | None = None
    digits: str = ""
    people: tuple[int, ...] = ()
    bad_number: bool = False
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def form(self) -> dict[str, Any]:
        """What stands in the form's fields."""
        return dict(self.asked)

    @property
    def narrow(self) -> bool:
        """Whether anything but the period is asked for."""
        return any(name not in {"period", "from", "to"} for name, _ in self.asked)

    @property
    def tells_number(self) -> bool:
        """Whether what was entered tells a number, so that `of_people` must take its place in the address."""
        return self.number is not None or len(self.digits) > MOST_DIGITS

    def of_people(self, keys: Sequence[int]) -> "MessageFilter":
        """The same view of the people whom these messages went to (none: of nobody)."""
        people = tuple(keys[:MOST_PEOPLE]) or (0,)
        return replace(
            self.without_number(), people=people, asked=(*self._of_everybody, ("person", "-".join(map(str, people))))
        )

    def without_number(self) -> "MessageFilter":
        """The same view of everybody."""
        return replace(self, number=None, digits="", people=(), bad_number=False, asked=self._of_everybody)

    @property
    def _of_everybody(self) -> tuple[tuple[str, str], ...]:
        return tuple(pair for pair in self.asked if pair[0] not in {"number", "person"})


def read(args: Mapping[str, str], zone: ZoneInfo, now: datetime) -> MessageFilter:
    """The view an address asks for; what makes no sense in it is left out. `zone` is the reader's."""
    names = ("type", "status", "carrier", "campaign", "number")
    asked = {name: args.get(name, "").strip()[: LONGEST.get(name, 20)].strip() for name in names}
    kind = int(asked["type"]) if asked["type"] in {str(n) for n in range(9)} else None
    status = asked["status"] if asked["status"] in GROUPS or asked["status"] in codes.STATUSES else ""
    campaign = int(asked["campaign"]) if re.fullmatch(r"[0-9]{1,9}", asked["campaign"]) else None
    since, until, period = _period(args, zone, now, campaign is not None)
    source = asked["campaign"] if asked["campaign"] in SOURCES else ""
    number, digits = _number(asked["number"])
    bad = bool(asked["number"]) and number is None and not digits
    people = () if number is not None or digits else _people(args.get("person", ""))
    good = {
        "type": "" if kind is None else str(kind),
        "status": status,
        "carrier": asked["carrier"],
        "campaign": source or ("" if campaign is None else str(campaign)),
        "number": _shown(asked["number"]) if bad else digits if len(digits) <= MOST_DIGITS else "",
        "person": "-".join(map(str, people)),
    }
    return MessageFilter(
        since, until, kind, status, good["carrier"], campaign, source, number, digits, people, bad,
        (*period, *((name, value) for name, value in good.items() if value)),
    )  # fmt: skip


class Days(NamedTuple):
    """Calendar days, both ends included (None = without end), and what of the choice belongs into the address."""

    first: date | None
    last: date | None
    asked: tuple[tuple[str, str], ...]


def days(args: Mapping[str, str], today: date, default: str = DEFAULT_PERIOD) -> Days:
    """The days an address asks for: a number of days up to today, all, or from and to."""
    period = args.get("period", "")
    first, last = _day(args.get("from")), _day(args.get("to"))
    if period == "all":
        return Days(None, None, (("period", "all"),))
    if period in {"", "dates"} and (first or last):
        first, last = (last, first) if first and last and first > last else (first, last)
        kept = [("period", "dates")]
        kept += [("from", first.isoformat())] if first else []
        kept += [("to", last.isoformat())] if last else []
        return Days(first, last, tuple(kept))
    count = period if period in PERIODS and period.isdecimal() else default
    shown = "dates" if period == "dates" else count
    asked = () if shown == default else (("period", shown),)
    return Days(today - timedelta(days=int(count) - 1), None, asked)


def _period(
    args: Mapping[str, str], zone: ZoneInfo, now: datetime, of_campaign: bool
) -> tuple[datetime | None, datetime | None, tuple[tuple[str, str], ...]]:
    """Since, until, and what of it belongs into the address. A link to a campaign's messages means all of them."""
    chosen = args.get("period") in PERIODS or _day(args.get("from")) or _day(args.get("to"))
    if of_campaign and not chosen:
        args = {"period": "all"}
    first, last, asked = days(args, clock.aware(now).astimezone(zone).date())
    if of_campaign and not asked:
        asked = (("period", DEFAULT_PERIOD),)
    return midnight(first, zone), midnight(last + timedelta(days=1) if last else None, zone), asked


def _day(text: str | None) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found and 1971 <= found.year <= 9000 else None


def midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The moment (naive UTC) at which a day begins in a zone."""
    if day is None:
        return None
    return clock.naive(clock.local_to_utc(datetime(day.year, day.month, day.day), zone.key))


def _shown(text: str) -> str:
    """What was entered and is no number, as it may stand in an address: with a slip of a finger it may tell one."""
    return text if sum(map(str.isdigit, text)) <= MOST_DIGITS else re.sub(r"\d", "•", text)


def _people(text: str) -> tuple[int, ...]:
    """Keys of messages, as `of_people` writes them."""
    keys = text.split("-")[:MOST_PEOPLE]
    return tuple(map(int, keys)) if all(re.fullmatch(r"[0-9]{1,18}", key) for key in keys) else ()


def _number(text: str) -> tuple[int | None, str]:
    """A whole number, or else the last digits of one."""
    found = phone.parse(text) if text else None
    if isinstance(found, phone.Parsed):
        return found.number, ""
    digits = "".join(sign for sign in text if sign in "0123456789")
    fits = LEAST_DIGITS <= len(digits) <= 15 and not any(sign.isalpha() for sign in text)
    return None, digits if fits else ""

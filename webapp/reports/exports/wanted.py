"""What a file shall hold, and how it is written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from webapp.core import clock
from webapp.reports import filters
from webapp.reports.filters import MessageFilter

FORMATS = ("csv", "xlsx")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A campaign's people or, where `campaign_id` is None, the messages of a view of the delivery browser.

    `at` (naive UTC) is when it was asked for: "the last 7 days" end there, however late a worker comes to it.
    """

    format: str
    locale: str
    zone: str
    at: datetime
    campaign_id: int | None = None
    view: Mapping[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> ZoneInfo:
        """The zone in which the file tells times."""
        return clock.zone(self.zone)

    @property
    def filter(self) -> MessageFilter:
        """The view, read as the browser reads it."""
        return filters.read(self.view, self.clock, self.at)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a process of its own."""
        return {**asdict(self), "view": dict(self.view), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Wanted":
        """Back from `to_json`."""
        return cls(**{**told, "at": datetime.fromisoformat(told["at"])})

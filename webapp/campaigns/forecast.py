"""What a campaign will cost and whom it will reach: quickly over the first people, exactly over all of them.

The exact count is rendered row by row for everyone of the audience, in a job with its progress. It is kept in the
campaign's row under a key made of everything it depends on, so a later change of the draft makes it stale by itself.
"""

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.campaigns.audience import Chunk, Count, Person
from webapp.campaigns.models import Campaign
from webapp.campaigns.plan import ABROAD
from webapp.campaigns.rendering import Renderer
from webapp.contacts.models import ContactList
from webapp.core import leases, phone
from webapp.messages.sweep import CLOCKS_APART

FRESH = timedelta(minutes=10)  # an exact count older than this is made again: people opt out, lists grow
DEAREST = 10


@dataclass(slots=True)
class Forecast:
    """The exact count. `total` = `recipients` + sum(left_out), and `recipients` people cost `credits` together."""

    count: Count = field(default_factory=Count)
    credits: int = 0
    parts: Counter[int] = field(default_factory=Counter)  # recipients by what their message costs
    areas: Counter[int] = field(default_factory=Counter)  # recipients by area code; ABROAD for the rest
    missing: Counter[str] = field(default_factory=Counter)  # people without a value, by field
    missing_people: int = 0
    saved: int = 0  # credits that exchanging accents saves, or would save
    saved_people: int = 0
    wide: int = 0  # recipients whose text has a character outside the plain alphabet
    dearest: list[tuple[int, int]] = field(default_factory=list)  # (credits, contact id), the dearest first

    @property
    def recipients(self) -> int:
        """People who will be written to."""
        return self.count.recipients

    def add(self, chunk: Chunk, renderer: Renderer) -> None:
        """Count one chunk of the walk, each person's own text rendered."""
        self.count.add(chunk)
        for person, reason in chunk.members:
            if reason is None:
                self._take(person, renderer)

    def _take(self, person: Person, renderer: Renderer) -> None:
        rendered = renderer.of(person.values)
        if rendered.missing:
            self.missing.update(rendered.missing)
            self.missing_people += 1
        if rendered.problem is not None:
            self.count.left_out[rendered.problem] += 1
            return
        self.credits += rendered.credits
        self.parts[rendered.credits] += 1
        self.areas[phone.ddd(person.number) or ABROAD] += 1
        if rendered.saved:
            self.saved += rendered.saved
            self.saved_people += 1
        if rendered.segments is not None and rendered.segments.encoding == "ucs2":
            self.wide += 1
        if len(self.dearest) < DEAREST:
            heapq.heappush(self.dearest, (rendered.credits, person.contact_id))
        elif rendered.credits > self.dearest[0][0]:
            heapq.heapreplace(self.dearest, (rendered.credits, person.contact_id))

    def to_json(self) -> dict[str, Any]:
        """The form in which a campaign's row keeps it."""
        return {
            "count": self.count.to_json(), "credits": self.credits, "parts": dict(self.parts),
            "areas": dict(self.areas), "missing": dict(self.missing), "missing_people": self.missing_people,
            "saved": self.saved, "saved_people": self.saved_people, "wide": self.wide,
            "dearest": sorted(self.dearest, reverse=True),
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Forecast":
        """Read what `to_json` wrote (JSON makes every key a text)."""
        return cls(
            Count.from_json(stored["count"]), stored["credits"], _numbered(stored["parts"]), _numbered(stored["areas"]),
            Counter(stored["missing"]), stored["missing_people"], stored["saved"], stored["saved_people"],
            stored["wide"], [(credits, contact) for credits, contact in stored["dearest"]],
        )  # fmt: skip


def _numbered(stored: dict[str, int]) -> Counter[int]:
    return Counter({int(key): n for key, n in stored.items()})


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the exact count of a campaign stands: "none", "counting", "done" or "failed"."""

    state: str
    done: int = 0
    of: int = 0
    result: Forecast | None = None
    at: datetime | None = None  # naive UTC, when it was finished


def key_of(session: Session, campaign: Campaign) -> str:
    """Changes with everything that the count depends on: the draft, and the sizes of its lists."""
    lists = [*campaign.lists, *campaign.excluded_lists]
    sizes = session.execute(
        select(ContactList.id, ContactList.size).where(ContactList.id.in_(lists)).order_by(ContactList.id)
    )
    content = [
        campaign.lists, campaign.excluded_lists, campaign.filters, campaign.type, campaign.text, campaign.accents,
        campaign.missing, campaign.media_id, campaign.media_url, [list(row) for row in sizes], campaign.rest_days,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]


def progress(session: Session, campaign: Campaign, now: datetime) -> Progress:
    """Where the count stands; a stale one counts as none."""
    stored = campaign.forecast
    if not stored or stored.get("key") != key_of(session, campaign):
        return Progress("none")
    state = stored["state"]
    if state != "done":
        return Progress(state, stored["done"], stored["of"])
    at = datetime.fromisoformat(stored["at"])
    if leases.is_over(at + FRESH, now, FRESH + CLOCKS_APART):  # too long ago, or by a clock that was set back since
        return Progress("none")
    return Progress(state, stored["of"], stored["of"], Forecast.from_json(stored["result"]), at)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the first people of the audience tell about all of it; `exact` where they are all of it."""

    recipients: int
    credits: int
    exact: bool
    left_out: int  # in the sample: people the text cannot be sent to as it is
    saved: int  # credits that exchanging accents would save
    saved_people: int
    dearest: Person | None
    most: int  # credits of the dearest


def estimate(people: Sequence[Person], count: Count, renderer: Renderer) -> Estimate:
    """The cost by the given first people of the audience, in proportion to its `count`."""
    credits, sent, saved, saved_people, left_out = 0, 0, 0, 0, 0
    dearest, most = None, 0
    for person in people:
        rendered = renderer.of(person.values)
        if rendered.problem is not None:
            left_out += 1
            continue
        sent += 1
        credits += rendered.credits
        saved += rendered.saved
        saved_people += bool(rendered.saved)
        if rendered.credits > most:
            dearest, most = person, rendered.credits
    whole = count.exact and len(people) >= count.recipients
    share = 1.0 if whole or not people else count.recipients / len(people)
    return Estimate(
        round(sent * share), round(credits * share), whole, round(left_out * share), round(saved * share),
        round(saved_people * share), dearest, most,
    )  # fmt: skip

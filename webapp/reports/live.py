"""First pages that many tabs look at: each is read once in a while, and sent only to who has not seen it."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.reports import hits
from webapp.reports.browsing import Found, page
from webapp.reports.filters import MessageFilter

FRESH = 1.0  # seconds for which a page is the newest there is
COUNTED = 5.0  # seconds for which a count is
MOST = 200  # views that are kept


@dataclass(frozen=True, slots=True)
class First:
    """The first page of a view, how many hits it has (None: nobody knows), and a token of all that it shows."""

    found: Found
    count: int | None
    version: str


@dataclass(slots=True)
class _Kept:
    lock: Any = field(default_factory=threading.Lock)
    read_at: float = float("-inf")
    counted_at: float = float("-inf")
    count: int | None = None
    first: First | None = None


_making = threading.Lock()


def first(session: Session, wanted: MessageFilter) -> First:
    """The first page of a view, at most `FRESH` seconds old. Who asks meanwhile waits for whoever reads it."""
    kept = _kept(session, wanted)
    with kept.lock:
        if kept.first is None or time.monotonic() - kept.read_at > FRESH:
            if time.monotonic() - kept.counted_at > COUNTED:
                kept.count, kept.counted_at = hits.count(session, wanted), time.monotonic()
            found = page(session, wanted, None, clock.now())
            kept.first = First(found, kept.count, _version(found, kept.count))
            kept.read_at = time.monotonic()
        return kept.first


def _kept(session: Session, wanted: MessageFilter) -> _Kept:
    pages: dict[MessageFilter, _Kept] = session.info.get("kept", {}).setdefault("reports.first pages", {})
    with _making:
        if wanted not in pages:
            for oldest in list(pages)[: max(len(pages) - MOST + 1, 0)]:
                del pages[oldest]
            pages[wanted] = _Kept()
        return pages[wanted]


def _version(found: Found, count: int | None) -> str:
    """A token of everything in sight: rows, how they stand, names, how many there are."""
    seen = hashlib.blake2s(repr((count, found.next is None, found.looked_until)).encode(), digest_size=8)
    for row in found.rows:
        message = row.message
        shown = message.id, message.at, message.carrier, message.number > 0, row.standing, row.name, row.campaign_id
        seen.update(repr(shown).encode())
    return seen.hexdigest()

"""Tombstones of people who were erased: who they were cannot be read from them, only whether a number is one of them.

A phone number has so few digits that a plain hash tells it to whoever tries them all. So the hash has a key: one of its
own, made at the first need and never changed, since nothing could be hashed anew. It lies in the instance folder, which
all machines share; a copied database alone tells nothing. `RECADO_SECRET_KEY` is another key and may be rotated.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.db import insert_for
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.keyfile import keep as keep_secret
from webapp.core.phone import canonical
from webapp.core.text import tidy
from webapp.optouts.models import Erased

KEY_FILE = "erased_key"
_BYTES = 16  # of a mark
_KEPT = "erased"
REASON_LIMIT = 300  # characters

KEY_LOST = N_(
    "%(file)s is missing: without it nobody can tell who was erased, so nothing is taken in. "
    "Put it back from a backup of the instance folder."
)
REFUSED = N_(
    "This person was erased at their request, so the number is not taken in again. "
    "An administrator can lift that under Administration, Privacy."
)


def _hash(key: bytes, number: int) -> str:
    return blake2b(number.to_bytes(8, "big"), key=key, digest_size=_BYTES).hexdigest()


def _key(session: Session) -> bytes:
    """The key; UserError where tombstones exist and it does not: a new one would tell nobody from anybody."""
    folder: Path | None = session.info.get("folder")
    assert folder is not None, "sessions that meet tombstones come from a Database that knows its folder"
    path = folder / KEY_FILE
    if not path.exists() and is_any(session):
        raise UserError(KEY_LOST, file=str(path))
    return keep_secret(path).encode()


class Tombstones:
    """Every tombstone there is, to hold many numbers against: about a microsecond each."""

    def __init__(self, key: bytes, rows: Iterable[tuple[str, datetime, bool]]) -> None:
        self._key = key
        self._rows = {mark: (at, suppressed) for mark, at, suppressed in rows}
        self._suppressed = {bytes.fromhex(mark) for mark, (_, suppressed) in self._rows.items() if suppressed}

    def suppressed(self, numbers: Iterable[int]) -> set[int]:
        """Those of the numbers that are not taken in and not written to."""
        key, marks, size = self._key, self._suppressed, _BYTES
        if not marks:
            return set()
        return {
            number
            for number in numbers
            if blake2b(number.to_bytes(8, "big"), key=key, digest_size=size).digest() in marks
        }

    def is_old(self, number: int | None, at: datetime | None) -> bool:
        """Whether something about a number is of before its erasure (naive UTC; None: nobody says when, so it is)."""
        if number is None or number <= 0:
            return False
        found = self._rows.get(_hash(self._key, canonical(number)))
        return found is not None and (at is None or at <= found[0])


def load(session: Session) -> Tombstones | None:
    """All tombstones, None where nobody was ever erased: the one question that every import and sweep pays for."""
    count, at, lifted = session.execute(select(func.count(), func.max(Erased.at), func.max(Erased.lifted_at))).one()
    if not count:
        return None
    key, state = _key(session), (count, at, lifted)  # every change of a tombstone changes one of these
    kept: dict[str, Any] = session.info["kept"]
    found = kept.get(_KEPT)
    if found is None or found[0] != (key, state):
        rows = session.execute(select(Erased.mark, Erased.at, Erased.suppressed)).all()
        found = (key, state), Tombstones(key, [(row.mark, row.at, row.suppressed) for row in rows])
        kept[_KEPT] = found
    stones: Tombstones = found[1]
    return stones


def is_any(session: Session) -> bool:
    """Whether anybody was ever erased."""
    return session.scalar(select(Erased.mark).limit(1)) is not None


def mark_of(session: Session, number: int) -> str:
    """The keyed hash of a person: how audit entries and tombstones name them."""
    return _hash(_key(session), canonical(number))


def of_person(session: Session, number: int) -> Erased | None:
    """The tombstone of one person."""
    if number <= 0 or not is_any(session):
        return None
    return session.get(Erased, mark_of(session, number))


def suppressed(session: Session, numbers: Iterable[int]) -> set[int]:
    """Those of the numbers whose people were erased and must not be taken in or written to."""
    stones = load(session)
    return stones.suppressed(numbers) if stones else set()


def is_suppressed(session: Session, number: int) -> bool:
    """The same for one person."""
    found = of_person(session, number)
    return found is not None and found.suppressed


def is_old(session: Session, number: int, at: datetime | None) -> bool:
    """Whether something about a person is of before their erasure; see `Tombstones.is_old`."""
    found = of_person(session, number)
    return found is not None and (at is None or at <= found.at)


def keep(session: Session, number: int, at: datetime) -> str:
    """Set somebody's tombstone (naive UTC); a later erasure moves the moment and suppresses anew. Returns the mark."""
    mark = mark_of(session, number)
    row = {"at": at, "suppressed": True, "lifted_at": None, "lifted_by": None, "lift_reason": None}
    statement = insert_for(session, Erased).values(mark=mark, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["mark"], set_=row))
    return mark


def lift(session: Session, number: int, at: datetime, *, reason: str, person_id: int | None) -> bool:
    """Let a number be taken in again; what was before the erasure stays out. False where it was not suppressed."""
    found = of_person(session, number)
    if found is None or not found.suppressed:
        return False
    found.suppressed, found.lifted_at, found.lifted_by = False, at, person_id
    found.lift_reason = tidy(reason).strip()[:REASON_LIMIT]
    return True


def check(session: Session) -> None:
    """UserError where there are tombstones and no key: asked at every start."""
    if is_any(session):
        _key(session)

"""Adding and lifting opt-outs. Each change leaves an event: who, when, why."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import insert_for
from webapp.core.text import fold_word, tidy
from webapp.optouts import erased, queries
from webapp.optouts.models import EVERY_CHANNEL, OptOut, OptOutEvent

OPT_OUT_WORDS = frozenset({"sair", "pare", "parar", "cancelar", "remover", "descadastrar", "stop"})
_CHUNK = 5000


def is_opt_out(text: str) -> bool:
    """Whether a reply as a whole asks to be left alone; a word inside a longer sentence does not."""
    return fold_word(text) in OPT_OUT_WORDS


def add(
    session: Session,
    number: int,
    *,
    origin: str,
    reason: str,
    channel: str = EVERY_CHANNEL,
    person_id: int | None = None,
) -> bool:
    """Opt a person out. False where they already are: the first reason and moment stay."""
    return bool(add_many(session, [number], origin=origin, reason=reason, channel=channel, person_id=person_id))


def add_many(
    session: Session,
    numbers: Iterable[int],
    *,
    origin: str,
    reason: str,
    channel: str = EVERY_CHANNEL,
    person_id: int | None = None,
) -> list[int]:
    """Opt many people out; returns the numbers that were not opted out before, each once.

    Who was erased is kept out by that already, and their number is not written down again.
    """
    wanted = list(dict.fromkeys(numbers))
    if gone := erased.suppressed(session, wanted):
        wanted = [number for number in wanted if number not in gone]
    now = clock.now()
    added: list[int] = []
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        known = queries.exactly(session, chunk, channel)
        fresh = [number for number in chunk if number not in known]
        if not fresh:
            continue
        shared = {"channel": channel, "origin": origin, "reason": tidy(reason)[:300], "person_id": person_id}
        # Somebody may add the same person at this moment: the database decides, and both are content.
        rows = [{"number": number, "since": now, **shared} for number in fresh]
        session.execute(insert_for(session, OptOut).on_conflict_do_nothing(), rows)
        session.execute(
            insert(OptOutEvent),
            [{"number": number, "at": now, "change": "added", **shared} for number in fresh],
        )
        added += fresh
    return added


def lift(session: Session, number: int, *, reason: str, person_id: int | None, channel: str = EVERY_CHANNEL) -> bool:
    """Allow writing to a person again. False where they were not opted out on that channel."""
    gone = session.execute(
        delete(OptOut).where(OptOut.number == number, OptOut.channel == channel).returning(OptOut.number)
    ).all()
    if gone:
        event = {"number": number, "channel": channel, "at": clock.now(), "change": "lifted", "origin": "hand"}
        session.execute(insert(OptOutEvent), [{**event, "reason": tidy(reason)[:300], "person_id": person_id}])
    return bool(gone)


def lift_many(session: Session, numbers: Sequence[int], *, reason: str, person_id: int | None) -> int:
    """Undo an opt-out list that was imported by mistake; returns how many it freed."""
    return sum(lift(session, number, reason=reason, person_id=person_id) for number in numbers)

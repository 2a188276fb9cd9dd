"""Adding and lifting opt-outs. Each change leaves an event: who, when, why."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, insert, literal, select, true, update
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.db import each, insert_for, one_of
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import fold_word, tidy
from webapp.optouts import erased
from webapp.optouts.models import CHANNELS, EVERY_CHANNEL, OptOut, OptOutEvent

OPT_OUT_WORDS = frozenset({"sair", "pare", "parar", "cancelar", "remover", "descadastrar", "stop"})
BY_IMPORT = "import"  # the origin of what a list says, not the person
_CHUNK = 10_000
_OUT, _EVENT = OptOut.__table__.c, OptOutEvent.__table__.c


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
    """Opt a person out. False where they already are: the first reason and moment stay, but a list's for theirs."""
    return bool(add_many(session, [number], origin=origin, reason=reason, channel=channel, person_id=person_id))


def add_many(
    session: Session,
    numbers: Iterable[int],
    *,
    origin: str,
    reason: str,
    channel: str = EVERY_CHANNEL,
    person_id: int | None = None,
    import_id: int | None = None,
) -> list[int]:
    """Opt many people out; returns the numbers that were not opted out before, each once. UserError: no such channel.

    Who was erased is kept out by that already, and their number is not written down again.
    `import_id`: the import that brings them, which its undoing frees unless somebody else asks for the same.
    """
    if channel not in CHANNELS:
        raise UserError(N_("Choose a channel: SMS, WhatsApp, voice calls or all."), field="channel")
    # Everybody locks them in one order, and each page of the indexes is written once.
    everybody = set(numbers)
    wanted = sorted(everybody - erased.suppressed(session, everybody))
    added: list[int] = []
    for start in range(0, len(wanted), _CHUNK):
        change = _Change("added", channel, origin, tidy(reason)[:300], person_id, clock.now())
        added += _add_chunk(session, wanted[start : start + _CHUNK], change, import_id)
    return added


class _Change(NamedTuple):
    """What an opt-out and its event have in common."""

    change: str
    channel: str
    origin: str
    reason: str
    person_id: int | None
    at: datetime


def _add_chunk(session: Session, numbers: list[int], change: _Change, import_id: int | None) -> list[int]:
    values = {
        "channel": change.channel, "since": change.at, "origin": change.origin, "reason": change.reason,
        "person_id": change.person_id, "import_id": import_id,
    }  # fmt: skip
    rows = _with_each(session, numbers, {_OUT[name]: value for name, value in values.items()})
    # Somebody may add the same person at this moment: the database decides whose it is.
    statement = insert_for(session, OptOut).from_select(["number", *values], rows).on_conflict_do_nothing()
    connection = session.connection()
    fresh = list(connection.scalars(statement.returning(OptOut.number)))
    if len(fresh) < len(numbers):
        known = sorted(set(numbers).difference(fresh))
        taken_over = _release(session, known, change, import_id)
        _note(session, [*fresh, *taken_over], change)
    else:
        _note(session, fresh, change)
    return fresh


def _release(session: Session, known: list[int], change: _Change, import_id: int | None) -> list[int]:
    """What an import alone kept out is asked for by somebody else now, so its undoing lifts it no more.

    The wish of a person (a reply, a colleague) also says more than a list: it becomes the reason. Returns those.
    """
    here = (_OUT.channel == change.channel, one_of(session, _OUT.number, known))
    if import_id is not None:
        others = update(OptOut).where(*here, _OUT.import_id != import_id)
        session.connection().execute(others.values(import_id=None))
        return []
    wish = {"origin": change.origin, "reason": change.reason, "person_id": change.person_id}
    listed = update(OptOut).where(*here, _OUT.origin == BY_IMPORT).values(import_id=None, **wish)
    return list(session.connection().scalars(listed.returning(OptOut.number)))


def _note(session: Session, numbers: list[int], change: _Change) -> None:
    if numbers:
        rows = _with_each(session, numbers, {_EVENT[name]: value for name, value in change._asdict().items()})
        session.connection().execute(insert(OptOutEvent).from_select(["number", *change._fields], rows))


def _with_each(session: Session, numbers: list[int], values: dict[Any, Any]) -> Select[Any]:
    """A row for each number with the same values beside it."""
    shared = [literal(value, column.type) for column, value in values.items()]
    return select(each(session, numbers), *shared).where(true())  # SQLite needs a WHERE before its ON CONFLICT


def lift(session: Session, number: int, *, reason: str, person_id: int | None, channel: str = EVERY_CHANNEL) -> bool:
    """Allow writing to a person again. False where they were not opted out on that channel."""
    gone = session.execute(
        delete(OptOut).where(OptOut.number == number, OptOut.channel == channel).returning(OptOut.number)
    ).all()
    if gone:
        _note(session, [number], _Change("lifted", channel, "hand", tidy(reason)[:300], person_id, clock.now()))
    return bool(gone)


class Brought(NamedTuple):
    """Whom an import has opted out, and why and by whom that is taken back."""

    import_id: int
    channel: str
    reason: str
    person_id: int | None


def lift_import(session: Session, brought: Brought, behind: int, size: int) -> tuple[int, int | None]:
    """Take back what an import alone keeps out, among the next `size` opt-outs with numbers above `behind`.

    Returns how many were freed, and the number behind which to go on: None at the end.
    """
    connection = session.connection()
    on_it = _OUT.channel == brought.channel
    following = select(_OUT.number).where(on_it, _OUT.number > behind).order_by(_OUT.number)
    last = connection.scalar(following.offset(size - 1).limit(1))
    wanted = delete(OptOut).where(on_it, _OUT.number > behind, _OUT.import_id == brought.import_id)
    if last is not None:
        wanted = wanted.where(_OUT.number <= last)
    freed = list(connection.scalars(wanted.returning(OptOut.number)))
    reason = tidy(brought.reason)[:300]
    _note(session, freed, _Change("lifted", brought.channel, BY_IMPORT, reason, brought.person_id, clock.now()))
    return len(freed), last

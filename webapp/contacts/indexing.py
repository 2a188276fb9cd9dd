"""The job that fills what big lists are searched by: block after block, each in one short transaction.

It may be killed anywhere and run again: a block's postings, the note that it was stale and how far the list is indexed
change together. A worker that was only slow, not dead, cannot write once another one has taken the list over.
"""

import secrets
from datetime import timedelta
from time import perf_counter, sleep
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from webapp.contacts import postings
from webapp.contacts.models import Contact, ContactList, Import
from webapp.contacts.search_models import (
    BLOCK,
    BLOCK_BITS,
    SearchBlock,
    SearchPosting,
    SearchStale,
    SearchState,
)
from webapp.contacts.states import AT_WORK
from webapp.core import leases
from webapp.core.db import Database, insert_for, moment
from webapp.optouts import queries as optouts

WORTH = 2000  # people that are read through as quickly as they are looked up: fewer are not indexed
LEASE = timedelta(seconds=60)
BREATH = 0.02  # seconds for other writers after each block, at least
EVENTS = 2000  # opt-outs and liftings since a block was made, from which on it is made again


class Lost(Exception):
    """Another worker has this list now."""


class Block(NamedTuple):
    """What was read of a block, at one moment."""

    postings: list[tuple[bytes, bytes]]
    outs: int
    event: int
    last: int | None  # the highest id in it
    stale: list[tuple[int, int]]  # the notes that it answers


def run(db: Database, *, worth: int = WORTH, breath: float = BREATH) -> None:
    """Index what is not, forget what is gone. `worth`: people that a list must have to be indexed."""
    with db.reading() as session:
        due = lists_due(session, worth)
    for list_id in due:
        holder = secrets.token_hex(16)
        if _claim(db, list_id, holder):
            try:
                _Tending(db, list_id, holder, worth, breath).run()
            except Lost:
                continue


def lists_due(session: Session, worth: int = WORTH) -> list[int]:
    """Lists with something to index or to forget. One into which a file is being imported waits until that is done."""
    event = optouts.settled_event(session)  # 0, and nothing is behind, where that cannot be told now
    stale = set(session.scalars(select(SearchStale.list_id).distinct()))
    gone = select(SearchState.list_id).join(ContactList, ContactList.id == SearchState.list_id)
    due = stale | set(session.scalars(gone.where(ContactList.archived_at.is_not(None))))
    behind = select(SearchBlock.list_id).where(SearchBlock.upto_event < event - EVENTS).distinct()
    due |= set(session.scalars(behind))
    big = select(ContactList.id).where(ContactList.archived_at.is_(None), ContactList.size >= worth)
    due |= {list_id for list_id in session.scalars(big) if _is_behind(session, list_id, worth)}
    at_work = select(Import.list_id).where(Import.state.in_(AT_WORK), Import.list_id.is_not(None))
    return sorted(due - set(session.scalars(at_work)))


def _is_behind(session: Session, list_id: int, worth: int) -> bool:
    """Whether so many people of a list are in no block that making one pays."""
    upto = session.scalar(select(SearchState.upto).where(SearchState.list_id == list_id)) or 0
    tail = select(Contact.id).where(Contact.list_id == list_id, Contact.id > upto).order_by(Contact.id)
    return session.scalar(tail.offset(worth - 1).limit(1)) is not None


def _claim(db: Database, list_id: int, holder: str) -> bool:
    with db.writing(durable=False) as session:
        now = moment(session)
        session.execute(insert_for(session, SearchState).on_conflict_do_nothing(), [{"list_id": list_id, "upto": 0}])
        free = or_(SearchState.lease_until.is_(None), leases.over(SearchState.lease_until, now, LEASE))
        taken = (
            update(SearchState)
            .where(SearchState.list_id == list_id, free)
            .values(holder=holder, lease_until=now + LEASE)
            .returning(SearchState.list_id)
        )
        return bool(session.execute(taken).all())


class _Tending:
    """One list, while it is ours."""

    def __init__(self, db: Database, list_id: int, holder: str, worth: int, breath: float) -> None:
        self.db, self.list_id, self.holder, self.worth, self.breath = db, list_id, holder, worth, breath

    def run(self) -> None:
        with self.db.reading() as session:
            entry = session.get(ContactList, self.list_id)
            gone = entry is None or entry.archived_at is not None
            behind = not gone and _is_behind(session, self.list_id, self.worth)
        if gone:
            self._forget()
            return
        for changed in self._changed():
            self._make(changed)
        while behind and (block := self._next()) is not None:
            self._make(block, advance=True)
        with self.db.writing(durable=False) as session:
            self._still_ours(session, holder=None, lease_until=None)

    def _still_ours(self, session: Session, **values: Any) -> None:
        """Raise Lost unless nobody took the list over; nobody does before this transaction ends."""
        values.setdefault("lease_until", moment(session) + LEASE)
        ours = (SearchState.list_id == self.list_id) & (SearchState.holder == self.holder)
        if not session.execute(update(SearchState).where(ours).values(**values).returning(SearchState.list_id)).all():
            raise Lost

    def _changed(self) -> list[int]:
        """Blocks that somebody changed in, and those that many opt-outs came after."""
        with self.db.reading() as session:
            event = optouts.settled_event(session)
            stale = select(SearchStale.block).where(SearchStale.list_id == self.list_id).distinct()
            behind = select(SearchBlock.block).where(
                SearchBlock.list_id == self.list_id, SearchBlock.upto_event < event - EVENTS
            )
            return sorted({*session.scalars(stale), *session.scalars(behind)})

    def _next(self) -> int | None:
        """The block of the first person who is in none."""
        with self.db.reading() as session:
            upto = select(SearchState.upto).where(SearchState.list_id == self.list_id).scalar_subquery()
            wanted = select(Contact.id).where(Contact.list_id == self.list_id, Contact.id > upto)
            found = session.scalar(wanted.order_by(Contact.id).limit(1))
        return None if found is None else found >> BLOCK_BITS

    def _make(self, block: int, *, advance: bool = False) -> None:
        """Make a block's postings anew. `advance`: its last person is how far the list is indexed."""
        with self.db.reading() as session:
            event = optouts.settled_event(session)
            before = session.get(SearchBlock, (self.list_id, block))
            upto = session.get_one(SearchState, self.list_id).upto
        event = event or (before.upto_event if before else 0)
        with self.db.still() as session:
            made = _read(session, self.list_id, block, event, None if advance else upto)
        with self.db.writing(durable=False) as session:
            began = perf_counter()
            # SQLite gives the highest id again when its row is gone: it may be gone since we looked
            highest = session.scalar(select(func.max(Contact.id))) or 0
            values = {"upto": min(made.last, highest)} if advance and made.last is not None else {}
            self._still_ours(session, **values)
            _write(session, self.list_id, block, made)
        sleep(max(self.breath, perf_counter() - began) if self.breath else 0)

    def _forget(self) -> None:
        """Throw away everything about a list that was deleted."""
        here = SearchPosting.list_id == self.list_id
        while True:
            with self.db.writing(durable=False) as session:
                self._still_ours(session)
                block = session.scalar(select(SearchPosting.block).where(here).order_by(SearchPosting.block).limit(1))
                session.execute(delete(SearchPosting).where(here, SearchPosting.block == block))
                if block is None:
                    for table in (SearchBlock, SearchStale, SearchState):
                        session.execute(delete(table).where(table.list_id == self.list_id))
                    return
            sleep(self.breath)


def _read(session: Session, list_id: int, block: int, event: int, upto: int | None) -> Block:
    """`upto`: people with higher ids are left out."""
    mine = (SearchStale.list_id == list_id) & (SearchStale.block == block)
    stale = [(row[0], row[1]) for row in session.execute(select(SearchStale.id, SearchStale.change).where(mine))]
    first = block << BLOCK_BITS
    last_of_all = first + BLOCK - 1 if upto is None else min(first + BLOCK - 1, upto)
    here = (Contact.list_id == list_id, Contact.id.between(first, last_of_all))
    wanted = select(Contact.id, Contact.name_key, Contact.kind, Contact.number).where(*here).order_by(Contact.id)
    writer, last, outs = postings.Writer(), None, 0
    for contact_id, name_key, kind, number in session.execute(wanted):
        writer.add(contact_id - first, name_key, kind, number)
        last = contact_id
    out = select(Contact.id).where(*here, optouts.is_out(Contact.number)).order_by(Contact.id)
    for contact_id in session.scalars(out):
        writer.add_out(contact_id - first)
        outs += 1
    return Block(writer.rows(), outs, event, last, stale)


def _write(session: Session, list_id: int, block: int, made: Block) -> None:
    for table in (SearchPosting, SearchBlock):
        session.execute(delete(table).where(table.list_id == list_id, table.block == block))
    if made.last is not None:
        shared = {"list_id": list_id, "block": block}
        session.execute(insert(SearchBlock), [{**shared, "outs": made.outs, "upto_event": made.event}])
        _insert(session, [(list_id, block, token, places) for token, places in made.postings])
    if made.stale:
        # `change`, too: on SQLite a later change counts the same note up
        for note, change in made.stale:
            session.execute(delete(SearchStale).where(SearchStale.id == note, SearchStale.change == change))


def _insert(session: Session, rows: list[tuple[int, int, bytes, bytes]]) -> None:
    if session.get_bind().dialect.name == "postgresql":
        cursor: Any = session.connection().connection.cursor()
        with cursor.copy("COPY contact_search_posting (list_id, block, token, places) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    session.connection().exec_driver_sql("INSERT INTO contact_search_posting VALUES (?, ?, ?, ?)", rows)

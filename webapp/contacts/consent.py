"""Why a person may be written to (LGPD, article 7): what was stated about them, what for, on which channels.

A statement is made with an import, for everybody in its file, or by hand for one person. Nothing is ever overwritten:
what holds now is the latest statement that covers a purpose and a channel, and an opt-out wins over all of them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Person
from webapp.contacts.models import ConsentLink, ConsentStatement, Import
from webapp.contacts.proofs import Proof
from webapp.contacts.states import BASES, CHANNELS, NOT_STATED, PURPOSES, USUAL_PURPOSE, WITHDRAWN
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.i18n import N_
from webapp.core.text import tidy
from webapp.optouts import service as optouts
from webapp.optouts.models import EVERY_CHANNEL

# An import writes these ten thousand at a time: as plain as each driver likes it best.
_LINK_SQLITE = "INSERT INTO consent (number, statement_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_LINK_POSTGRES = (
    "INSERT INTO consent (number, statement_id) SELECT unnest(%s::bigint[]), %s::integer ON CONFLICT DO NOTHING"
)
_GONE = ("undoing", "undone")  # an import that was taken back has stated nothing


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody states: a key of `states.BASES`, where that was given and when, for what and on which channels."""

    basis: str = NOT_STATED
    source: str = ""
    day: date | None = None
    purpose: str = USUAL_PURPOSE
    channels: tuple[str, ...] = tuple(CHANNELS)
    proof: Proof | None = None


class Entry(NamedTuple):
    """A line of a person's ledger: the statement, who recorded it, and the file of the import it came with."""

    statement: ConsentStatement
    by: str | None
    filename: str | None

    @property
    def channels(self) -> list[str]:
        """The channels that it covers, in the usual order."""
        stated = self.statement.channels.split(",")
        return [channel for channel in CHANNELS if channel in stated]

    @property
    def day(self) -> date:
        """The day from which it counts: as stated, else when it was recorded."""
        return self.statement.given_on or self.statement.recorded_at.date()


def check(consent: Consent) -> None:
    """UserError where a statement cannot be one."""
    if consent.basis not in BASES:
        raise UserError(N_("Choose why you may write to these people."), field="basis")
    if consent.purpose not in PURPOSES:
        raise UserError(N_("Choose what for."), field="purpose")
    _check_channels(consent.channels)
    if consent.day is not None and consent.day > clock.now().date():
        raise UserError(N_("The date of the consent is still to come."), field="consent_date")


def _check_channels(channels: Collection[str]) -> None:
    if not channels or not set(channels) <= set(CHANNELS):
        raise UserError(N_("Choose at least one channel."), field="channels")


def _joined(channels: Collection[str]) -> str:
    return ",".join(channel for channel in CHANNELS if channel in channels)


def _write(session: Session, consent: Consent, person_id: int | None, import_id: int | None = None) -> int:
    row = ConsentStatement(
        basis=consent.basis, purpose=consent.purpose, channels=_joined(consent.channels),
        source=tidy(consent.source).strip()[:300], given_on=consent.day, import_id=import_id,
        proof_path=consent.proof and consent.proof.path, proof_name=consent.proof and consent.proof.name,
        recorded_at=clock.now(), recorded_by=person_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def state_for_import(session: Session, import_id: int, consent: Consent, person_id: int | None) -> None:
    """Keep what is stated (and checked) for everybody in an import; nothing where nothing is stated."""
    if consent.basis != NOT_STATED:
        _write(session, consent, person_id, import_id)


def attach(session: Session, import_id: int, numbers: Sequence[int]) -> None:
    """Have an import's statement, if it has one, count for these people; for whom it counts already it stays so."""
    statement_id = session.scalar(select(ConsentStatement.id).where(ConsentStatement.import_id == import_id))
    if statement_id is None or not numbers:
        return
    ordered = sorted(numbers)  # neighbours share a page of the tree
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql(_LINK_POSTGRES, (ordered, statement_id))
    else:
        session.connection().exec_driver_sql(_LINK_SQLITE, [(number, statement_id) for number in ordered])


def record(session: Session, number: int, consent: Consent, person_id: int | None) -> int | None:
    """Keep what is stated by hand for one person; returns the statement's id, None where nothing is stated.

    UserError where it cannot be a statement.
    """
    check(consent)
    if consent.basis == NOT_STATED:
        return None
    statement_id = _write(session, consent, person_id)
    session.execute(insert(ConsentLink), [{"number": number, "statement_id": statement_id}])
    return statement_id


def withdraw(
    session: Session, number: int, purpose: str, channels: Collection[str], reason: str, person_id: int | None
) -> list[str]:
    """A person takes their consent back (LGPD, article 8, §5). Returns the opt-outs that follow from it.

    Every campaign may be marketing, so who withdraws for marketing is opted out on these channels; for another purpose
    nothing is closed. The caller stops what waits to leave.
    """
    if purpose not in PURPOSES:
        raise UserError(N_("Choose what for."), field="purpose")
    _check_channels(channels)
    said = Consent(WITHDRAWN, reason, clock.now().date(), purpose, tuple(channels))
    statement_id = _write(session, said, person_id)
    session.execute(insert(ConsentLink), [{"number": number, "statement_id": statement_id}])
    if purpose != USUAL_PURPOSE:
        return []
    closed = [EVERY_CHANNEL] if set(channels) == set(CHANNELS) else sorted(channels)
    for channel in closed:
        optouts.add(session, number, origin="hand", reason=reason, channel=channel, person_id=person_id)
    return closed


def ledger(session: Session, number: int) -> list[Entry]:
    """Everything that was stated about a person, the latest first. What an undone import stated is not in it."""
    wanted = (
        select(ConsentStatement, Person.name, Import.filename)
        .join(ConsentLink, ConsentLink.statement_id == ConsentStatement.id)
        .outerjoin(Person, Person.id == ConsentStatement.recorded_by)
        .outerjoin(Import, Import.id == ConsentStatement.import_id)
        .where(ConsentLink.number == number, Import.state.is_(None) | Import.state.not_in(_GONE))
    )
    found = [Entry(*row) for row in session.execute(wanted)]
    return sorted(found, key=_order, reverse=True)


def _order(entry: Entry) -> tuple[object, ...]:
    return entry.day, entry.statement.recorded_at, entry.statement.id


def holding(entries: Sequence[Entry], purpose: str, channel: str) -> Entry | None:
    """What holds now of a ledger for a purpose and a channel; None where nobody stated anything.

    A consent without a day may be older than the withdrawal that came in before it, so it does not undo that.
    """
    found: Entry | None = None
    for entry in reversed(entries):
        statement = entry.statement
        if statement.purpose != purpose or channel not in entry.channels:
            continue
        undated = statement.basis == "consent" and statement.given_on is None
        if not (undated and found is not None and found.statement.basis == WITHDRAWN):
            found = entry
    return found


class Standing(NamedTuple):
    """What holds now for a purpose, and the channels for which it is the same."""

    purpose: str
    channels: list[str]
    held: Entry | None
    opted_out: bool


def standings(entries: Sequence[Entry], out: Collection[str]) -> list[Standing]:
    """What holds for marketing, and for each further purpose where something was stated.

    `out`: the channels on which the person is opted out, `all` among them where it is every one.
    """
    purposes = {USUAL_PURPOSE, *(entry.statement.purpose for entry in entries)}
    found: list[Standing] = []
    for purpose in (key for key in PURPOSES if key in purposes):
        of_purpose: list[Standing] = []
        for channel in CHANNELS:
            opted_out = channel in out or EVERY_CHANNEL in out
            now = Standing(purpose, [channel], holding(entries, purpose, channel), opted_out)
            same = [row for row in of_purpose if (row.held, row.opted_out) == (now.held, now.opted_out)]
            if now.held is None and purpose != USUAL_PURPOSE:
                continue
            if same:
                same[0].channels.append(channel)
            else:
                of_purpose.append(now)
        found += of_purpose
    return found


def the_statement(session: Session, statement_id: int) -> ConsentStatement | None:
    """A statement by its id."""
    return session.get(ConsentStatement, statement_id)


def of_import(session: Session, import_id: int) -> ConsentStatement | None:
    """What was stated with an import."""
    return session.scalar(select(ConsentStatement).where(ConsentStatement.import_id == import_id))


def unlink_chunk(session: Session, import_id: int, after: int, size: int) -> int | None:
    """Let go of people for whom an import's statement counts: those of the next `size` links behind a number.

    Returns the number to go on behind, None at the end. It goes through everybody's links, in their order: an import is
    rarely undone, and an index for it would cost every import.
    """
    statement = of_import(session, import_id)
    if statement is None:
        return None
    wanted = select(ConsentLink.number).where(ConsentLink.number > after).order_by(ConsentLink.number).limit(size)
    numbers = list(session.scalars(wanted))
    if not numbers:
        return None
    reach = ConsentLink.number.between(numbers[0], numbers[-1])
    session.execute(delete(ConsentLink).where(reach, ConsentLink.statement_id == statement.id))
    return numbers[-1]


def retract(session: Session, import_id: int) -> str | None:
    """The end of an undone import's statement, once nobody hangs on it. Returns its proof's path, to be removed."""
    statement = of_import(session, import_id)
    if statement is None:
        return None
    session.delete(statement)
    session.flush()
    return statement.proof_path


def forget(session: Session, number: int) -> list[str]:
    """Erase what was stated about a person. Returns paths below the instance folder of the proofs to be removed.

    What was stated by hand was stated for them alone and goes with it; an import's statement stays for the others.
    """
    mine = select(ConsentLink.statement_id).where(ConsentLink.number == number)
    alone = session.scalars(
        select(ConsentStatement).where(ConsentStatement.id.in_(mine), ConsentStatement.import_id.is_(None))
    ).all()
    for statement in alone:
        session.delete(statement)
    session.flush()
    session.execute(delete(ConsentLink).where(ConsentLink.number == number))
    return [statement.proof_path for statement in alone if statement.proof_path]

"""Launches and what the gateway said of them, made through the outbox and the receipts as in life."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock
from webapp.core.db import Database
from webapp.gateway.wire import Receipt
from webapp.messages import counters, outbox, receipts
from webapp.messages.models import DayCount, Message, Run, RunCount
from webapp.messages.outbox import NewMessage
from webapp.messages.reference import encode

FIRST = 5511987650000


def launched(
    db: Database,
    people: int | Sequence[NewMessage] = 3,
    *,
    name: str = "Promoção",
    type: int = 0,
    text: str = "Oi!",
    at: datetime | None = None,
    not_before: datetime | None = None,
    author: int | None = None,
    forecast: int = 0,
) -> Campaign:
    """A campaign that was launched; nothing of it has left yet."""
    rows = [NewMessage(FIRST + n) for n in range(people)] if isinstance(people, int) else list(people)
    at = at or clock.now()
    with db.writing() as session:
        run = outbox.open_run(
            session, kind="campaign", name=name, type=type, text=text, total=len(rows), not_before=not_before or at,
            created_by=author, forecast=forecast,
        )  # fmt: skip
        run.created_at = at
        outbox.write_chunk(session, run, rows, 100)
        outbox.finish_launch(session, run)
        campaign = Campaign(
            name=name, created_at=at, updated_at=at, type=type, text=text, timezone="America/Sao_Paulo", lists=[],
            excluded_lists=[], filters=[], run_id=run.id,
        )  # fmt: skip
        session.add(campaign)
        session.flush()
        session.expunge(campaign)
    return campaign


def run_of(session: Session, campaign: Campaign) -> Run:
    """The run of a campaign."""
    return session.get_one(Run, campaign.run_id)


def keys(db: Database, campaign: Campaign) -> list[int]:
    """The keys of a campaign's messages, in order."""
    with db.reading() as session:
        return list(session.scalars(select(Message.id).where(Message.run_id == campaign.run_id).order_by(Message.id)))


def heard(
    db: Database,
    key: int,
    status: str | None,
    *,
    carrier: str = "Vivo - Celular",
    at: datetime | None = None,
    source: str = "callback",
) -> None:
    """The gateway says something of one of our messages."""
    with db.writing() as session:
        message = session.get_one(Message, key)
        run = session.get_one(Run, message.run_id)
        moment = clock.aware(at or clock.now())
        receipt = Receipt(
            f"9{key}", encode(run.token, key), message.number, status, status or "", moment, "", carrier, None
        )
        raw = f"campaign_id={encode(run.token, key)}&id=9{key}&status={status}&carrier={carrier}"
        receipts.apply(session, [receipts.Heard(receipt, raw if source == "callback" else None)], source)


def outside(db: Database, number: int, status: str = "1", *, id: str = "777", at: datetime | None = None) -> None:
    """A message that another system on the account sent, as mt_date tells it."""
    moment = clock.aware(at or clock.now())
    with db.writing() as session:
        receipts.apply(session, [Receipt(id, "erp-1", number, status, status, moment, "", "TIM", 0)], "mt_date")


def accepted_at(db: Database, moments: dict[int, datetime], credits: int | None = None) -> None:
    """Move messages to moments of the past (what they cost may be set too), and count everything again."""
    with db.writing() as session:
        for key, at in moments.items():
            session.execute(update(Message).where(Message.id == key).values(at=at, credits=credits))
        session.execute(RunCount.__table__.delete())  # type: ignore[attr-defined]
        session.execute(DayCount.__table__.delete())  # type: ignore[attr-defined]
        changes = counters.Changes()
        for row in session.scalars(select(Message)):
            changes.add(
                counters.Place(
                    row.run_id, row.state, row.reason, row.status, row.carrier, row.type, row.at, row.credits
                )
            )
        changes.write(session)


def refused(db: Database, key: int, code: str) -> None:
    """The gateway refused one message with a code."""
    with db.writing() as session:
        outbox.close_rows(session, outbox.RowState.REFUSED, code, outbox.Batch.first_key <= key, only=[key])


def named(db: Database, names: dict[int, str], list_name: str = "Clientes") -> int:
    """A list with these people; its id."""
    now = clock.now()
    with db.writing() as session:
        made = ContactList(name=list_name, created_at=now, size=len(names))
        session.add(made)
        session.flush()
        for number, name in names.items():
            session.add(
                Contact(
                    list_id=made.id,
                    number=number,
                    kind="mobile",
                    name=name,
                    name_key=name.lower(),
                    fields={},
                    created_at=now,
                    updated_at=now,
                )
            )
        return made.id


@contextmanager
def small_disk(most: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: what a full disk is to it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def days_ago(days: float) -> datetime:
    """A moment of the past, naive UTC."""
    return clock.now() - timedelta(days=days)


def total(db: Database) -> int:
    """How many messages there are."""
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Message)) or 0

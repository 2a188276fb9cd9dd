"""From a draft to rows of the outbox: a person's click, then a job that may be killed anywhere and goes on.

The click is one transaction: it reserves keys for everyone the lists hold at that moment and takes the draft by a
conditional UPDATE, so the second of two clicks finds nothing to take. The job then fixes the audience (`spool`) and
writes it in chunks, each with its count in one transaction. Two workers at the same launch cannot write the same chunk:
both lock the run, and the second finds that it has moved on.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.campaigns import forecast, purses, tries
from webapp.campaigns.audience import Chunk, Member, Selection, rows_of, walk
from webapp.campaigns.leases import LEASE, claim, hold, is_waiting
from webapp.campaigns.media import address
from webapp.campaigns.models import Campaign
from webapp.campaigns.people import is_anybody_left, known_fields
from webapp.campaigns.rendering import Renderer, Words, credit_rule, service_of
from webapp.campaigns.service import MessageInput, lost_lists, message_problems
from webapp.campaigns.spool import Spool, SpoolWriter, spools
from webapp.contacts.models import Contact, ContactList
from webapp.core import clock, phone
from webapp.core.db import Database, moment
from webapp.core.errors import UserError
from webapp.core.memory import without_collector
from webapp.core.settings import Settings
from webapp.core.window import SendingWindow
from webapp.gateway.codes import DIALECTS
from webapp.messages import outbox
from webapp.messages.claim import batch_size
from webapp.messages.models import Batch, Message, Run
from webapp.messages.states import RowState, RunState

log = structlog.get_logger(__name__)

CHUNK = 5000


Waits = Callable[[int], datetime | None]


class Lost(Exception):
    """Another worker has gone on with this launch."""


def renderer_of(settings: Settings, campaign: Campaign) -> Renderer:
    """The campaign's message, ready to be filled."""
    dialect = DIALECTS[settings.gateway_dialect]
    hosted = address(settings.public_url, campaign.media) if campaign.media else campaign.media_url or ""
    return Renderer(Words.of(campaign), service_of(dialect, campaign.type), credit_rule(dialect), hosted)


def launch(
    session: Session, settings: Settings, campaign: Campaign, *, person_id: int | None, undo_seconds: int
) -> Run:
    """Take a draft and open its run; the job `campaigns.launch` is to be started after the commit.

    UserError with a sentence for everything that speaks against it: incomplete, not counted, nobody to write to, too
    little credit, a time that has passed, sent already.
    """
    _one_at_a_time(session, campaign)
    result = check(session, settings, campaign)
    now = clock.now()
    upto = session.scalar(select(func.max(Contact.id)).where(Contact.list_id.in_(campaign.lists))) or 0
    renderer = renderer_of(settings, campaign)
    run = outbox.open_run(
        session, kind="campaign", name=campaign.name, type=campaign.type, text=renderer.common,
        caption=campaign.caption if renderer.service.caption_max else "",
        total=rows_of(session, campaign.lists, upto), not_before=_not_before(settings, campaign, now, undo_seconds),
        deliver_at=campaign.send_at, deliver_zone=campaign.timezone if campaign.send_at else None,
        valid_until=campaign.valid_until, ignores_window=campaign.ignores_window, canary=campaign.canary,
        created_by=person_id, forecast=result.credits,
    )  # fmt: skip
    taken = session.execute(
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.run_id.is_(None))
        .values(run_id=run.id, audience_upto=upto, lease_until=moment(session), updated_at=now)
    )
    if not taken.rowcount:  # type: ignore[attr-defined]
        raise UserError("This campaign was sent already.")
    session.refresh(campaign)
    return run


def _one_at_a_time(session: Session, campaign: Campaign) -> None:
    """Until the transaction ends nobody deletes a list of the campaign, and no other launch counts on its credits."""
    ids = [*campaign.lists, *campaign.excluded_lists]
    session.execute(
        select(ContactList.id).where(ContactList.id.in_(ids)).order_by(ContactList.id).with_for_update(read=True)
    )
    outbox.reserve_keys(session, 0)


def check(session: Session, settings: Settings, campaign: Campaign) -> forecast.Forecast:
    """What the launch would do, exactly counted; UserError for everything that speaks against it."""
    dialect = DIALECTS[settings.gateway_dialect]
    service, now = service_of(dialect, campaign.type), clock.now()
    if campaign.run_id is not None:
        raise UserError("This campaign was sent already.")
    if not campaign.lists:
        raise UserError("Choose at least one list.", field="lists")
    tries.check_alone(session, campaign)
    if lost_lists(session, campaign):
        raise UserError("A list of this campaign was deleted. Choose again whom it goes to.", field="lists")
    known = [item.key for item in known_fields(session, campaign.lists)]
    given = MessageInput(campaign.text, campaign.caption, campaign.media_url or "", campaign.media_id is not None)
    for problem in message_problems(given, service, credit_rule(dialect), known):
        raise problem
    if campaign.send_at is not None and campaign.send_at <= now:
        raise UserError("The time of this campaign has passed. Choose another one, or send it now.", field="date")
    if campaign.valid_until is not None and campaign.valid_until <= now:
        raise UserError("“Valid until” has passed: nobody would receive anything. Change it.", field="valid_date")
    counted = forecast.progress(session, campaign, now).result
    if counted is None:
        raise UserError("The audience or the message has changed, so it is being counted again. Check and confirm.")
    if counted.recipients == 0:
        raise UserError("Nobody would receive this message. See below why, and choose another audience.")
    if not is_anybody_left(session, Selection.of(campaign), renderer_of(settings, campaign)):
        raise UserError(
            "Since it was counted, everybody has opted out, left the lists or got another campaign: "
            "nobody would receive this message."
        )
    purses.check_credits(purses.purse_of(session, dialect, service), counted.credits)
    return counted


def _not_before(settings: Settings, campaign: Campaign, now: datetime, undo_seconds: int) -> datetime:
    soon = now + timedelta(seconds=undo_seconds)
    if campaign.send_at is None or campaign.handover == "now":
        return soon
    return max(campaign.send_at - timedelta(minutes=settings.handover_minutes), soon)


def carry_out(db: Database, settings: Settings, campaign_id: int) -> None:
    """The job: fix the audience, write everybody, start the run. Does nothing where another worker is at it."""
    with db.reading() as session:
        campaign = session.get(Campaign, campaign_id)
        if campaign is None or campaign.run is None or campaign.lease_until is None:
            return
        run_id = campaign.run.id
    if not claim(db, campaign_id):
        return
    spool = Spool(settings.instance, run_id)
    try:
        with without_collector():
            if not spool.ready:
                _fix_audience(db, settings, campaign_id, spool)
            _write(db, settings, campaign_id, run_id, spool)
        _finish(db, campaign_id, run_id)
    except Lost:
        log.info("launch lost to another worker", campaign=campaign_id)
        return
    spool.remove()


def _fix_audience(db: Database, settings: Settings, campaign_id: int, spool: Spool) -> None:
    writer = SpoolWriter(spool, secrets.token_hex(4))
    try:
        with db.still() as session:
            campaign = session.get_one(Campaign, campaign_id)
            run = session.get_one(Run, campaign.run_id)
            base = run.launched_keys
            renderer = renderer_of(settings, campaign)
            due = clock.aware(campaign.send_at or run.not_before)
            waits = _nobody if run.ignores_window else _waits(settings.window, due)
            people = walk(
                session, Selection.of(campaign), renderer.service, upto=campaign.audience_upto,
                wanted=renderer.fields,
            )  # fmt: skip
            for place, chunk in enumerate(people):
                if place % 10 == 9:
                    hold(db, campaign_id)
                _spool(writer, _without_written(session, run.id, base, chunk), renderer, waits)
        writer.publish(base)
    except BaseException:
        writer.abandon()
        raise


def _without_written(session: Session, run_id: int, base: int, chunk: Chunk) -> list[Member]:
    """The chunk's members without those of the run already: only where its files were lost in the middle."""
    if not base:
        return chunk.members
    numbers = [member.person.number for member in chunk.members]
    there = set(session.scalars(select(Message.number).where(Message.run_id == run_id, Message.number.in_(numbers))))
    return [member for member in chunk.members if member.person.number not in there]


def _waits(window: SendingWindow, due: datetime) -> Waits:
    """Until when a number's message waits for its window (naive UTC), None where it may leave when it is due.

    One look-up an area code: the same holds for all of its numbers.
    """
    known: dict[int | None, datetime | None] = {}

    def waits(number: int) -> datetime | None:
        area = phone.ddd(number)
        if area not in known:
            opening = window.next_opening(due, area)
            known[area] = clock.naive(opening) if opening > due else None
        return known[area]

    return waits


def _nobody(_number: int) -> None:
    """Nobody waits: the run ignores the window."""


def _spool(writer: SpoolWriter, members: list[Member], renderer: Renderer, waits: Waits) -> None:
    for person, reason in members:
        if reason is not None:
            writer.leave_out(person.number, reason)
            continue
        rendered = renderer.of(person.values)
        if rendered.problem is not None:
            writer.leave_out(person.number, rendered.problem)
            continue
        writer.add(person.number, rendered.text, waits(person.number))


def _write(db: Database, settings: Settings, campaign_id: int, run_id: int, spool: Spool) -> None:
    index = spool.index()
    base = index["base"]
    with db.writing(durable=False) as session:
        run = session.get_one(Run, run_id, with_for_update=True)
        skip = run.launched_keys - base
        run.total = base + index["total"]
        _reserve_more(session, run)
    position = base + skip
    size = batch_size(settings)
    for rows in spool.chunks(skip, max(CHUNK // size, 1) * size):
        with db.writing(durable=False) as session:
            run = session.get_one(Run, run_id, with_for_update=True)
            if run.launched_keys != position or run.state not in (RunState.LAUNCHING, RunState.CANCELLED):
                raise Lost
            outbox.write_chunk(session, run, rows, size)
            _close_if_cancelled(session, run)
            session.execute(
                update(Campaign).where(Campaign.id == campaign_id).values(lease_until=moment(session) + LEASE)
            )
        position += len(rows)


def _reserve_more(session: Session, run: Run) -> None:
    """Contacts of an import that was committing during the click can be more than there are keys: take others.

    Only before the first row is written; keys left over are holes, which are allowed.
    """
    if run.launched_keys == 0 and run.total > run.last_key - run.first_key + 1:
        run.first_key = outbox.reserve_keys(session, run.total)
        run.last_key = run.first_key + run.total - 1


def _finish(db: Database, campaign_id: int, run_id: int) -> None:
    with db.writing() as session:
        run = session.get_one(Run, run_id, with_for_update=True)
        outbox.finish_launch(session, run)
        _close_if_cancelled(session, run)
        session.execute(update(Campaign).where(Campaign.id == campaign_id).values(lease_until=None))


def _close_if_cancelled(session: Session, run: Run) -> None:
    """A launch cancelled in the middle still writes everybody down, as cancelled: the counts add up to the audience."""
    if run.state == RunState.CANCELLED:
        outbox.close_rows(session, RowState.CANCELLED, None, Batch.run_id == run.id)


def waiting(session: Session, now: datetime) -> list[int]:
    """Campaigns whose launch has no worker: never picked up, or its worker is gone. `now` by the database's clock."""
    query = (
        select(Campaign.id)
        .join(Run, Run.id == Campaign.run_id)
        .where(is_waiting(now))
        .where(Run.state.in_([RunState.LAUNCHING, RunState.CANCELLED]))
    )
    return list(session.scalars(query))


def remove_leftovers(session: Session, instance: Path) -> None:
    """Delete files of launches that are finished (a worker was killed between the last commit and the deletion)."""
    found = spools(instance)  # listed before the question: a launch that begins now is not in it
    busy = set(session.scalars(select(Campaign.run_id).where(Campaign.lease_until.is_not(None))))
    for spool in found:
        if spool.run_id not in busy:
            spool.remove()

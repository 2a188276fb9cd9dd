"""Writing a campaign: a draft is made, each step checks and saves its part, until the launch takes it away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.campaigns import conditions, schedule
from webapp.campaigns.audience import AREA_FIELD, NAME_FIELDS, Count, Selection, count
from webapp.campaigns.conditions import Condition
from webapp.campaigns.models import Campaign, Media
from webapp.campaigns.people import known_fields, lists_by_id
from webapp.campaigns.rendering import MOST_CHARACTERS, MOST_PARTS
from webapp.campaigns.schedule import Moment
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.text import CreditRule, Template, segments, tidy
from webapp.gateway.codes import ServiceType

MOST_NAME = 120
MOST_REST = 90  # days


def create(session: Session, *, name: str, timezone: str, person_id: int | None) -> Campaign:
    """A new draft with a name."""
    now = clock.now()
    campaign = Campaign(
        name=_name(name), created_at=now, updated_at=now, created_by=person_id, timezone=timezone, type=0, text="",
        caption="", lists=[], excluded_lists=[], filters=[], missing="leave", accents="keep", handover="held",
        ignores_window=False, canary=False,
    )  # fmt: skip
    session.add(campaign)
    session.flush()
    return campaign


def find(session: Session, campaign_id: int) -> Campaign:
    """A campaign in whatever state; NotFound where there is none."""
    found = session.get(Campaign, campaign_id)
    if found is None:
        raise NotFound("This campaign does not exist, or it was deleted.")
    return found


def draft(session: Session, campaign_id: int) -> Campaign:
    """A campaign that can still be changed, its row locked until the transaction ends."""
    found = session.get(Campaign, campaign_id, with_for_update=True)
    if found is None:
        raise NotFound("This campaign does not exist, or it was deleted.")
    if found.run_id is not None:
        raise UserError("This campaign was sent already and cannot be changed. Duplicate it to send again.")
    return found


def _name(name: str) -> str:
    tidied = " ".join(tidy(name).split())
    if not tidied:
        raise UserError("Give the campaign a name, so that you find it again.", field="name")
    if len(tidied) > MOST_NAME:
        raise UserError("The name is too long: at most %(most)s characters.", field="name", most=MOST_NAME)
    return tidied


def _touch(campaign: Campaign) -> None:
    campaign.updated_at, campaign.forecast, campaign.lease_until = clock.now(), None, None


def save_audience(
    session: Session,
    campaign: Campaign,
    service: ServiceType,
    *,
    name: str,
    lists: Sequence[int],
    excluded: Sequence[int],
    filters: Sequence[Condition],
    rest_days: int = 0,
) -> Count:
    """The first step: who. Returns the audience's size as far as it can be told at once."""
    campaign.name = _name(name)
    chosen = list(dict.fromkeys(lists))
    shut_out = [list_id for list_id in dict.fromkeys(excluded) if list_id not in chosen]
    if not chosen:
        raise UserError("Choose at least one list.", field="lists")
    usable = {key for key, row in lists_by_id(session, [*chosen, *shut_out]).items() if row.archived_at is None}
    if not usable.issuperset(chosen) or not usable.issuperset(shut_out):
        raise UserError("One of the lists does not exist any more. Choose again.", field="lists")
    check_conditions(session, chosen, filters)
    campaign.lists, campaign.excluded_lists = chosen, shut_out
    campaign.filters = [list(condition) for condition in filters]
    campaign.rest_days = rest_days
    _touch(campaign)
    return recount(session, campaign, service)


def rest_of(typed: str) -> int:
    """The days of rest that somebody typed; nothing is 0. UserError for what is no number of days up to `MOST_REST`."""
    text = typed.strip() or "0"
    days = int(text) if text.isdecimal() and len(text) < 5 else -1
    if not 0 <= days <= MOST_REST:
        raise UserError(
            "Write a whole number of days, %(most)s at most, or nothing.", field="rest_days", most=MOST_REST
        )
    return days


def recount(session: Session, campaign: Campaign, service: ServiceType) -> Count:
    """Count the audience at once and keep the figure for the next pages."""
    found = count(session, Selection.of(campaign), service)
    campaign.estimate = {**found.to_json(), "type": service.type}
    return found


def check_conditions(session: Session, lists: Sequence[int], filters: Sequence[Condition]) -> None:
    """UserError for a condition on a field that the lists do not have, or that compares with no date and no number."""
    known = {item.key for item in known_fields(session, lists)} | {AREA_FIELD}
    if len(filters) > conditions.MOST:
        raise UserError("There are too many conditions: at most %(most)s.", field="filters", most=conditions.MOST)
    for condition in filters:
        if condition.field not in known:
            raise UserError("The chosen lists have no field called %(name)s.", field="filters", name=condition.field)
        if condition.op in ("before", "after") and not conditions.is_comparable(condition.value):
            raise UserError(
                "%(value)s is neither a date nor a number. Write it like 31/12/2026 or 1234,50.",
                field="filters",
                value=condition.value or "?",
            )


@dataclass(frozen=True, slots=True)
class MessageInput:
    """What the second step holds; `has_file` tells whether a file is hosted or comes with the form."""

    text: str = ""
    caption: str = ""
    media_url: str = ""
    has_file: bool = False


def message_problems(
    given: MessageInput, service: ServiceType, rule: CreditRule, known: Sequence[str]
) -> list[UserError]:
    """Everything that is wrong with a message, each with the field of the form."""
    if service.media:
        return _file_problems(given, service)
    text = tidy(given.text)
    if not text.strip():
        return [UserError("Write the message.", field="text")]
    used, usable = Template(text).fields, {*known, *NAME_FIELDS}
    found = [_unknown_field(name, known, "text") for name in used if name not in usable]
    if service.by_segments:
        parts = segments(text, rule).parts
        if parts > MOST_PARTS:
            found.append(
                UserError(
                    "The text takes %(parts)s messages; at most %(most)s are sent as one. Shorten it.",
                    field="text",
                    parts=parts,
                    most=MOST_PARTS,
                )
            )
    elif len(text) > (most := MOST_CHARACTERS.get(service.channel, 4096)):
        found.append(
            UserError(
                "The text has %(size)s characters; at most %(most)s fit. Shorten it.",
                field="text",
                size=len(text),
                most=most,
            )
        )
    return found


def _unknown_field(name: str, known: Sequence[str], field: str) -> UserError:
    return UserError(
        "The chosen lists have no field called {{%(name)s}}. They have: %(known)s.",
        field=field,
        name=name,
        known=", ".join("{{" + key + "}}" for key in known) or "–",
    )


def _file_problems(given: MessageInput, service: ServiceType) -> list[UserError]:
    found = []
    if not given.has_file and not given.media_url:
        found.append(UserError("Choose a file, or write the address of one.", field="file"))
    caption = tidy(given.caption)
    if len(caption) > service.caption_max and service.caption_max:
        found.append(
            UserError(
                "The caption has %(size)s characters; at most %(most)s fit. Shorten it.",
                field="caption",
                size=len(caption),
                most=service.caption_max,
            )
        )
    if service.caption_max and Template(caption).fields:
        found.append(UserError("A caption is the same for everybody: it cannot have fields.", field="caption"))
    return found


def save_message(
    session: Session,
    campaign: Campaign,
    service: ServiceType,
    *,
    text: str,
    caption: str,
    hosted: Media | None,
    media_url: str | None,
    accents: str,
) -> None:
    """The second step: what. The other kind's text or file stays, for who changes their mind."""
    if service.media:
        campaign.media, campaign.media_url = hosted, media_url
        campaign.caption = tidy(caption)
    if not service.media or text.strip():
        campaign.text = tidy(text)
    campaign.type, campaign.accents = service.type, accents
    _touch(campaign)
    recount(session, campaign, service)


@dataclass(frozen=True, slots=True)
class ScheduleInput:
    """What the third step holds; moments are read already. `at` None = as soon as it is sent."""

    at: Moment | None
    timezone: str
    handover: str = "held"
    valid_until: Moment | None = None
    canary: bool = False
    ignores_window: bool = False


def save_schedule(campaign: Campaign, given: ScheduleInput, now: datetime) -> None:
    """The third step: when. `now` is aware; the past is refused."""
    schedule.check_zone(given.timezone)
    if given.at is not None:
        schedule.check_future(given.at, now)
    if given.valid_until is not None:
        schedule.check_future(given.valid_until, now, field="valid_date")
        if given.at is not None and given.valid_until.utc <= given.at.utc:
            raise UserError("“Valid until” must be later than the sending itself.", field="valid_date")
    campaign.send_at = clock.naive(given.at.utc) if given.at else None
    campaign.timezone = given.timezone
    campaign.handover = "now" if given.handover == "now" and given.at is not None else "held"
    campaign.valid_until = clock.naive(given.valid_until.utc) if given.valid_until else None
    campaign.canary, campaign.ignores_window = given.canary, given.ignores_window
    campaign.updated_at = clock.now()


def duplicate(session: Session, campaign: Campaign, *, name: str, person_id: int | None) -> Campaign:
    """A new draft with the same audience and message, and no time: nobody wants last year's date."""
    copy = create(session, name=name[:MOST_NAME], timezone=campaign.timezone, person_id=person_id)
    for column in ("type", "text", "caption", "media_id", "media_url", "missing", "accents", "canary", "rest_days"):
        setattr(copy, column, getattr(campaign, column))
    usable = {key for key, row in lists_by_id(session, campaign.lists).items() if row.archived_at is None}
    copy.lists = [list_id for list_id in campaign.lists if list_id in usable]
    copy.excluded_lists, copy.filters = list(campaign.excluded_lists), list(campaign.filters)
    return copy


def delete_draft(session: Session, campaign: Campaign) -> None:
    """Delete a draft for good."""
    session.execute(delete(Campaign).where(Campaign.id == campaign.id, Campaign.run_id.is_(None)))


# The steps of writing one, in order: endpoint, words.
STEPS: tuple[tuple[str, str], ...] = (
    ("audience_step", N_("Audience")),
    ("message", N_("Message")),
    ("schedule_step", N_("Schedule")),
    ("review", N_("Review")),
)


def first_open_step(session: Session, campaign: Campaign, service: ServiceType) -> str:
    """The endpoint of the first step that still lacks something, "review" where none does."""
    if not campaign.lists or lost_lists(session, campaign):
        return "audience_step"
    known = [item.key for item in known_fields(session, campaign.lists)]
    given = MessageInput(campaign.text, campaign.caption, campaign.media_url or "", campaign.media_id is not None)
    return "message" if message_problems(given, service, CreditRule(), known) else "review"


def lost_lists(session: Session, campaign: Campaign) -> bool:
    """Whether a list that the audience is made of, or that is left out of it, was deleted since it was chosen."""
    ids = {*campaign.lists, *campaign.excluded_lists}
    there = lists_by_id(session, [*ids])
    return len(there) < len(ids) or any(row.archived_at is not None for row in there.values())


def names_of_lists(session: Session, campaign: Campaign) -> list[str]:
    """The names of the chosen lists, in order."""
    found = lists_by_id(session, campaign.lists)
    return [found[list_id].name for list_id in campaign.lists if list_id in found]


def list_by_name(session: Session, name: str) -> int:
    """The id of a list that can be written to; UserError where there is none of that name."""
    found = session.scalar(
        select(ContactList.id).where(ContactList.name == name.strip(), ContactList.archived_at.is_(None))
    )
    if found is None:
        raise UserError("There is no list called %(name)s.", field="list", name=name)
    return found

"""Who a campaign is for: several lists in order, less other lists, less those who do not meet the conditions.

One walk over the contacts serves counting, the preview, the forecast and the launch, so they cannot disagree. It goes
by keyset in chunks: a million people pass without ever being in memory together. For each chunk

    rows read = people of the audience + duplicates + excluded + not matching the conditions

where a person who is in several lists counts for the first of them, which also gives the fields. People of the audience
who cannot receive this kind of message stay in it, marked with the reason.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, Text, case, cast, false, func, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.elements import ColumnElement

from webapp.campaigns import conditions, tries
from webapp.campaigns.conditions import Condition
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ListField
from webapp.core import clock, phone
from webapp.core.db import one_of
from webapp.gateway.codes import ServiceType
from webapp.messages.models import Message, Run
from webapp.messages.states import RowState
from webapp.optouts.models import EVERY_CHANNEL, OptOut

CHUNK = 5000
NAME_FIELDS = ("nome", "name")
AREA_FIELD = "ddd"
WALK_LIMIT = 20_000  # rows that a page may walk over while somebody waits

_CONTACT = Contact.__table__.c  # the table's own columns: rows come without the ORM's part, in half the time


class Person(NamedTuple):
    """One person of an audience. `number` is E.164, `values` what placeholders are filled from, by folded name.

    The values are those of the first named list that has the person; the name is always also `nome` and `name`. `gone`:
    must not be written to on the campaign's channel. `recent`: got a campaign in the days of rest.
    """

    contact_id: int
    list_id: int
    number: int
    kind: str
    name: str
    values: dict[str, Any]
    gone: bool = False
    recent: bool = False


def person_columns(service: ServiceType, since: datetime | None = None, *, bare: bool = False) -> tuple[Any, ...]:
    """What is read of a contact; `since`: whom a campaign wrote to after it is marked; `bare`: no name and fields."""
    columns = (
        _CONTACT.id, _CONTACT.list_id, _CONTACT.number, _CONTACT.kind, _opted_out(service.medium).label("gone"),
        (false() if since is None else _written_to(since)).label("recent"),
    )  # fmt: skip
    # The fields come as the text in which they are stored: it is decoded for those of whom a field is asked.
    return columns if bare else (*columns, _CONTACT.name, cast(_CONTACT.fields, Text).label("fields"))


def person_maker(
    session: Session, lists: Sequence[int], wanted: Collection[str] | None = None
) -> Callable[[Any], Person]:
    """A function from rows of `person_columns` to people of these lists, who have the `wanted` values (None: all)."""
    query = select(ListField.list_id, ListField.key, ListField.kind).where(
        ListField.list_id.in_(lists), ListField.kind.in_(["name", "phone"])
    )
    named: dict[int, list[str]] = {list_id: [*NAME_FIELDS] for list_id in lists}
    numbered: dict[int, list[str]] = {list_id: [] for list_id in lists}
    for list_id, key, kind in session.execute(query):
        if kind == "name":
            named[list_id].append(key)
        elif wanted is None or key in wanted:
            numbered[list_id].append(key)
    # Where the name and the number are all that is asked for, only the fields of people without a name are looked at.
    spared = {list_id for list_id in lists if wanted is not None and {*wanted} <= {*named[list_id], *numbered[list_id]}}

    def make(row: Any) -> Person:
        contact_id, list_id, number, kind, gone, recent, name, fields = row
        values = {} if name and list_id in spared else json.loads(fields)
        if name:
            for key in named[list_id]:
                values[key] = name
        for key in numbered[list_id]:
            values[key] = phone.display(number)
        return Person(contact_id, list_id, number, kind, name, values, gone, recent)

    return make


def _nameless(row: Any) -> Person:
    """A person of whom name and fields were not read."""
    contact_id, list_id, number, kind, gone, recent = row
    return Person(contact_id, list_id, number, kind, "", {}, gone, recent)


class Member(NamedTuple):
    """A person and why they cannot receive this message (a key of `messages.states.REASONS`), or None."""

    person: Person
    reason: str | None


@dataclass(slots=True)
class Chunk:
    """What one step of the walk read; `aside` counts "duplicate", "excluded" and "filtered"."""

    rows: int
    members: list[Member] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Selection:
    """What chooses an audience. List ids in the order that decides whose fields count.

    `rest_days`: who got a campaign in so many days cannot receive this one; 0 = nobody is left out for that.
    `retry_of`: the run of which it is another try; whom a try has reached cannot receive it.
    """

    lists: tuple[int, ...]
    excluded: tuple[int, ...] = ()
    conditions: tuple[Condition, ...] = ()
    rest_days: int = 0
    retry_of: int | None = None

    @classmethod
    def of(cls, campaign: Campaign) -> "Selection":
        """The selection that a campaign's row holds."""
        filters = conditions.read(campaign.filters)
        lists, excluded = tuple(campaign.lists), tuple(campaign.excluded_lists)
        return cls(lists, excluded, filters, campaign.rest_days, campaign.retry_of)

    def since(self) -> datetime | None:
        """When the days of rest began that end now (naive UTC); to be asked once for all of an audience."""
        return clock.now() - timedelta(days=self.rest_days) if self.rest_days else None


def walk(
    session: Session,
    selection: Selection,
    service: ServiceType,
    *,
    upto: int | None = None,
    after: tuple[int, int] | None = None,
    backwards: bool = False,
    size: int = CHUNK,
    wanted: Collection[str] | None = None,
) -> Iterator[Chunk]:
    """The audience in order of lists and contact ids.

    `upto`: no contact id above it (a launch fixes it). `after`: (list id, contact id) to start behind, or before when
    walking `backwards`. `wanted`: the values that are asked for, None for all of them; to read and decode the others
    would be most of the work.
    """
    passes = conditions.test_of(selection.conditions)
    if wanted is not None:
        wanted = {*wanted, *(condition.field for condition in selection.conditions)}
    bare = wanted is not None and not wanted
    columns = person_columns(service, selection.since(), bare=bare)
    make = _nameless if bare else person_maker(session, selection.lists, wanted)
    order = list(enumerate(selection.lists))
    for place, list_id in reversed(order) if backwards else order:
        last: int | None = None
        if after is not None:
            if after[0] != list_id:
                continue
            last, after = after[1], None
        earlier = selection.lists[:place]
        while rows := session.execute(_page(columns, list_id, last, upto, backwards, size)).all():
            last = rows[-1].id
            people = [make(row) for row in rows]
            yield sort_out(
                session, people, earlier, selection.excluded, passes, service, upto=upto, retry_of=selection.retry_of
            )
            if len(rows) < size:
                break


def _page(
    columns: Sequence[Any], list_id: int, last: int | None, upto: int | None, backwards: bool, size: int
) -> Select[Any]:
    query = select(*columns).where(_CONTACT.list_id == list_id).limit(size)
    query = query.order_by(_CONTACT.id.desc() if backwards else _CONTACT.id)
    if last is not None:
        query = query.where(_CONTACT.id < last if backwards else _CONTACT.id > last)
    return query if upto is None else query.where(_CONTACT.id <= upto)


def sort_out(
    session: Session,
    people: list[Person],
    earlier: Sequence[int],
    excluded: Sequence[int],
    passes: conditions.Test | None,
    service: ServiceType,
    *,
    upto: int | None = None,
    retry_of: int | None = None,
) -> Chunk:
    """Contacts of one list as members of the audience, or counted as set aside.

    `earlier`: the lists named before; who came into them above the id `upto` is not walked there, so counts here.
    """
    chunk = Chunk(len(people))
    before = _present(session, people, earlier, upto)
    shut_out = _present(session, people, excluded)
    kept = []
    for person in people:
        if person.number in before:
            chunk.aside["duplicate"] += 1
        elif person.number in shut_out:
            chunk.aside["excluded"] += 1
        elif passes is not None and not passes(_with_area(person)):
            chunk.aside["filtered"] += 1
        else:
            kept.append(person)
    barred = None if service.landlines else "landline"
    reached = tries.reached(session, retry_of, [person.number for person in kept]) if retry_of is not None else ()
    chunk.members = [Member(person, _reason(person, barred, reached)) for person in kept]
    return chunk


def _reason(person: Person, barred: str | None, reached: Collection[int]) -> str | None:
    if person.gone:
        return "optout"
    if person.kind == barred:
        return "landline"
    if person.number in reached:
        return tries.REACHED
    return "recent" if person.recent else None


def _with_area(person: Person) -> dict[str, Any]:
    return {AREA_FIELD: phone.ddd(person.number) or "", **person.values}


def _present(session: Session, people: list[Person], lists: Sequence[int], upto: int | None = None) -> set[int]:
    """Those of the people's numbers that are in any of the lists, by contacts up to the id `upto`."""
    if not lists or not people:
        return set()
    numbers = [person.number for person in people]
    query = select(Contact.number).where(Contact.list_id.in_(lists), one_of(session, Contact.number, numbers))
    if upto is not None:
        query = query.where(Contact.id <= upto)
    return set(session.scalars(query))


@dataclass(slots=True)
class Count:
    """How many people there are, and where the others went.

    `rows` = `total` + sum(aside) and `total` = `recipients` + sum(left_out). `exact` is False where only the first rows
    were read and the rest is in proportion.
    """

    rows: int = 0
    total: int = 0
    aside: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    exact: bool = True

    @property
    def recipients(self) -> int:
        """People who can receive the message."""
        return self.total - sum(self.left_out.values())

    def add(self, chunk: Chunk) -> None:
        """Count one chunk of the walk."""
        self.rows += chunk.rows
        self.total += len(chunk.members)
        self.aside.update(chunk.aside)
        self.left_out.update(member.reason for member in chunk.members if member.reason)

    def to_json(self) -> dict[str, Any]:
        """The form in which a campaign's row keeps it."""
        return {
            "rows": self.rows, "total": self.total, "aside": dict(self.aside), "left_out": dict(self.left_out),
            "exact": self.exact,
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Count":
        """Read what `to_json` wrote."""
        aside, left_out = Counter(stored["aside"]), Counter(stored["left_out"])
        return cls(stored["rows"], stored["total"], aside, left_out, stored["exact"])


def rows_of(session: Session, lists: Sequence[int], upto: int | None = None) -> int:
    """Rows of the lists together, before anybody is set aside."""
    query = select(func.count()).select_from(Contact).where(Contact.list_id.in_(lists))
    return session.scalar(query if upto is None else query.where(Contact.id <= upto)) or 0


def count(session: Session, selection: Selection, service: ServiceType, limit: int = WALK_LIMIT) -> Count:
    """The audience's size while a person waits: by the walk where it is short, else by the database.

    Conditions are judged row by row, so with them a long list is estimated from its first `limit` rows.
    """
    if not selection.lists:
        return Count()
    rows = rows_of(session, selection.lists)
    if rows > limit and not selection.conditions:
        return _by_database(session, selection, service)
    found = Count()
    for chunk in walk(session, selection, service, size=min(limit, CHUNK)):
        found.add(chunk)
        if found.rows >= limit:
            break
    return found if found.rows >= rows else _in_proportion(found, rows)


def _in_proportion(seen: Count, rows: int) -> Count:
    share = rows / seen.rows
    aside = Counter({key: round(n * share) for key, n in seen.aside.items()})
    total = rows - sum(aside.values())
    left_out = Counter({key: round(n * share) for key, n in seen.left_out.items()})
    return Count(rows, max(total, sum(left_out.values())), aside, left_out, exact=False)


def _by_database(session: Session, selection: Selection, service: ServiceType) -> Count:
    found, since = Count(), selection.since()
    for place, list_id in enumerate(selection.lists):
        earlier = selection.lists[:place]
        kinds = case(
            *(
                (test, reason)
                for test, reason in (
                    (_in_lists(earlier), "duplicate"),
                    (_in_lists(selection.excluded), "excluded"),
                    (_opted_out(service.medium), "optout"),
                    (None if service.landlines else Contact.kind == "landline", "landline"),
                    (_reached(selection.retry_of), tries.REACHED),
                    (None if since is None else _written_to(since), "recent"),
                )
                if test is not None
            ),
            else_="",
        )
        query = select(kinds, func.count()).where(Contact.list_id == list_id).group_by(kinds)
        for kind, n in session.execute(query):
            found.rows += n
            if kind in ("duplicate", "excluded"):
                found.aside[kind] += n
                continue
            found.total += n
            if kind:
                found.left_out[kind] += n
    return found


def _in_lists(lists: Sequence[int]) -> ColumnElement[bool] | None:
    if not lists:
        return None
    other = aliased(Contact)
    return select(other.id).where(other.number == Contact.number, other.list_id.in_(lists)).exists()


def _reached(retry_of: int | None) -> ColumnElement[bool] | None:
    return None if retry_of is None else tries.is_reached(retry_of, Contact.number)


def _opted_out(medium: str) -> ColumnElement[bool]:
    # One look into the index for each contact, however many opted out and whatever PostgreSQL knows of that table.
    gone = OptOut.__table__.c
    return select(gone.number).where(gone.number == _CONTACT.number, gone.channel.in_([EVERY_CHANNEL, medium])).exists()


def _written_to(since: datetime) -> ColumnElement[bool]:
    # One look at each contact's own messages. The run is asked about last: joined, it would be where SQLite begins,
    # and each contact would cost a look for every campaign there ever was.
    sent, run = Message.__table__.c, Run.__table__.c
    of_a_campaign = select(run.id).where(run.id == sent.run_id, run.kind == "campaign").exists()
    return (
        select(sent.id)
        .where(sent.number == _CONTACT.number, sent.state == RowState.ACCEPTED, sent.at > since, of_a_campaign)
        .exists()
    )

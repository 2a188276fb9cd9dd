"""What the message step shows while somebody writes: one person's text on a phone, its parts, the cost of all."""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.orm import Session

from webapp.campaigns import audience, people, service
from webapp.campaigns.audience import Count, Person, Selection
from webapp.campaigns.forecast import Estimate, estimate
from webapp.campaigns.models import Campaign
from webapp.campaigns.purses import PurseState, purse_of
from webapp.campaigns.rendering import Renderer, Words, credit_rule
from webapp.core.errors import UserError
from webapp.core.text import Plain, Segments, segments
from webapp.gateway.codes import Dialect, ServiceType

SAMPLE = 1000


class Piece(NamedTuple):
    """A stretch of text; `change` is "" where it stays, "old" where it goes, "new" where it comes."""

    text: str
    change: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The message as it stands in the form, saved or not."""

    service: ServiceType
    words: Words
    address: str = ""
    caption: str = ""
    has_file: bool = False
    media_url: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything the fragment shows. `person` None: the audience is empty. `text` is what leaves for that person."""

    typed: Typed
    person: Person | None
    chosen: bool  # by a person, so that it stays; else the first of the audience for whom nothing is wrong
    text: str
    missing: tuple[str, ...]
    credits: int
    segments: Segments | None
    exchange: Plain | None
    before_after: list[Piece]
    problems: list[UserError]
    estimate: Estimate
    count: Count
    purse: PurseState
    found: list[Person] | None  # people that a search found, None without a search
    single: int  # units of one part in the encoding of this text
    per_part: int


def make(
    session: Session, dialect: Dialect, campaign: Campaign, typed: Typed, *, person: int | None, go: str, who: str
) -> Preview:
    """The preview for a chosen contact; `go` is "", "next", "previous" or "dearest", `who` a search."""
    selection, rule = Selection.of(campaign), credit_rule(dialect)
    renderer = Renderer(typed.words, typed.service, rule, typed.address or "…")  # a file to come costs as well
    sample = people.sample(session, selection, typed.service, SAMPLE)
    count = _count(session, campaign, typed.service)
    cost = estimate(sample, count, renderer)
    first = next((one for one in sample if renderer.of(one.values).problem is None), sample[0] if sample else None)
    shown = _shown(session, selection, typed.service, first, person, go, cost)
    filled = renderer.template.fill(shown.values if shown else {})
    text = typed.address if typed.service.media else renderer.sent(filled.text)
    parts = segments(text, rule) if typed.service.by_segments else None
    exchange = renderer.exchange(filled.text) if typed.service.by_segments else None
    wide = parts is not None and parts.encoding == "ucs2"
    known = [field.key for field in people.known_fields(session, campaign.lists)]
    given = service.MessageInput(typed.words.text, typed.caption, typed.media_url, typed.has_file)
    return Preview(
        typed, shown, shown is not first, text, filled.missing, max(parts.parts, 1) if parts else 1, parts, exchange,
        _pieces(filled.text, exchange) if exchange else [],
        service.message_problems(given, typed.service, rule, known), cost, count,
        purse_of(session, dialect, typed.service),
        people.search(session, selection, typed.service, who) if who.strip() else None,
        rule.ucs2_single if wide else rule.gsm_single, rule.ucs2_part if wide else rule.gsm_part,
    )  # fmt: skip


def _count(session: Session, campaign: Campaign, kind: ServiceType) -> Count:
    stored = campaign.estimate
    if stored and stored.get("type") == kind.type:
        return Count.from_json(stored)
    return audience.count(session, Selection.of(campaign), kind)


def _shown(
    session: Session,
    selection: Selection,
    kind: ServiceType,
    first: Person | None,
    chosen: int | None,
    go: str,
    cost: Estimate,
) -> Person | None:
    if go == "dearest":
        return cost.dearest or first
    member = people.member(session, selection, kind, chosen) if chosen is not None else None
    if member is None:
        return first
    if go in ("next", "previous"):
        backwards = go == "previous"
        return people.neighbour(session, selection, kind, member.person, backwards=backwards) or member.person
    return member.person


def _pieces(text: str, plain: Plain) -> list[Piece]:
    table = {replacement.old: replacement.new for replacement in plain.replacements}
    made: list[Piece] = []
    stays = ""
    for character in text:
        if character not in table:
            stays += character
            continue
        if stays:
            made.append(Piece(stays, ""))
            stays = ""
        made += [Piece(character, "old"), Piece(table[character], "new")]
    return [*made, Piece(stays, "")] if stays else made

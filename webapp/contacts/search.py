"""Finding people of a list: by beginnings of their name's words, last digits, kind of number, or their opt-out.

A list that is indexed is walked block by block (see `search_models`): the postings say who may be meant, and each of
them is compared with their own row, so that a posting that is behind shows nobody wrong. Whoever is in no block, or in
one that has changed since, is read through as without an index: slower, never different.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import BigInteger, ColumnElement, func, literal, or_, select
from sqlalchemy.orm import Session

from webapp.contacts import postings
from webapp.contacts.models import Contact
from webapp.contacts.postings import OUT, Token
from webapp.contacts.search_models import BLOCK, BLOCK_BITS, SearchBlock, SearchPosting, SearchStale, SearchState
from webapp.core import phone
from webapp.core.db import one_of
from webapp.core.text import fold_word
from webapp.optouts import queries as optouts

MIN_DIGITS = 4  # of a search that means a number and not a name
MAX_DIGITS = 15
WHOLE = 7  # of the shortest number with its country
KINDS = ("mobile", "landline", "foreign", "out")
DELTA = 4000  # opt-outs and liftings since a block was made that are looked at one by one
COUNTABLE = 40_000  # people in no block among whom opt-outs are counted while somebody waits


@dataclass(frozen=True, slots=True)
class Filter:
    """Who of a list is shown: words of a name or last digits of a number, and a kind of number or `out`."""

    words: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """A filter as conditions on a person's row, and as tokens that whoever meets them has."""

    conditions: list[ColumnElement[bool]] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    out: bool = False


def found(session: Session, list_id: int, wanted: Filter, after: int, size: int) -> list[Contact]:
    """The first `size` people behind an id who are meant, in the order of their ids."""
    question = _question(wanted)
    people = select(Contact).where(Contact.list_id == list_id, *question.conditions).order_by(Contact.id)
    if not question.tokens and not question.out:  # everybody, or one number: the list's own indexes say it at once
        return list(session.scalars(people.where(Contact.id > after).limit(size)))
    rows: list[Contact] = []
    for ids in _candidates(session, list_id, question, after):
        short = size - len(rows)
        if isinstance(ids, range):
            part = people.where(Contact.id >= ids.start, Contact.id < ids.stop)
        else:
            part = people.where(one_of(session, Contact.id, ids))
        rows += session.scalars(part.limit(short))
        if len(rows) == size:
            break
    return rows


def is_number(words: str) -> bool:
    """Whether what is searched for is a number and not a name."""
    return len(_digits(words)) >= MIN_DIGITS and not any(c.isalpha() for c in words)


def _digits(words: str) -> str:
    return "".join(c for c in words if c in "0123456789")


def _question(wanted: Filter) -> _Question:
    conditions: list[ColumnElement[bool]] = []
    tokens: list[Token] = []
    digits = _digits(wanted.words)
    if is_number(wanted.words):
        parsed = phone.parse(wanted.words) if len(digits) >= WHOLE else None  # its first call in a process is slow
        if isinstance(parsed, phone.Parsed):
            conditions.append(Contact.number == parsed.number)
        else:
            tail = digits[-MAX_DIGITS:]
            conditions.append(Contact.number % literal(10 ** len(tail), BigInteger) == int(tail))
            tokens += postings.asked(digits=tail)
    elif words := fold_word(wanted.words).split():
        for word in words:
            starts = Contact.name_key.startswith(word, autoescape=True)
            conditions.append(or_(starts, Contact.name_key.contains(f" {word}", autoescape=True)))
        tokens += postings.asked(words)
    if wanted.kind == "out":
        conditions.append(optouts.is_out(Contact.number))
    elif wanted.kind in KINDS:
        conditions.append(Contact.kind == wanted.kind)
        tokens += postings.asked(kind=wanted.kind)
    return _Question(conditions, tokens, wanted.kind == "out")


@dataclass(frozen=True, slots=True)
class _Map:
    """What of a list is indexed: up to an id, the blocks there, and those of them that have changed since."""

    upto: int
    blocks: list[SearchBlock]
    stale: set[int]

    @property
    def event(self) -> int:
        """The opt-out event that every block knows of."""
        return min((block.upto_event for block in self.blocks), default=0)


def _map(session: Session, list_id: int, after: int = 0) -> _Map:
    upto = session.scalar(select(SearchState.upto).where(SearchState.list_id == list_id)) or 0
    here = (SearchBlock.list_id == list_id, SearchBlock.block.between(after >> BLOCK_BITS, upto >> BLOCK_BITS))
    blocks = session.scalars(select(SearchBlock).where(*here).order_by(SearchBlock.block))
    stale = select(SearchStale.block).where(SearchStale.list_id == list_id).distinct()
    return _Map(upto, list(blocks), set(session.scalars(stale)))


def _candidates(session: Session, list_id: int, question: _Question, after: int) -> Iterator[Sequence[int]]:
    """Ids of who may be meant, ascending: some of them, or a range in which everybody has to be looked at."""
    known = _map(session, list_id, after)
    changed: dict[int, int] | None = {}
    if question.out and known.blocks:
        changed = _changed(session, list_id, known.event, known.upto)
    last = known.upto + 1
    for stale, group in groupby(known.blocks, lambda block: changed is None or block.block in known.stale):
        blocks = [block.block for block in group]
        start, stop = max(blocks[0] << BLOCK_BITS, after + 1), min((blocks[-1] + 1) << BLOCK_BITS, last)
        if stale:
            yield range(start, stop)
            continue
        ids = (n for n in _indexed(session, list_id, question, blocks, changed or {}) if start <= n < stop)
        yield from _growing(ids)
    yield range(max(last, after + 1), 1 << 62)


def _growing(ids: Iterator[int]) -> Iterator[list[int]]:
    """Some, then more and more: the first page needs few, a search in vain wants all of them soon."""
    size, some = 100, []
    for contact_id in ids:
        some.append(contact_id)
        if len(some) == size:
            yield some
            some, size = [], min(size * 2, 5000)
    if some:
        yield some


def _indexed(
    session: Session, list_id: int, question: _Question, blocks: list[int], changed: dict[int, int]
) -> Iterator[int]:
    """Who has all the tokens, in some blocks and then in more and more of them."""
    begin, some = 0, 2
    while begin < len(blocks):
        part = blocks[begin : begin + some]
        for block, bits in _matching(session, list_id, question, part, changed):
            yield from ((block << BLOCK_BITS) + place for place in postings.places_in(bits))
        begin, some = begin + some, some * 4


def _matching(
    session: Session, list_id: int, question: _Question, blocks: list[int], changed: dict[int, int]
) -> list[tuple[int, int]]:
    """Blocks in which somebody has all the tokens, with the set of them."""
    bits = dict.fromkeys(blocks, (1 << BLOCK) - 1)
    if question.out:
        out = _having(session, list_id, Token(OUT, exact=True), blocks)
        bits = {block: out.get(block, 0) | changed.get(block, 0) for block in blocks}
    # Longer beginnings are rarer: after them there are fewer blocks to ask about.
    for token in sorted(question.tokens, key=lambda token: -len(token.start)):
        left = [block for block, have in bits.items() if have]
        having = _having(session, list_id, token, left)
        bits = {block: bits[block] & having.get(block, 0) for block in left}
    return [(block, have) for block, have in sorted(bits.items()) if have]


def _having(session: Session, list_id: int, token: Token, blocks: list[int]) -> dict[int, int]:
    """Who of each block has a token."""
    if not blocks:
        return {}
    one = SearchPosting
    wanted = select(one.block, one.places).where(one.list_id == list_id, one_of(session, one.block, blocks))
    if token.exact:
        wanted = wanted.where(one.token == token.start)
    else:
        wanted = wanted.where(one.token >= token.start, one.token < token.end)
    packs: dict[int, list[bytes]] = {}
    for block, places in session.execute(wanted):
        packs.setdefault(block, []).append(places)
    return {block: postings.union(some) for block, some in packs.items()}


def _changed(session: Session, list_id: int, event: int, upto: int) -> dict[int, int] | None:
    """Who of a list's blocks was opted out or freed after an event: a set for each. None where they are many."""
    numbers = optouts.changed_since(session, event, DELTA)
    if numbers is None:
        return None
    mine = (Contact.list_id == list_id, Contact.id <= upto)
    wanted = select(Contact.id).where(*mine, one_of(session, Contact.number, numbers))
    bits: dict[int, int] = {}
    for contact_id in session.scalars(wanted) if numbers else ():
        block = contact_id >> BLOCK_BITS
        bits[block] = bits.get(block, 0) | 1 << contact_id % BLOCK
    return bits


def opted_out_in(session: Session, list_id: int, size: int) -> int | None:
    """How many people of a list of that size are opted out of everything; None where counting would take long now."""
    known = _map(session, list_id)
    here = select(func.count()).where(Contact.list_id == list_id, optouts.is_out(Contact.number))
    if not known.blocks:
        return session.scalar(here) if size <= COUNTABLE else None
    changed = _changed(session, list_id, known.event, known.upto)
    tail = select(Contact.id).where(Contact.list_id == list_id, Contact.id > known.upto).order_by(Contact.id)
    clean = [block for block in known.blocks if block.block not in known.stale]
    again = [block.block for block in known.blocks if block.block in known.stale]
    many = session.scalar(tail.offset(COUNTABLE).limit(1)) is not None or len(again) * BLOCK > COUNTABLE
    if changed is None or many:
        return None
    parts = [
        Contact.id > known.upto,
        *(Contact.id.between(n << BLOCK_BITS, ((n + 1) << BLOCK_BITS) - 1) for n in again),
    ]
    read = session.scalar(here.where(or_(*parts))) or 0
    return read + sum(block.outs for block in clean) + _difference(session, list_id, changed, {b.block for b in clean})


def _difference(session: Session, list_id: int, changed: dict[int, int], blocks: set[int]) -> int:
    """How many more of the changed people are opted out now than the blocks count."""
    mine = {block: bits for block, bits in changed.items() if block in blocks}
    if not mine:
        return 0
    before = _having(session, list_id, Token(OUT, exact=True), list(mine))
    ids = [(block << BLOCK_BITS) + place for block, bits in mine.items() for place in postings.places_in(bits)]
    now = select(func.count()).where(one_of(session, Contact.id, ids), optouts.is_out(Contact.number))
    return (session.scalar(now) or 0) - sum((bits & before.get(block, 0)).bit_count() for block, bits in mine.items())

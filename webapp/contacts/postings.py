"""Postings of the search: a person's tokens, and sets of places in a block as bytes. Pure.

Tokens: `1m`, `2ma`, `3mar` beginnings of words, `wmaria` a word of four letters and more, `d0` `d1` `d2` and two digits
for the last six digits of a number in pairs, `kmobile` a kind, `o` opted out of everything.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from webapp.contacts.search_models import BLOCK

SHORT = 3  # letters up to which each beginning of a word is a token of its own
LONGEST = 40  # letters of a word that are kept: whoever is found by them is looked at again
PAIRS = 3  # of last digits
OUT = b"o"
_BITMAP = BLOCK // 8  # bytes; a list of two-byte places would be no shorter from half as many places on


class Token(NamedTuple):
    """A token that is asked for: exactly, or as the beginning of several."""

    start: bytes
    exact: bool

    @property
    def end(self) -> bytes:
        """Behind every token that begins like this; no UTF-8 has this byte."""
        return self.start + b"\xff"


def asked(words: Sequence[str] = (), digits: str = "", kind: str = "") -> list[Token]:
    """The tokens that somebody must have whose name has words beginning like these, whose number ends like this."""
    found = [_asked_word(word) for word in dict.fromkeys(words)]
    pairs = (_pair(digits, place) for place in range(min(len(digits) // 2, PAIRS)))
    found += [Token(pair, exact=True) for pair in pairs]
    if kind:
        found.append(Token(b"k" + kind.encode(), exact=True))
    return found


def _asked_word(word: str) -> Token:
    if len(word) <= SHORT:
        return Token(_short(word), exact=True)
    return Token(b"w" + word[:LONGEST].encode(), exact=False)


def _short(start: str) -> bytes:
    return b"%d" % len(start) + start.encode()


def _pair(digits: str, place: int) -> bytes:
    """The last two digits are pair 0."""
    end = len(digits) - 2 * place
    return b"d%d" % place + digits[end - 2 : end].encode()


class Writer:
    """Gathers the tokens of a block's people: most of an index's time is spent here."""

    def __init__(self) -> None:
        self._words: defaultdict[str, array[int]] = defaultdict(_places)
        self._kinds: defaultdict[str, array[int]] = defaultdict(_places)
        self._pairs = [[_places() for _ in range(100)] for _ in range(PAIRS)]
        self._out = _places()

    def add(self, place: int, name_key: str, kind: str, number: int) -> None:
        """Somebody at a place of the block (their id's last bits); places ascend."""
        for word in name_key.split(" "):
            self._words[word].append(place)
        self._kinds[kind].append(place)
        last, middle, first = self._pairs
        last[number % 100].append(place)
        middle[number // 100 % 100].append(place)
        first[number // 10_000 % 100].append(place)

    def add_out(self, place: int) -> None:
        """Somebody is opted out of everything."""
        self._out.append(place)

    def rows(self) -> list[tuple[bytes, bytes]]:
        """Tokens in their order, each with its places."""
        named: defaultdict[bytes, array[int]] = defaultdict(_places)
        for word, places in self._words.items():
            for length in range(1, min(len(word), SHORT) + 1):
                named[_short(word[:length])].extend(places)
            if len(word) > SHORT:
                named[b"w" + word[:LONGEST].encode()].extend(places)
        rows = [(token, packed(array("H", sorted(set(places))))) for token, places in named.items()]
        rows += [(b"k" + kind.encode(), packed(places)) for kind, places in self._kinds.items()]
        rows += [
            (b"d%d%02d" % (pair, digits), packed(places))
            for pair, of_pair in enumerate(self._pairs)
            for digits, places in enumerate(of_pair)
            if places
        ]
        if self._out:
            rows.append((OUT, packed(self._out)))
        return sorted(rows)


def _places() -> "array[int]":
    return array("H")


def packed(places: "array[int]") -> bytes:
    """Ascending places as bytes: two for each, or a bit for each of the block where that is shorter."""
    if 2 * len(places) >= _BITMAP:
        return bits_of(places).to_bytes(_BITMAP, "little")
    if sys.byteorder == "big":
        places = places[:]
        places.byteswap()
    return places.tobytes()


def bits_of(places: Iterable[int]) -> int:
    """A set of places as a whole number: bit n is place n."""
    buffer = bytearray(_BITMAP)
    for place in places:
        buffer[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(buffer, "little")


def union(packs: Iterable[bytes]) -> int:
    """Everybody in any of some packed sets, as `bits_of` tells it."""
    bits = 0
    loose = array("H")
    for pack in packs:
        if len(pack) == _BITMAP:
            bits |= int.from_bytes(pack, "little")
        else:
            loose.frombytes(pack)
    if sys.byteorder == "big":
        loose.byteswap()
    return bits | bits_of(loose) if loose else bits


def places_in(bits: int) -> list[int]:
    """The places of a set, ascending."""
    raw = bits.to_bytes(_BITMAP, "little")
    return [base << 3 | bit for base, byte in enumerate(raw) if byte for bit in _BITS[byte]]


_BITS = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]

"""Texts of messages: fields filled by plain substitution, parts counted as phones count them, accents exchanged.

A template engine is never involved: what a list contains cannot become code, and a value that looks like a field stays
what it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

_FIELD = re.compile(r"\{\{\s*([^{}|]+?)\s*(?:\|([^{}]*))?\}\}")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # categories Cc, but tab and line end, and Cs
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def _without_marks(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def fold(header: str) -> str:
    """The name of a field: a column's header in lower-case ASCII with `_` (`Último pedido` → `ultimo_pedido`)."""
    plain = _without_marks(header).replace("ß", "ss").lower().encode("ascii", "ignore").decode()
    return _NOT_WORD.sub("_", plain).strip("_")


_REMEMBERED = 0x2000  # the scripts of Europe; all of Unicode would take more memory than it saves time


class _Folded(dict[int, str]):
    """What becomes of each character when words are compared, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        plain = _without_marks(chr(code)).casefold()
        folded = "".join(c if c.isalnum() or c == "_" else " " for c in plain)
        if code < _REMEMBERED:
            self[code] = folded
        return folded


_FOLDED = _Folded()


def fold_word(text: str) -> str:
    """A whole message as one comparable word: ` Saír!! ` → `sair`. For opt-out words and search, never for sending."""
    return " ".join(text.translate(_FOLDED).split())


def bare_name(filename: str) -> str:
    """A file's name as it may be shown: without the folders of whoever sent it, at most 200 characters."""
    bare = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in bare if c.isprintable())[-200:]


def tidy(text: str) -> str:
    """A text as people typed it, in the form that is sent: composed accents, plain line ends, no blanks at the end."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isprintable():  # most are: one line, and nothing in it that is not to be seen
        return composed.rstrip()
    return _CONTROL.sub("", composed.replace("\r\n", "\n").replace("\r", "\n")).rstrip()


class Filled(NamedTuple):
    """A text for one person. `missing`: the fields without value and without fallback, which stayed empty."""

    text: str
    missing: tuple[str, ...]


class _Slot(NamedTuple):
    before: str  # the words between the field before it and this one
    name: str
    fallback: str | None


class Template:
    """A text whose fields are found once and filled for many people."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._slots: list[_Slot] = []
        end = 0
        for match in _FIELD.finditer(source):
            name = fold(match[1])
            if not name:
                continue
            fallback = match[2]
            before = source[end : match.start()]
            self._slots.append(_Slot(before, name, fallback.strip() if fallback is not None else None))
            end = match.end()
        self._tail = source[end:]

    @property
    def fields(self) -> list[str]:
        """Names of the fields, folded, each once, in their order."""
        return list(dict.fromkeys(slot.name for slot in self._slots))

    def fill(self, values: Mapping[str, object]) -> Filled:
        """The text with each field replaced by its value (keys folded); blank or absent values take the fallback."""
        text = ""
        missing: list[str] = []
        for before, name, fallback in self._slots:
            found = values.get(name)
            value = "" if found is None else str(found).strip()
            if not value:
                if fallback is None:
                    missing.append(name)
                else:
                    value = fallback
            text += before + value
        return Filled(text + self._tail, tuple(dict.fromkeys(missing)) if missing else ())


def fields(template: str) -> list[str]:
    """Names of the fields a text asks for, folded, each once."""
    return Template(template).fields


def fill(template: str, values: Mapping[str, object]) -> Filled:
    """One text for one person; for many people compile a `Template` once."""
    return Template(template).fill(values)


# GSM 03.38 (3GPP TS 23.038, 6.2.1): the default alphabet and its extension table, whose characters take two units.
_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = "\f^{}\\[~]|€"
# The vendor's newer guide counts only these as plain (gateway.md, Two dialects): no accented letter at all.
_BASIC = (
    " \n\r!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_`abcdefghijklmnopqrstuvwxyz"
    "\u2018\u2019\u201c\u201d"
)
_ALPHABETS = {"gsm": (_GSM, _GSM_EXTENSION), "basic": (_BASIC, "")}


@dataclass(frozen=True)
class CreditRule:
    """How a gateway counts the parts of an SMS; limits in units (7-bit characters, UTF-16 code units)."""

    gsm_single: int = 160
    gsm_part: int = 153
    ucs2_single: int = 70
    ucs2_part: int = 67
    alphabet: Literal["gsm", "basic"] = "gsm"


DEFAULT_RULE = CreditRule()


class Segments(NamedTuple):
    """What a text costs. `units` are those of the encoding; `offenders` the characters that force ucs2, each once."""

    encoding: Literal["gsm", "ucs2"]
    units: int
    parts: int
    offenders: tuple[str, ...]


class _Alphabet:
    def __init__(self, plain: str, extension: str) -> None:
        self.all = frozenset(plain + extension)
        self.extension = frozenset(extension)
        self.outside = re.compile(f"[^{re.escape(plain + extension)}]")
        self.not_plain = re.compile(f"[^{re.escape(plain)}]")
        self.double = re.compile(f"[{re.escape(extension)}]") if extension else None


_COMPILED = {name: _Alphabet(*tables) for name, tables in _ALPHABETS.items()}
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")


def _parts(text: str, units: int, double: re.Pattern[str] | None, single: int, part: int) -> int:
    if units <= single:
        return 1 if units else 0
    if units == len(text) or double is None:
        return -(-units // part)
    # A character of two units is never split: the part before it may end one unit short.
    parts, used = 1, 0
    for character in text:
        size = 2 if double.match(character) else 1
        if used + size > part:
            parts, used = parts + 1, 0
        used += size
    return parts


def segments(text: str, rule: CreditRule = DEFAULT_RULE) -> Segments:
    """Encoding, units and parts of an SMS; a text without characters has no parts."""
    alphabet = _COMPILED[rule.alphabet]
    odd = alphabet.not_plain.findall(text)  # outside the alphabet, or two units wide: in most texts there is nothing
    offenders = tuple(dict.fromkeys(odd))
    if not alphabet.extension.isdisjoint(offenders):
        offenders = tuple(character for character in offenders if character not in alphabet.extension)
    if not offenders:
        units = len(text) + len(odd)
        return Segments("gsm", units, _parts(text, units, alphabet.double, rule.gsm_single, rule.gsm_part), ())
    units = len(text) + (len(_BEYOND_BMP.findall(text)) if max(offenders) > "\uffff" else 0)
    parts = _parts(text, units, _BEYOND_BMP, rule.ucs2_single, rule.ucs2_part)
    return Segments("ucs2", units, parts, offenders)


class Replacement(NamedTuple):
    """One exchange that "trocar acentos" makes: `old` became `new`, `times` times."""

    old: str
    new: str
    times: int


class Plain(NamedTuple):
    """A text without the characters that make it dearer, and what was exchanged for that."""

    text: str
    replacements: tuple[Replacement, ...]


_EXCHANGE = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛′´`", "'"),
    **dict.fromkeys("–—―−‐‑‒", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u2007\t", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\ufe0f\u00ad\u200e\u200f", ""),
    **{"…": "...", "•": "-", "·": "-", "º": "o", "ª": "a", "°": "o", "™": "TM", "®": "(R)", "©": "(C)", "×": "x"},
    **{"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ß": "ss", "½": "1/2", "¼": "1/4", "€": "EUR", "£": "GBP"},
}


def _plain_character(character: str, alphabet: frozenset[str]) -> str | None:
    """What stands for a character outside the alphabet; None where nothing does (an emoji stays)."""
    candidate = _EXCHANGE[character] if character in _EXCHANGE else _without_marks(character)
    if candidate != character and all(c in alphabet for c in candidate):
        return candidate
    return None


def plain_accents(text: str, rule: CreditRule = DEFAULT_RULE) -> Plain:
    """Exchange only what lies outside the plain alphabet (`á` → `a`, curly quotes, dashes, ellipsis); fields stay."""
    alphabet = _COMPILED[rule.alphabet]
    composed = unicodedata.normalize("NFC", text)
    counts: dict[str, int] = {}
    for character in alphabet.outside.findall(_FIELD.sub("", composed)):
        counts[character] = counts.get(character, 0) + 1
    table: dict[str, str] = {}
    for character in counts:
        plain = _plain_character(character, alphabet.all)
        if plain is not None:
            table[character] = plain
    exchange = {ord(old): new for old, new in table.items()}
    pieces: list[str] = []
    end = 0
    for match in _FIELD.finditer(composed):
        pieces += (composed[end : match.start()].translate(exchange), match[0])
        end = match.end()
    pieces.append(composed[end:].translate(exchange))
    made = tuple(Replacement(old, new, counts[old]) for old, new in table.items())
    return Plain("".join(pieces), made)

"""Phone numbers: the number is the person.

Everywhere inside, a person is one integer: the digits of E.164 with the country code (`5511987654321`). Brazilian
mobiles, nearly every row of every list, take one regular expression; the rest goes the careful way below it.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, NamedTuple

import phonenumbers

from webapp.core.i18n import N_

Kind = Literal["mobile", "landline", "foreign"]

_DDD = "(?:1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9])"
DDDS = frozenset(code for code in range(11, 100) if re.fullmatch(_DDD, str(code)))

# The "+" stays part of the pattern: stripped first, "+55 99 …" with a digit missing would read as area code 55.
MOBILE = re.compile(rf"\s*(?:(\+?)(55)[ .-]?|(0))?\(?({_DDD})\)?[ .-]?(9\d{{4}})[ .-]?(\d{{4}})\s*", re.ASCII).fullmatch

REPAIRS = {
    "country": N_("country code 55 added"),
    "plus": N_("plus sign added"),
    "punctuation": N_("brackets, dots, spaces and other signs removed"),
    "trunk_zero": N_("leading 0 removed"),
    "carrier": N_("carrier code removed"),
    "ninth_digit": N_("ninth digit added"),
    "excel_float": N_("decimal places from Excel removed"),
}
# What every Brazilian list needs: counted and shown, but no reason to call a row repaired.
COSMETIC = frozenset({"country", "plus", "punctuation"})

BAD = {
    "empty": (N_("the number is empty"), N_("Fill in the number or delete the row.")),
    "scientific": (
        N_("Excel has shortened the number and its last digits are lost"),
        N_("Open the original file, format the column as text or as a number without decimal places, and save again."),
    ),
    "extension": (
        N_("the number has an extension"),
        N_("No message or call reaches an extension: write the direct number or delete the row."),
    ),
    "several": (
        N_("there is more than one number in the cell"),
        N_("Keep one number in the cell; put the other one on a row of its own."),
    ),
    "letters": (N_("this is not a phone number"), N_("Write only the digits: area code and number.")),
    "no_ddd": (N_("the area code is missing"), N_("Write the area code (DDD) before the number, as in 11 98765-4321.")),
    "bad_ddd": (N_("no such area code exists"), N_("Check the first two digits: they must be a Brazilian area code.")),
    "short": (N_("digits are missing"), N_("A mobile number has 11 digits with its area code: 11 98765-4321.")),
    "long": (N_("there are too many digits"), N_("A mobile number has 11 digits with its area code: 11 98765-4321.")),
    "not_assigned": (
        N_("no phone has a number like this"),
        N_("After the area code a mobile starts with 9 and a landline with 2, 3, 4 or 5."),
    ),
    "service": (
        N_("this is a service number, not a person"),
        N_("Numbers such as 0800 and 4004 cannot get messages: delete the row."),
    ),
    "foreign": (
        N_("this foreign number does not exist"),
        N_("Write foreign numbers with + and the country code, as in +351 912 345 678."),
    ),
}


class Parsed(NamedTuple):
    """A number that can be used. `number` is E.164 as an integer, `repairs` are keys of `REPAIRS`."""

    number: int
    kind: Kind
    repairs: tuple[str, ...] = ()


class Bad(NamedTuple):
    """A text that is no usable number. `reason` is a key of `BAD`; `cure` is the msgid that says what to do."""

    reason: str
    cure: str


def _bad(reason: str) -> Bad:
    return Bad(reason, BAD[reason][1])


def reason_text(reason: str) -> str:
    """The msgid that says in plain words what is wrong with a number."""
    return BAD[reason][0]


def parse(text: str, default_country: str = "BR") -> Parsed | Bad:
    """What a cell of a list, a form or a command means as a phone number."""
    if default_country == "BR" and (found := mobile(text)):
        return Parsed(found[0], "mobile", found[1])
    return _parse_slowly(text, default_country)


def mobile(text: str) -> tuple[int, tuple[str, ...]] | None:
    """A Brazilian mobile that is written as `MOBILE` wants it, and its repairs, as nearly every cell of a list is.

    Numbers of one shape (`(00) 00000-0000`) differ in their digits only: the expression is asked once for each shape.
    """
    written = text.encode("utf-8", "replace")
    shape = written.translate(_SHAPE)
    known = _SHAPES.get(shape)
    if known is None:
        match = MOBILE(text)
        if match is None:
            return None
        known = _read_shape(text, match)
        if len(_SHAPES) < _MOST_SHAPES:
            _SHAPES[shape] = known
    offset, repairs = known
    national = int(written.translate(None, _SIGNS)) - offset
    return (BRAZILIAN + national, repairs) if national // 10**8 in _FRONTS else None


def _read_shape(text: str, match: re.Match[str]) -> tuple[int, tuple[str, ...]]:
    """What stands before the national number of eleven digits, as a number, and the repairs."""
    plus, country, zero, ddd, first, last = match.groups("")
    repairs = _REPAIRS_OF_FAST[plus + country + zero]
    # Signs inside the number, not blanks around it: a "+" keeps its 55 together.
    if text.strip() != plus + country + zero + ddd + first + last:
        repairs = (*repairs, "punctuation")
    return BRAZILIAN if country else 0, repairs


BRAZILIAN = 55 * 10**11  # what 55 adds to a national number of eleven digits
_REPAIRS_OF_FAST: dict[str, tuple[str, ...]] = {
    "+55": (),
    "55": ("plus",),
    "0": ("trunk_zero", "country"),
    "": ("country",),
}
_FRONTS = frozenset(10 * code + 9 for code in DDDS)  # the first three digits of a mobile with its area code
_SHAPE = bytes.maketrans(b"123456789", b"0" * 9)
_SIGNS = bytes(code for code in range(128) if code not in b"0123456789")
_SHAPES: dict[bytes, tuple[int, tuple[str, ...]]] = {}
_MOST_SHAPES = 1000  # blanks around a number make shapes of their own
_SCIENTIFIC = re.compile(r"(\d+)(?:[.,](\d+))?[eE]\+?(\d{1,2})").fullmatch
_FLOAT = re.compile(r"(\+?\d{8,15})[.,]0{1,3}").fullmatch
_LABELS = "tel|telefone|cel|celular|fone|phone|mobile|whats|whatsapp|wpp|zap"
_LABEL = re.compile(rf"(?i)^(?:\s*(?:{_LABELS}|p(?=:))\b[.:/\s-]*)+")
_LABEL_BEHIND = re.compile(rf"(?i)(?<=\d)(?:[\s.,:/(-]+(?:{_LABELS}|vivo|claro|tim|oi)\b[\s.)]*)+$")
# As WhatsApp's tools write people: `5511987654321@c.us`, `https://wa.me/5511987654321`.
_WHATSAPP = re.compile(
    r"(?i)(?:https?://)?(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?phone=)\+?(\d{10,15})(?:[/?&].*)?"
    r"|(\d{10,15})@(?:c\.us|s\.whatsapp\.net)"
).fullmatch
_ANY_CARRIER = re.compile(r"(?i)0?[ ]?(?:xx|\*\*)(?=[ ]?\(?\d)")  # 0xx11: "0, the carrier you like, 11"
_EXTENSION = re.compile(
    r"(?i)(?<=\d)[\s.,;(/-]*(?:ramal|ram|rml|ext|extension|r|x)[.:\s]*\d{1,6}\)?$|(?<=\d)\s*#\s*\d{1,6}$"
)
_NOBODY = re.compile(
    r"(?i)(?:(?:n[ãa]o|nao)\s+(?:tem|h[áa]|possui|informad[oa]|informou|consta|cadastrad[oa]|se aplica)"
    r"|s(?:em|/)\s*(?:n[úu]mero|telefone|celular|fone|contato|tel|cel|whatsapp)?|n/?[adi]|#n/?[ad]|#?null[oa]?|none|nan|nil"
    r"|undefined|vazio|nenhum|ignorado|desconhecido|unknown|0+)\.?"
).fullmatch
_APART = re.compile(r"[/;|,\n\\]|\s(?:e|ou|or|and)\s", re.IGNORECASE)
MAX_TEXT = 200  # characters in which a number may hide
TWO_NUMBERS = 16  # digits: no country has a number of so many
_SERVICE = re.compile(r"0?(?:[3589]00)\d{5,7}|(?:400\d|300\d)\d{4}").fullmatch


def _parse_slowly(text: str, country: str) -> Parsed | Bad:
    if len(text) > 4 * MAX_TEXT and len(text := text.strip()) > 4 * MAX_TEXT:
        return _bad("letters")  # at once: looking at each of a million characters takes seconds
    # Phones' address books hide direction marks in copied numbers; full-width digits come from Asian keyboards.
    tidy = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Cc", "Cs"))
    tidy = tidy.strip().lstrip("'=\"").rstrip("'\"").strip()
    if not any(c.isalnum() for c in tidy) or _NOBODY(tidy) or not any(c not in "0()-. " for c in tidy):
        return _bad("empty")
    if len(tidy) > MAX_TEXT:
        return _bad("letters" if any(c.isalpha() for c in tidy) else "long")
    repairs: list[str] = []
    tidy = _LABEL.sub("", tidy)
    if match := _WHATSAPP(tidy):
        tidy = match[1] or match[2]
        repairs.append("punctuation")
    tidy = _LABEL_BEHIND.sub("", _ANY_CARRIER.sub("0", tidy, count=1))
    if match := _SCIENTIFIC(tidy):
        exact = _exact_digits(*match.groups())
        if exact is None:
            return _bad("scientific")
        tidy = exact
        repairs.append("excel_float")
    elif match := _FLOAT(tidy):
        tidy = match[1]
        repairs.append("excel_float")
    parts = [part for part in _APART.split(tidy) if sum(c.isdigit() for c in part) >= 8]
    if len(parts) > 1:
        return _bad("several")
    if _EXTENSION.search(tidy) and sum(c.isdigit() for c in tidy) >= 8:
        return _bad("extension")
    if any(c.isalpha() for c in tidy):
        return _bad("letters")
    digits = "".join(str(unicodedata.digit(c)) for c in tidy if c.isdigit())
    if tidy.strip("+") != digits:
        repairs.append("punctuation")
    found = _understand(digits, tidy.lstrip(" (").startswith("+"), country, repairs)
    if isinstance(found, Bad) and found.reason == "long" and len(digits) >= TWO_NUMBERS:
        return _bad("several")
    return found


def _exact_digits(whole: str, fraction: str | None, exponent: str) -> str | None:
    """The digits of a scientific notation that kept them all (`1.1987654321E10`), None where some are lost."""
    fraction, places = fraction or "", int(exponent)
    if len(fraction) != places or len(whole) + places < 8:
        return None
    return whole + fraction


def _understand(digits: str, plus: bool, country: str, repairs: list[str]) -> Parsed | Bad:
    if plus and not digits.startswith("55"):
        return _foreign(digits, repairs)
    if country != "BR" and not plus:
        return _of_country(digits, country, repairs)
    if plus:
        return _brazilian(digits[2:], repairs)
    if digits.startswith("00") and not digits.startswith("0055"):
        international = _foreign(digits[2:], [*repairs, "plus"])
        if isinstance(international, Parsed):
            return international
    if _SERVICE(digits):
        return _bad("service")
    national, extra = _without_prefixes(digits)
    result = _brazilian(national, [*repairs, *extra])
    if isinstance(result, Bad) and len(digits) >= 12 and not digits.startswith(("0", "55")):
        international = _foreign(digits, [*repairs, "plus"])
        return international if isinstance(international, Parsed) else result
    return result


def _without_prefixes(digits: str) -> tuple[str, list[str]]:
    """Peel 55, a leading 0 and a carrier's two digits off; returns the national number and the repairs."""
    zeros = len(digits) - len(digits.lstrip("0"))
    rest = digits[zeros:]
    repairs = ["trunk_zero"] if zeros else []
    if len(rest) in (12, 13) and rest.startswith("55"):
        return rest[2:], [*repairs, *([] if zeros else ["plus"])]
    if zeros and len(rest) in (12, 13) and int(rest[2:4]) in DDDS:
        return rest[2:], ["carrier", "country"]
    if len(rest) in (13, 14) and rest.startswith("550"):
        return rest[3:], ["trunk_zero", "plus"]
    return rest, [*repairs, "country"]


def _brazilian(national: str, repairs: list[str]) -> Parsed | Bad:
    if national.startswith("0") and len(national) in (11, 12):
        national, repairs = national[1:], [*repairs, "trunk_zero"]
    size = len(national)
    if size in (8, 9):
        return _bad("no_ddd")
    if size < 10:
        return _bad("short")
    if size > 11:
        return _bad("long")
    if int(national[:2]) not in DDDS:
        return _bad("bad_ddd")
    if size == 11:
        if national[2] != "9":
            return _bad("not_assigned")
        return Parsed(int("55" + national), "mobile", tuple(dict.fromkeys(repairs)))
    if national[2] in "6789":
        repaired = f"55{national[:2]}9{national[2:]}"
        return Parsed(int(repaired), "mobile", tuple(dict.fromkeys([*repairs, "ninth_digit"])))
    if national[2] in "2345":
        return Parsed(int("55" + national), "landline", tuple(dict.fromkeys(repairs)))
    return _bad("not_assigned")


def _foreign(digits: str, repairs: list[str]) -> Parsed | Bad:
    if not 7 <= len(digits) <= 15 or digits.startswith("0"):
        return _bad("foreign")
    return _checked("+" + digits, None, repairs)


def _of_country(digits: str, country: str, repairs: list[str]) -> Parsed | Bad:
    return _checked(digits, country, repairs)


def _checked(text: str, country: str | None, repairs: list[str]) -> Parsed | Bad:
    try:
        found = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return _bad("foreign")
    if not phonenumbers.is_valid_number(found):
        return _bad("foreign")
    e164 = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)[1:]
    if found.country_code == 55:
        return _brazilian(e164[2:], repairs)
    return Parsed(int(e164), "foreign", tuple(dict.fromkeys(repairs)))


def from_gateway(value: str | int | None) -> int | None:
    """A number as the gateway writes it (10–13 digits, with or without 55 and the ninth digit); None if unreadable."""
    text = "" if value is None else str(value).strip()
    found = parse(text)
    if isinstance(found, Bad):
        digits = "".join(c for c in text if c in "0123456789").lstrip("0")
        found = _foreign(digits, []) if len(digits) >= 11 else found
    return found.number if isinstance(found, Parsed) else None


def canonical(number: int) -> int:
    """The one integer of a person: a Brazilian mobile of before the ninth digit becomes the one of today."""
    if 55_00_6000_0000 <= number < 55_99_9999_9999 + 1 and number % 10**8 >= 6000_0000:
        ddd_part, subscriber = divmod(number, 10**8)
        return ddd_part * 10**9 + 9 * 10**8 + subscriber
    return number


_FIRST_MOBILE, _LAST_MOBILE = 55_11_9_0000_0000, 55_99_9_9999_9999


def all_mobile(numbers: Collection[int]) -> bool:
    """Whether every number is a Brazilian one of eleven digits, as in nearly every batch: two looks at thousands spare
    one at each."""
    return bool(numbers) and min(numbers) >= _FIRST_MOBILE and max(numbers) <= _LAST_MOBILE


def areas(numbers: Collection[int]) -> set[int | None]:
    """The area codes of many numbers, None for those from abroad."""
    if all_mobile(numbers):
        return {front % 100 for front in {number // 10**9 for number in numbers}}
    return {ddd(number) for number in numbers}


def ddd(number: int) -> int | None:
    """The Brazilian area code of a number, None for a foreign one."""
    if _FIRST_MOBILE <= number <= _LAST_MOBILE:
        return number // 10**9 % 100
    if 55_11_0000_0000 <= number <= 55_99_9999_9999:
        return number // 10**8 % 100
    return None


def is_landline(number: int) -> bool:
    """Whether a number is a Brazilian landline: it takes voice, no SMS and no WhatsApp."""
    return 55_11_2000_0000 <= number <= 55_99_5999_9999


@lru_cache(maxsize=4096)
def _country_code(digits: str) -> int:
    for size in (1, 2, 3):
        code = int(digits[:size])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return code
    return int(digits[:2])


def split(number: int) -> tuple[int, str]:
    """Country code and national number, as the gateway wants them."""
    digits = str(number)
    if ddd(number) is not None:
        return 55, digits[2:]
    code = _country_code(digits[:3])
    return code, digits[len(str(code)) :]


def display(number: int) -> str:
    """A number for people: `+55 11 98765-4321`."""
    digits = str(number)
    if ddd(number) is not None:
        return f"+55 {digits[2:4]} {digits[4:-4]}-{digits[-4:]}"
    try:
        found = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return "+" + digits
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def mask(number: int) -> str:
    """A number for lists, where nobody needs to see all of it: `+55 11 •••••-4321`."""
    digits = str(number)
    if ddd(number) is not None:
        return f"+55 {digits[2:4]} {'•' * (len(digits) - 8)}-{digits[-4:]}"
    code, national = split(number)
    return f"+{code} ••••• {national[-3:]}"

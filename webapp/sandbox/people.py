"""The people at the other end: whose numbers exist, who carries them, what becomes of a message, who answers.

Everything is drawn from the number, the reference and the seed, so a run can be repeated. The last four digits of a
number decide the outcome by hand (switch `special_numbers`):

| ends in | what happens |
|---|---|
| `000N` | final status -N: 0002 network error, 0003 invalid … 0009 no coverage; 0001 stays queued (-1) |
| `100N` | final status N: 1000 stays at the operator, 1001 delivered, 1003 stays in preparation, 1006 paused, 1007 1008
1009; 1002 read; 1042 the unknown status 42; 1010 and 1011 the newer -10 and -11 |
| `0CCC` | refused at once with the response code CCC: 0050, 0060, 0070, and also 0010 0020 0030 0040 0080 0090 0091
0100 0110 0140 0150 0160 |
| `2001` … `2004` | delivered, and the person answers: yes; SAIR; mark-up and an emoji; two answers in the same second |
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from webapp.core.phone import DDDS
from webapp.gateway.codes import RESPONSES, SMS_TYPES, ServiceType, Verdict, without_handset_receipts
from webapp.sandbox.clock import NEVER
from webapp.sandbox.options import Options

STATUS_ENDINGS = (
    {f"000{n}": -n for n in range(1, 10)}
    | {f"100{n}": n for n in (0, 1, 2, 3, 6, 7, 8, 9)}
    | {"1010": -10, "1011": -11, "1042": 42}
)
_NOT_OF_ONE_MESSAGE = {"120", "130", "170"}
REFUSED_ENDINGS = {
    f"0{code}": code
    for code, row in RESPONSES.items()
    if row.verdict not in (Verdict.ACCEPTED, Verdict.ITEMS, Verdict.FOUND) and code not in _NOT_OF_ONE_MESSAGE
}
REPLY_ENDINGS = {
    "2001": ("Sim, tenho interesse!",),
    "2002": ("SAIR",),
    "2003": ('<script>alert("oi")</script> & "aspas" 😀 não entendi',),
    "2004": ("Pode ligar", "depois das 18h"),
}
HANDSET = frozenset({1, 2, 9, -2})
STAYS = frozenset({-1, 3, 6})  # no callback tells these

_ANSWERS = (
    "Sim", "Quero saber mais", "Qual o valor?", "Obrigado!", "Pode me ligar à tarde?", "Já sou cliente", "Quem é?",
    "Onde fica a loja?", "Até quando vale?", "Confirmo", "Não posso nesse dia", "Tem no meu tamanho?", "ok", "👍",
    "Recebi, mas não consegui abrir o link", "Bom dia! Ainda tem vaga?",
)  # fmt: skip
_STOPS = ("SAIR", "Sair", "sair.", "PARE", "Parar", "CANCELAR", "Remover", "STOP", "Descadastrar")
_SMS_FAILURES = (9, 9, 9, 9, 9, -2, 8, 7, -3, -9, -5, -8)
_WHATSAPP_FAILURES = (-7, -7, -7, -7, -7, -7, 9, 9, 9, -2, 8, -5)
_CARRIERS = ("Vivo - Celular",) * 34 + ("Claro - Celular",) * 32 + ("TIM - Celular",) * 24 + ("Oi - Celular",) * 10
_silent = lru_cache(maxsize=64)(without_handset_receipts)
_NUMBER = re.compile(r"\+55(\d{10,11})|(?:00?55|55|0)?(\d{10,11})", re.ASCII).fullmatch
_PUNCTUATION = str.maketrans("", "", " -().\u00a0\t")


class Number(NamedTuple):
    """A number that exists: digits with 55, and whether it is a landline."""

    digits: str
    landline: bool


def read_number(number: str, country_code: str) -> Number | str:
    """The number of a message in any spelling that clients send, or the response code that refuses it."""
    country = country_code.strip().lstrip("+").lstrip("0")
    if country and country != "55":
        return "060" if country.isdigit() else "050"
    plain = number.strip().translate(_PUNCTUATION)
    match = _NUMBER(plain)
    if match is None:
        foreign = plain.startswith("+") and plain[1:].isdigit() and not plain.startswith("+55")
        return "060" if foreign else "050"
    national = match[1] or match[2]
    if int(national[:2]) not in DDDS:
        return "050"
    if len(national) == 11:
        return Number("55" + national, False) if national[2] == "9" else "050"
    # Eight digits that start with 6 or more are a mobile of before the ninth digit: it is kept as it was written.
    return Number("55" + national, national[2] in "2345") if national[2] >= "2" else "050"


def refusal(digits: str, options: Options) -> str | None:
    """The response code that this number is refused with by its ending."""
    return REFUSED_ENDINGS.get(digits[-4:]) if options.special_numbers else None


def number_for(outcome: str, nth: int = 0, ddd: int = 11) -> str:
    """A national number that ends in an outcome: a status ("-3"), a response code ("050") or "reply" and "stop"."""
    endings = {str(status): ending for ending, status in STATUS_ENDINGS.items()}
    endings |= {code: ending for ending, code in REFUSED_ENDINGS.items()}
    endings |= {"reply": "2001", "stop": "2002", "odd reply": "2003", "two replies": "2004"}
    return f"{ddd}9{8000 + nth:04d}{endings[outcome]}"


def carrier_of(digits: str, landline: bool, channel: str) -> str:
    """Who carries a number. WhatsApp carries itself; Sercomtel lives around Londrina (43)."""
    if channel == "whatsapp":
        return "Whatsapp"
    if landline:
        return "Vivo - Fixo"
    place = (int(digits[-8:]) * 2654435761 >> 9) % 100
    if digits[2:4] == "43" and place < 25:
        return "Sercomtel - Celular"
    return _CARRIERS[place]


class Fate(NamedTuple):
    """What becomes of one message; moments are seconds after it is due, `NEVER` where they do not come."""

    carrier: str
    prepared: float
    operator: float
    operator_status: int
    handset: float | None
    handset_status: int | None
    replies: tuple[tuple[float, str], ...]


def fate(number: Number, service: ServiceType, reference: str, options: Options) -> Fate:
    """Draw the life of a message: which status it ends in, when it gets there, and what the person answers."""
    digits = number.digits
    dice = int.from_bytes(blake2b(f"{options.seed}|{digits}|{reference}".encode(), digest_size=8).digest())
    carrier = carrier_of(digits, number.landline, service.channel)
    special = options.special_numbers
    forced = STATUS_ENDINGS.get(digits[-4:]) if special else None
    scripted = REPLY_ENDINGS.get(digits[-4:]) if special else None
    # A handset's word, when the status was asked for by the number's ending, comes from every carrier.
    silent = forced not in HANDSET and service.type in SMS_TYPES and _silent(carrier)
    final = _final(dice, forced, scripted is not None, number.landline, service, options)
    speed = options.speed
    operator = (2 + 4 * (dice >> 12 & 0xFF) / 255) / speed
    handset = operator + (3 + 27 * (dice >> 20 & 0xFF) / 255) / speed
    prepared = NEVER if final == -1 else operator * 0.4
    if final not in HANDSET:
        return Fate(carrier, prepared, NEVER if final in (-1, 3) else operator, final, None, None, ())
    answers = _answers(dice, handset, scripted, options) if final in (1, 2) and service.channel != "voice" else ()
    if silent:
        return Fate(carrier, prepared, operator, 0, None, None, answers)
    return Fate(carrier, prepared, operator, 0, handset, final, answers)


def _final(
    dice: int, forced: int | None, scripted: bool, landline: bool, service: ServiceType, options: Options
) -> int:
    if forced is not None:
        return forced
    if landline and not service.landlines:
        return -4
    if scripted or (dice & 0xFFF) >= options.failures * 4096:
        return 1
    failures = _WHATSAPP_FAILURES if service.channel == "whatsapp" else _SMS_FAILURES
    return failures[(dice >> 28 & 0xFF) % len(failures)]


def _answers(
    dice: int, after: float, scripted: tuple[str, ...] | None, options: Options
) -> tuple[tuple[float, str], ...]:
    if not options.replies:
        return ()
    if scripted:
        return tuple((after + 2 / options.speed, text) for text in scripted)
    if (dice >> 36 & 0xFFF) >= options.reply_share * 4096:
        return ()
    texts = _STOPS if (dice >> 48 & 0xFF) < options.stop_share * 256 else _ANSWERS
    delay = (5 + 85 * (dice >> 20 & 0xFF) / 255) / options.speed
    return ((after + delay, texts[(dice >> 56) % len(texts)]),)

"""What a busy company's outbox has been through: runs, their messages and receipts, batch by batch, as plain tuples.

Shares are those of a real Brazilian account, with a rarest value of everything: a status that one message in a million
has, a carrier that one in three thousand uses, a type that few campaigns are of.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import repeat
from typing import NamedTuple

from webapp.core.phone import DDDS
from webapp.messages.reference import encoded

BATCH = 5000  # messages of a batch
BATCH_SECONDS = 20  # from one batch to the next
PEOPLE = 2_000_000  # who is ever written to
SMS, FLASH, INTERACTIVE, VOICE, WHATSAPP, IMAGE, VIDEO = 0, 1, 2, 3, 5, 6, 8
WAITS = 64  # different delays of receipts


class Fate(NamedTuple):
    """Where a message ends, and the words that the gateway says on the way."""

    state: str
    reason: str | None = None
    carrier: str | None = None
    words: tuple[str, ...] = ()

    @property
    def status(self) -> str | None:
        """The last word."""
        return self.words[-1] if self.words else None


Shares = dict[Fate, float]
_CARRIERS = {"Vivo - Celular": 33.0, "Claro": 29.0, "TIM": 24.0, "Oi": 10.0, "Algar": 3.0, "Sercomtel": 0.03}
_LEFT_OUT: Shares = {
    Fate("refused", "050"): 0.3, Fate("suppressed", "optout"): 0.8, Fate("suppressed", "landline"): 0.3,
    Fate("suppressed", "missing_field"): 0.01,
}  # fmt: skip
_WAITING = Fate("accepted")


def _sms() -> Shares:
    ends = {"1": 89.0, "9": 4.0, "-2": 1.2, "7": 1.0, "8": 1.5, "-3": 1.5, "-4": 0.3, "-5": 0.4, "-9": 0.1, "-8": 0.01,
            "77": 0.0001}  # fmt: skip
    found = dict(_LEFT_OUT)
    for carrier, share in _CARRIERS.items():
        silent = carrier in {"Oi", "Sercomtel"}
        for end, part in ends.items():
            words = ("0", end) if end in {"1", "9", "-2"} else (end,)
            fate = Fate("accepted", None, carrier, ("0",) if silent and len(words) == 2 else words)
            found[fate] = found.get(fate, 0.0) + share * part / 100
    return found


def _one_carrier(carrier: str, ends: dict[tuple[str, ...], float]) -> Shares:
    return _LEFT_OUT | {Fate("accepted", None, carrier, words): share for words, share in ends.items()}


_WHATSAPP = {("0", "1", "2"): 45.0, ("0", "1"): 44.0, ("0",): 2.0, ("-7",): 7.5, ("-10",): 0.5, ("-11",): 0.01}
_VOICE = {("0", "1"): 71.0, ("0", "9"): 25.0, ("0", "-2"): 2.0, ("-9",): 0.1}


def shares(type: int) -> Shares:
    """How likely each fate of a message of a service type is."""
    if type in {WHATSAPP, IMAGE, VIDEO}:
        return _one_carrier("Whatsapp", _WHATSAPP)
    return _one_carrier("Fixo", _VOICE) if type == VOICE else _sms()


class Plan(NamedTuple):
    """One run: `end` is what happened to its last part, after `share` of it had gone the usual way."""

    name: str
    kind: str
    type: int
    people: int
    start: datetime  # naive UTC
    end: Fate | None = None
    share: float = 1.0


_NAMES = ("Volta às aulas", "Frete grátis", "Boleto disponível", "Dia das Mães", "Aniversariantes", "Estoque novo")
_TYPES = ((SMS, 78), (WHATSAPP, 12), (INTERACTIVE, 4), (IMAGE, 3), (VOICE, 2), (FLASH, 1))


def plans(messages: int, days: int, now: datetime, dice: random.Random) -> list[Plan]:
    """The runs of so many days, the oldest first: they make `messages` in all.

    A tenth is one campaign; the newest, a twentieth, has heard of no receipt yet; one paused in the middle.
    """
    first = now - timedelta(days=days)
    biggest, newest, paused = messages // 10, messages // 20, messages // 100
    singles = messages // 3000
    rest = messages - biggest - newest - paused - singles
    found = [
        Plan("Campanha do ano", "campaign", SMS, biggest, now - timedelta(days=5, hours=3)),
        Plan("Black Friday", "campaign", SMS, newest, now - timedelta(hours=2), _WAITING, 0.0),
        Plan("Parada no meio", "campaign", SMS, paused, now - timedelta(hours=3), Fate("pending"), 0.6),
    ]
    kinds, weights = zip(*_TYPES, strict=True)
    sizes = [dice.paretovariate(1.2) for _ in range(96)]
    for place, size in enumerate(sizes):
        people = max(int(rest * size / sum(sizes)), 1) if place else rest - sum(
            max(int(rest * each / sum(sizes)), 1) for each in sizes[1:]
        )  # fmt: skip
        start = (first + timedelta(days=days * place / len(sizes))).replace(hour=12 + place % 8, minute=place % 60)
        type = VIDEO if place == 50 else dice.choices(kinds, weights)[0]
        end = {10: Fate("cancelled"), 20: Fate("expired", "too_late")}.get(place)
        name = f"{_NAMES[place % len(_NAMES)]} {place + 1}"
        found.append(Plan(name, "campaign", type, people, min(start, now - timedelta(hours=4)), end, 0.5))
    for place in range(singles):
        start = first + timedelta(seconds=days * 86_400 * place / max(singles, 1) * 0.999)
        kind = "test" if place % 20 == 0 else "reply"
        found.append(Plan("Teste" if kind == "test" else "Resposta", kind, INTERACTIVE, 1, start))
    return sorted(found, key=lambda plan: plan.start)


def numbers() -> list[int]:
    """Everybody's mobile number."""
    codes = sorted(DDDS)
    return [(5500 + codes[place % len(codes)]) * 10**9 + 900_000_000 + place * 7919 % 10**8 for place in range(PEOPLE)]


class Lived(NamedTuple):
    """A batch with its history: rows of `message` and `receipt`, and how many messages met each fate."""

    first_key: int
    at: datetime
    pending: int
    messages: list[tuple[object, ...]]
    receipts: list[tuple[object, ...]]
    fates: dict[Fate, int]


def text(moment: datetime) -> str:
    """A moment as both databases take it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def lived(
    plan: Plan, run_id: int, token: str, first_key: int, people: Sequence[int], now: datetime, dice: random.Random
) -> Iterator[Lived]:
    """A run's batches in their order. `people` are its numbers."""
    usual = shares(plan.type)
    fates, weights = list(usual), list(usual.values())
    waits = sorted(dice.lognormvariate(3.2, 1.3) + 3 for _ in range(WAITS))
    for place in range(0, len(people), BATCH):
        part = people[place : place + BATCH]
        at = plan.start + timedelta(seconds=BATCH_SECONDS * (place // BATCH))
        if plan.end is not None and place >= plan.share * len(people):
            met = [plan.end] * len(part)
        else:
            met = dice.choices(fates, weights, k=len(part))
        yield _batch(plan, run_id, token, first_key + place, at, part, met, waits, now)


def _batch(
    plan: Plan, run_id: int, token: str, first: int, at: datetime, people: Sequence[int], met: list[Fate],
    waits: list[float], now: datetime,
) -> Lived:  # fmt: skip
    keys = range(first, first + len(people))
    references = encoded(token, keys)
    steps = [[text(min(at + timedelta(seconds=wait * (1 + step)), now)) for wait in waits] for step in range(3)]
    asked = [[moment[:19].replace(" ", "+").replace(":", "%3A") for moment in step] for step in steps]
    moment, messages, receipts = text(at), [], []
    for key, number, fate, reference in zip(keys, people, met, references, strict=True):
        state, reason, carrier, words = fate
        wait = (key * 2654435761 >> 7) % WAITS
        heard = steps[len(words) - 1][wait] if words else None
        accepted = state == "accepted"
        gateway_id = str(10**9 + key) if words else None
        messages.append((key, run_id, number, plan.type, None, state, reason, moment, gateway_id, fate.status, heard,
                         carrier, 1 if accepted else None))  # fmt: skip
        for step, word in enumerate(words):
            raw = (f"campaign_id={reference}&id={gateway_id}&status={word}&date={asked[step][wait]}"
                   f"&carrier={(carrier or '').replace(' ', '+')}")  # fmt: skip
            when = steps[step][wait]
            receipts.append((key, when, "callback", raw, reference, gateway_id, word, when, carrier))
    receipts.sort(key=lambda row: str(row[1]))
    counted = {fate: met.count(fate) for fate in set(met)}
    pending = sum(n for fate, n in counted.items() if fate.state == "pending")
    return Lived(first, at, pending, messages, receipts, counted)


def outside(first_key: int, count: int, people: Sequence[int], start: datetime) -> list[tuple[object, ...]]:
    """Rows of `message` for what other systems sent through the account from a moment on."""
    return [
        (key, None, number, None, None, "accepted", None, moment, f"x{key}", "1", moment, "TIM", None)
        for key, number, moment in zip(range(first_key, first_key + count), people, repeat(text(start)), strict=False)
    ]

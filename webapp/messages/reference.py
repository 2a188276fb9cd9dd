"""References: what travels as the gateway's `campaign_id` and decodes to the message's key.

Five random characters drawn at the launch, a dash, the key in base 36. The random part keeps a restored backup, or a
copy of the installation, from taking another's message for its own.
"""

import re
import secrets
from collections.abc import Sequence
from functools import lru_cache

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
TOKEN_LENGTH = 5
_SHAPE = re.compile(r"([0-9a-z]{5})-([0-9a-z]{1,13})")
LARGEST_KEY = 2**63 - 1


def new_token() -> str:
    """The random part of one launch's references (26 bits of chance that another installation's is the same)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


@lru_cache(maxsize=4096)
def _high(value: int) -> str:
    digits = ""
    while value:
        value, rest = divmod(value, 36)
        digits = ALPHABET[rest] + digits
    return digits


_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def encode(token: str, key: int) -> str:
    """The reference of a key (≥ 1) under a launch's token."""
    high, low = divmod(key, 1296)
    return f"{token}-{_high(high)}{_PAIRS[low]}" if high else f"{token}-{_PAIRS[low].lstrip('0')}"


def encoded(token: str, keys: Sequence[int]) -> list[str]:
    """The references of many keys: what neighbours have in common is worked out once."""
    highs = {key // 1296 for key in keys}
    if 0 in highs:
        return [encode(token, key) for key in keys]
    fronts = {high: f"{token}-{_high(high)}" for high in highs}
    return [fronts[key // 1296] + _PAIRS[key % 1296] for key in keys]


def decode(reference: str | None) -> tuple[str, int] | None:
    """(token, key) of a reference in any letter case, or None where it has not our shape."""
    found = _SHAPE.fullmatch((reference or "").strip().lower())
    if not found:
        return None
    key = int(found[2], 36)
    return (found[1], key) if 0 < key <= LARGEST_KEY else None

"""Encryption at rest and hashes of tokens; the keys themselves are kept by `core.keyfile`."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def sealed_box(*keys: str) -> MultiFernet:
    """Encryption at rest under the first key; older keys still open what they sealed."""
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    stretched = HKDF(hashes.SHA256(), 32, salt=None, info=b"recado at rest").derive(key.encode())
    return base64.urlsafe_b64encode(stretched)


def opened(box: MultiFernet, sealed: str) -> str | None:
    """The text that was sealed, or None where no key opens it (the secret key was replaced)."""
    try:
        return box.decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def fingerprint(key: str, text: str) -> str:
    """A keyed hash: tells whether two texts are the same without telling what they are."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def token_hash(token: str) -> str:
    """How one-time tokens and session ids are stored: they are long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()

"""Keys and tokens. The keys live in the instance folder (mode 600), so that a copied database alone opens nothing."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def keep(path: Path, make: str | None = None) -> str:
    """The secret kept in a file, made at first use. Two processes starting at once end with the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make or secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where the other process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


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

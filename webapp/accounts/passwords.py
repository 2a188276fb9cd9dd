"""Password hashing: argon2id, rehashed at login when the parameters have moved on."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM = 10  # characters
MAXIMUM = 256
FEWEST_DIFFERENT = 4  # characters; "aaaaaaaaaa" and "1212121212" are no secrets
# The start of every guesser's list, of those that are long enough to pass otherwise.
# fmt: off
OBVIOUS = frozenset({
    "0123456789", "1234567890", "12345678910", "123456789a", "1q2w3e4r5t", "1qaz2wsx3edc", "abcdefghij",
    "abcdef123456", "qwertyuiop", "qwerty12345", "qwerty123456", "password12", "password123", "password1234",
    "passw0rd123", "senha12345", "senha123456", "minhasenha", "minhasenha123", "mudar12345", "mudar123456",
    "trocar1234", "administrador", "admin12345", "admin123456", "administrator", "recado1234", "recado12345",
    "brasil1234", "brasil2024", "brasil2025", "brasil2026", "flamengo123", "corinthians", "corinthians1",
    "palmeiras1", "welcome123", "iloveyou123",
})
# fmt: on
_hasher = PasswordHasher()
# Checked for people who do not exist, so that their answer takes as long as everybody's. A test holds that it has the
# parameters of today; made at the start, it would cost every process 0.3 s and 64 MB.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$mWfLwaEJNFUF5H9TctBgYQ$GjtfORNIYI9IRatVwqffqPvGXZQWuyljg8uM7/8+0es"


def _same_everywhere(password: str) -> str:
    """Accents typed on different systems come as different code points; they are the same password."""
    return unicodedata.normalize("NFKC", password)


def make(password: str) -> str:
    """The hash to store."""
    return _hasher.hash(_same_everywhere(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether the password is right; takes the same time where there is nothing to compare with."""
    try:
        return _hasher.verify(stored or NOBODY, _same_everywhere(password[: MAXIMUM * 4])) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_old(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def is_obvious(password: str, email: str) -> bool:
    """Whether it is among the first that anybody would try for that person."""
    folded = _same_everywhere(password).casefold().strip()
    own = {email.casefold(), email.casefold().partition("@")[0]}
    return folded in OBVIOUS or folded in own or len(set(folded)) < FEWEST_DIFFERENT

"""Password hashing: argon2id, rehashed at login when the parameters have moved on."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM = 10  # characters
MAXIMUM = 256
_hasher = PasswordHasher()
# Checked for people who do not exist, so that their answer takes as long as everybody's.
_NOBODY = _hasher.hash("nobody has this password")


def make(password: str) -> str:
    """The hash to store."""
    return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether the password is right; takes the same time where there is nothing to compare with."""
    try:
        return _hasher.verify(stored or _NOBODY, password[: MAXIMUM * 4]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_old(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)

"""A password as it is kept: scrypt with a salt of its own."""

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from segmentation.errors import ParameterError

SHORTEST, LONGEST = 8, 1024  # of a password, in letters (NIST SP 800-63B) and in bytes of UTF-8
COST = (2**14, 8, 5)  # n, r, p: OWASP's advice for scrypt in 16 MiB (Password Storage Cheat Sheet)
_STRONGEST = (2**20, 32, 16)  # more would let a line of the file stop the server
_MOST_MEMORY = 2**28  # bytes a hash
_SALT, _DIGEST = 16, 32  # bytes


@dataclass(frozen=True)
class PasswordHash:
    """A password as it is kept: scrypt (RFC 7914) with a salt of its own."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str) -> "PasswordHash":
        """Hash a new password under a fresh salt."""
        salt = secrets.token_bytes(_SALT)
        return cls(*COST, salt, _scrypt(password, salt, *COST))

    @classmethod
    def parse(cls, text: str) -> "PasswordHash":
        """Read ``scrypt$n$r$p$salt$hash``, the last two in base64.

        Raises:
            ValueError: if it is something else, weaker than what is written here, or too costly to check.
        """
        kind, *numbers, salt, digest = text.split("$")
        n, r, p = (int(number) for number in numbers)
        found = cls(n, r, p, base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True))
        if kind != "scrypt" or n & (n - 1) or len(found.salt) < _SALT or len(found.digest) != _DIGEST:
            raise ValueError
        if n < COST[0] or r < 8 or p < 1 or n * r * p < COST[0] * 8 or any(map(_above, (n, r, p), _STRONGEST)):
            raise ValueError
        if 128 * n * r > _MOST_MEMORY:
            raise ValueError
        return found

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${digest}"

    def __repr__(self) -> str:
        return "PasswordHash(...)"  # whatever prints one, no log gets it

    def matches(self, password: str) -> bool:
        """Whether this is the password; takes the same time either way."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.n, self.r, self.p), self.digest)


def check_password(password: str) -> None:
    """Refuse what is no password to choose.

    Raises:
        ParameterError: if it is too short or too long, or has letters that cannot be typed again.
    """
    if len(password) < SHORTEST or len(password.encode(errors="replace")) > LONGEST or not password.isprintable():
        raise ParameterError(f"The password must have {SHORTEST} letters at least, and no more than {LONGEST} bytes.")


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # Keyboards differ in how they write accents; the same letters must be the same password (RFC 8265).
    data = unicodedata.normalize("NFC", password[: LONGEST + 1]).encode(errors="replace")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p) + 2**20, dklen=_DIGEST)


def _above(value: int, most: int) -> bool:
    return value > most

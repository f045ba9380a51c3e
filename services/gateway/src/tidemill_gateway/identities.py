"""Identities that nobody can guess, a handful of random bytes each."""

import os

IDENTITY_BYTES = 16
POOLED = 256


class Identities:
    """Gives identities of 128 random bits; the system is asked for those of many at a time."""

    def __init__(self) -> None:
        self._pool: list[str] = []

    def next(self) -> str:
        """Return a new identity: 32 hexadecimal digits."""
        if not self._pool:
            digits, size = os.urandom(IDENTITY_BYTES * POOLED).hex(), 2 * IDENTITY_BYTES
            self._pool = [digits[begin : begin + size] for begin in range(0, len(digits), size)]
        return self._pool.pop()

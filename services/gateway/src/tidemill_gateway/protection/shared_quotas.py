"""Quotas that several gateway processes count together, in a file that all of them have open.

The file is a list of entries: what a quota is of and how much, as a digest, and the state of its bucket.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from tidemill_gateway.protection.quotas import TokenBucket

_DIGEST_BYTES = 32
_STATE = struct.Struct("dd")
_ENTRY_BYTES = _DIGEST_BYTES + _STATE.size


class SharedTokenBucket(TokenBucket):
    """A bucket whose state stands in a file. The clock must be one for all processes, as the system's is."""

    __slots__ = ("_file", "_place")

    def __init__(self, file: int, name: str, per_second: float, burst: float) -> None:
        """Find the bucket with this name, rate and size, or begin it full."""
        super().__init__(per_second, burst)
        self._file = file
        self._place = self._found(blake2b(f"{name} {per_second} {burst}".encode(), digest_size=_DIGEST_BYTES))

    def take(self) -> None:
        """Count one request; raises Refused, with the time until the next may pass."""
        with _locked(self._file, self._place):
            self._tokens, self._at = _STATE.unpack(os.pread(self._file, _STATE.size, self._place))
            try:
                super().take()
            finally:
                os.pwrite(self._file, self._state(), self._place)

    def _found(self, name: blake2b) -> int:
        with _locked(self._file, 0, 0):
            entries = os.pread(self._file, os.fstat(self._file).st_size, 0)
            for begin in range(0, len(entries), _ENTRY_BYTES):
                if entries[begin : begin + _DIGEST_BYTES] == name.digest():
                    return begin + _DIGEST_BYTES
            os.pwrite(self._file, name.digest() + self._state(), len(entries))
            return len(entries) + _DIGEST_BYTES

    def _state(self) -> bytes:
        return _STATE.pack(self._tokens, self._at)


@contextmanager
def _locked(file: int, begin: int, size: int = _STATE.size) -> Iterator[None]:
    """Keep other processes away from a part of the file; size 0: from all of it."""
    fcntl.lockf(file, fcntl.LOCK_EX, size, begin)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, size, begin)

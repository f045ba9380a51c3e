"""The checksums that Cloud Storage sends with a notification, held against the bytes that were read."""

import hashlib
from base64 import b64encode

import google_crc32c

from tidemill_contracts.notification import ObjectFinalized


class Checksums:
    """Those that a notification carries, over bytes as they come."""

    def __init__(self, sent: ObjectFinalized) -> None:
        self._sent = sent
        self._crc32c = google_crc32c.Checksum()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if self._sent.crc32c is not None:
            self._crc32c.update(chunk)
        if self._sent.md5 is not None:
            self._md5.update(chunk)

    def mismatch(self) -> str | None:
        """Say which checksum differs from the one sent; None when all that were sent are right."""
        for name, expected, digest in (
            ("crc32c", self._sent.crc32c, self._crc32c.digest()),
            ("md5", self._sent.md5, self._md5.digest()),
        ):
            received = b64encode(digest).decode()
            if expected is not None and expected != received:
                return f"expected {name} {expected}, received {received}"
        return None

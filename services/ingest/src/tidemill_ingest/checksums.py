"""Checksums that someone sent along with bytes, held against the bytes that came."""

import hashlib
from base64 import b64encode

import google_crc32c


def crc32c(data: bytes) -> str:
    """Return the CRC32C of bytes, in base64 as Cloud Storage writes it."""
    return b64encode(google_crc32c.Checksum(data).digest()).decode()


class Checksums:
    """Those that were sent, over bytes as they come.

    Args:
        crc32c: In base64 as Cloud Storage writes it; None when none was sent.
        md5: Likewise.
    """

    def __init__(self, crc32c: str | None, md5: str | None) -> None:
        self._sent_crc32c, self._sent_md5 = crc32c, md5
        self._crc32c = google_crc32c.Checksum()
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def were_sent(self) -> bool:
        """Say whether there is anything to hold bytes against."""
        return self._sent_crc32c is not None or self._sent_md5 is not None

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if self._sent_crc32c is not None:
            self._crc32c.update(chunk)
        if self._sent_md5 is not None:
            self._md5.update(chunk)

    def mismatch(self) -> str | None:
        """Say which checksum differs from the one sent; None when all that were sent are right."""
        for name, expected, digest in (
            ("crc32c", self._sent_crc32c, self._crc32c.digest()),
            ("md5", self._sent_md5, self._md5.digest()),
        ):
            received = b64encode(digest).decode()
            if expected is not None and expected != received:
                return f"expected {name} {expected}, received {received}"
        return None

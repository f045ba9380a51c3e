"""Objects of the bucket as local files: one pinned generation each, checked against what is known of it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused
from tidemill_ingest.sources import Source
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

CHUNK_BYTES = 1 << 20


def fetch(store: ObjectStore, source: Source, path: Path) -> str:
    """Copy an object to `path`; return the SHA-256 of its content in hexadecimal.

    Raises:
        Refused: that generation is gone.
        RetryLater: the bytes that came are not those that the bucket spoke of.
    """
    digest = hashlib.sha256()
    checksums = Checksums(source.crc32c, source.md5)
    received = 0
    try:
        with store.open(source.name, source.generation) as file, path.open("wb") as target:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                checksums.update(chunk)
                received += target.write(chunk)
    except ObjectNotFound as error:
        raise Refused(
            "object-gone", f"the file was deleted or replaced before it was read: {error}"
        ) from error
    if received != source.size_bytes:
        raise RetryLater(f"{source.name}: expected {source.size_bytes} bytes, received {received}")
    if problem := checksums.mismatch():
        raise RetryLater(f"{source.name}: {problem}")
    return digest.hexdigest()


def check_size(sources: Sequence[Source], max_bytes: int) -> None:
    """Raise Refused when what is to be read is too large."""
    size_bytes = sum(source.size_bytes for source in sources)
    if size_bytes > max_bytes:
        raise Refused("too-large", f"expected at most {max_bytes} bytes, received {size_bytes}")

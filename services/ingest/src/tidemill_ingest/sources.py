"""What is read: objects of the bucket, and the local files they become."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """An object to be read, and what the bucket says of it; a checksum is None where it says none."""

    name: str
    generation: int
    size_bytes: int
    crc32c: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Part:
    """One of several files of a drop, fetched. `name` is the object's."""

    name: str
    path: Path

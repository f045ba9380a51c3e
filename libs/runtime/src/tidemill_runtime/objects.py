"""The bucket: one small port, and its two adapters (Cloud Storage and a folder).

Object names use `/` and never start with one. A generation names one content of one object for ever: reading
a generation that was replaced or deleted fails rather than answering with other bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname


class ObjectNotFound(LookupError):
    """There is no such object, or the generation asked for is gone."""


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """What the bucket knows of an object. Checksums are base64 as Cloud Storage writes them."""

    name: str
    generation: int
    size_bytes: int
    crc32c: str


class ObjectStore(Protocol):
    """A bucket. Every method raises ObjectNotFound where a named object is missing."""

    @property
    def bucket(self) -> str:
        """Name of the bucket, as notifications carry it."""

    def uri(self, name: str) -> str:
        """Address for libraries that read and write by themselves: `gs://bucket/name` or a path."""

    def stat(self, name: str) -> ObjectInfo:
        """Describe the present generation."""

    def read(self, name: str) -> bytes:
        """Return the whole content of the present generation."""

    def open(self, name: str, generation: int) -> BinaryIO:
        """Stream one pinned generation."""

    def write(self, name: str, data: bytes) -> None:
        """Replace an object at once: readers see the old content or the new, never a mixture."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object only if there is none; False when there is one already, which stays as it is."""

    def upload(self, name: str, path: Path) -> None:
        """Replace an object with a local file's content, at once. The file may be moved away."""

    def download(self, name: str, path: Path) -> None:
        """Copy the present generation to a local file."""

    def list(self, prefix: str) -> list[str]:
        """Name every object under a prefix, sorted."""

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where there is none."""


def open_store(bucket_url: str) -> ObjectStore:
    """Open the bucket a URL names: `gs://NAME`, or `file:///FOLDER` which is created when missing."""
    url = urlsplit(bucket_url)
    match url.scheme:
        case "gs":
            from tidemill_runtime.gcs import CloudStore  # noqa: PLC0415 - the client takes a second to import

            return CloudStore(url.netloc)
        case "file":
            from tidemill_runtime.folder import FolderStore  # noqa: PLC0415

            return FolderStore(Path(url2pathname(url.path)))
    raise ValueError(f"expected a bucket URL gs://NAME or file:///FOLDER, received {bucket_url!r}")

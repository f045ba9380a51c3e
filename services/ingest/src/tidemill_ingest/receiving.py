"""A drop as local files with an address: one file, or the parts of several."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.manifest import content_id
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest.errors import Refused
from tidemill_ingest.fetching import check_size, fetch
from tidemill_ingest.parts import (
    MANIFEST_SUFFIX,
    MAX_MANIFEST_BYTES,
    completes_folder,
    parts_of_folder,
    parts_of_manifest,
)
from tidemill_ingest.sources import Part, Source
from tidemill_runtime.objects import ObjectStore


@dataclass(frozen=True)
class Received:
    """What was dropped. `span_id` is the address of its content; `files` are the objects of several."""

    span_id: str
    source: Path | tuple[Part, ...]
    size_bytes: int

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the objects, when there were several."""
        return () if isinstance(self.source, Path) else tuple(part.name for part in self.source)


@dataclass(frozen=True)
class Receiver:
    """Fetches drops."""

    store: ObjectStore
    max_file_bytes: int
    staging_prefix: str

    def receive(self, new: ObjectFinalized, pipeline: str, folder: Path) -> Received:
        """Copy what a drop consists of into `folder`; the dropped file itself is `source` there.

        Raises:
            Refused: it is too large, or something of it is missing or not as it should be.
            RetryLater: it did not come as it lies in the bucket.
        """
        if completes_folder(new.name):
            return self._receive_parts(parts_of_folder(self.store, new.name), folder)
        if new.name.endswith(MANIFEST_SUFFIX):
            check_size([_source(new)], MAX_MANIFEST_BYTES)
            fetch(self.store, _source(new), folder / "source")
            text = (folder / "source").read_bytes()
            sources = parts_of_manifest(self.store, pipeline, text, self.staging_prefix)
            return self._receive_parts(sources, folder)
        check_size([_source(new)], self.max_file_bytes)
        digest = fetch(self.store, _source(new), folder / "source")
        # A record that was sent twice is two records: batches with the same content are two spans.
        salt = [new.name] if layout.is_records_drop(new.name) else []
        return Received(content_id(digest, *salt), folder / "source", new.size_bytes)

    def _receive_parts(self, sources: Sequence[Source], folder: Path) -> Received:
        check_size(sources, self.max_file_bytes)
        digests = []
        parts = []
        for index, source in enumerate(sources):
            part = Part(source.name, folder / f"part-{index:05d}")
            try:
                digests.append(fetch(self.store, replace(source, md5=None), part.path))
            except Refused as refused:
                raise Refused("part-changed", f"{source.name}: {refused.message}") from refused
            _check_md5(part, source.md5)
            parts.append(part)
        size_bytes = sum(source.size_bytes for source in sources)
        return Received(content_id(*digests), tuple(parts), size_bytes)


def _source(new: ObjectFinalized) -> Source:
    return Source(new.name, new.generation, new.size_bytes, new.crc32c, new.md5)


def _check_md5(part: Part, expected: str | None) -> None:
    """The bucket does not know the MD5 of every object, so only the bytes can tell."""
    if expected is None:
        return
    with part.path.open("rb") as file:
        received = b64encode(hashlib.file_digest(file, "md5").digest()).decode()
    if received != expected:
        raise Refused("part-changed", f"{part.name}: expected md5 {expected}, received {received}")

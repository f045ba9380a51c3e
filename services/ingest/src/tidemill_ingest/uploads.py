"""Uploads in pieces: each piece is an object, so that any process goes on where another one stopped.

An upload is known by its pipeline, file name, total size and the id that its client chose, if any; once it
is complete, the same may be uploaded in another attempt. The pieces of an attempt follow each other without
gaps, for a piece is created only once and only behind all the others, and stays until the attempt is swept.
Whoever brings the last one puts the file together and drops it.
"""

import json
import time
from base64 import b64encode
from bisect import bisect_right
from itertools import groupby
from pathlib import Path

import google_crc32c

from tidemill_contracts import layout
from tidemill_contracts.manifest import content_id
from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

PART_BYTES = 8 << 20
BEGAN = "began.json"
LANDING = "landing.json"
COMPLETE = "complete.json"
# Longer than any request that was under way when another one completed the same upload.
COMPLETE_KEPT_SECONDS = 3600


class WrongRange(Refused):
    """A piece does not begin where the next one has to."""

    def __init__(self, begins: int, received_bytes: int) -> None:
        super().__init__(
            "wrong-range",
            f"expected a piece that begins at byte {received_bytes} or before, received {begins}",
        )
        self.received_bytes = received_bytes


class Upload:
    """One upload, as it was when this was made or last took something."""

    def __init__(
        self, store: ObjectStore, pipeline: str, file_name: str, total_bytes: int, client_id: str = ""
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self.upload_id = content_id(file_name, str(total_bytes), client_id)
        self.object_name = layout.drop(pipeline, file_name)
        self.total_bytes = total_bytes
        folder = layout.upload_state(pipeline, self.upload_id, "")
        attempts = {name.removeprefix(folder).partition("/")[0] for name in store.list(folder)}
        self._attempt = max(map(int, attempts), default=0)
        self.load()

    def load(self) -> None:
        """Look again at what the bucket holds of the attempt."""
        prefix = self._state("")
        files = {name.removeprefix(prefix) for name in self._store.list(prefix)}
        self.is_complete = COMPLETE in files
        self._offsets = sorted(int(name) for name in files if name.isdigit())
        self.received_bytes = 0
        if self._offsets and self._offsets[0] == 0:
            last = self._offsets[-1]
            self.received_bytes = last + self._store.stat(self._part(last)).size_bytes

    def begin(self) -> None:
        """Make ready for the first byte, of another attempt when the last one is complete."""
        if self.is_complete or not self._attempt:
            self._attempt += 1
        self._store.create(self._state(BEGAN), _now())
        self.load()

    def take(self, offset: int, data: bytes) -> None:
        """Keep bytes from an offset on; what is there already must be the same.

        Raises:
            WrongRange: bytes before the offset are missing.
            Refused: another file's bytes are there.
        """
        if offset > self.received_bytes:
            raise WrongRange(offset, self.received_bytes)
        known = data[: self.received_bytes - offset]
        if known and known != self._stored(offset, len(known)):
            raise Refused(
                "upload-conflict",
                f"expected the bytes from {offset} on that were received before, received others: another "
                "file of this name and size is being uploaded, send an Upload-Id to tell them apart",
            )
        if new := data[len(known) :]:
            start = self.received_bytes
            if self._store.create(self._part(start), new):
                self._offsets.append(start)
                self.received_bytes += len(new)
            else:
                self.load()
                self.take(start, new)

    def land(self, path: Path, sent: Checksums) -> None:
        """Put the file together at `path` and drop it, unless that is done.

        Raises:
            Refused: the content is not what the checksums say; the upload has to begin anew.
        """
        self.load()
        if self.is_complete:
            return
        crc32c = self._assemble(path, sent)
        first = self._store.create(self._state(LANDING), _now())
        if first or not self._has_landed(crc32c):
            self._store.upload(self.object_name, path)
        self._store.create(self._state(COMPLETE), _now())
        self.is_complete = True

    def _assemble(self, path: Path, sent: Checksums) -> str:
        checksum = google_crc32c.Checksum()
        with path.open("wb") as file:
            for offset in self._offsets:
                if file.tell() == offset:
                    part = self._store.read(self._part(offset))
                    file.write(part)
                    sent.update(part)
                    checksum.update(part)
            received = file.tell()
        problem = sent.mismatch()
        if received != self.total_bytes:
            problem = f"expected {self.total_bytes} bytes without gaps, received {received}"
        if problem:
            self._forget()
            raise Refused("checksum-mismatch", f"{problem}: nothing was kept, begin anew")
        return b64encode(checksum.digest()).decode()

    def _has_landed(self, crc32c: str) -> bool:
        """Say whether a process that was killed, or lost its client, came as far as the drop."""
        try:
            present = self._store.stat(self.object_name)
        except ObjectNotFound:
            return False
        return (present.size_bytes, present.crc32c) == (self.total_bytes, crc32c)

    def _stored(self, offset: int, size_bytes: int) -> bytes:
        found = bytearray()
        for start in self._offsets[bisect_right(self._offsets, offset) - 1 :]:
            if len(found) >= size_bytes:
                break
            found += self._store.read(self._part(start))[max(0, offset - start) :]
        return bytes(found[:size_bytes])

    def _forget(self) -> None:
        for name in self._store.list(self._state("")):
            self._store.delete(name)
        self.load()

    def _part(self, offset: int) -> str:
        return layout.upload_part(self._pipeline, f"{self.upload_id}/{self._attempt:06d}", offset)

    def _state(self, file: str) -> str:
        return layout.upload_state(self._pipeline, f"{self.upload_id}/{self._attempt:06d}", file)


def sweep(store: ObjectStore, keep_seconds: float, now: float) -> None:
    """Delete every attempt that was complete an hour ago, or began `keep_seconds` before `now`."""
    for folder, names in groupby(store.list(layout.UPLOADS), lambda name: name.rpartition("/")[0]):
        ages = (
            now - _noted(store, f"{folder}/{COMPLETE}", now) - COMPLETE_KEPT_SECONDS,
            now - _noted(store, f"{folder}/{BEGAN}", 0) - keep_seconds,
        )
        if max(ages) > 0:
            # What says that it is complete goes first: a file with pieces missing must not count as landed.
            for name in sorted(names, key=lambda name: not name.endswith(COMPLETE)):
                store.delete(name)


def _now() -> bytes:
    return json.dumps({"at": time.time()}).encode()


def _noted(store: ObjectStore, name: str, otherwise: float) -> float:
    try:
        return float(json.loads(store.read(name))["at"])
    except ObjectNotFound:
        return otherwise

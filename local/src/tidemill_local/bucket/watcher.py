"""From a file that appeared to a notification on the topic: published first, remembered after."""

import hashlib
import mimetypes
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from tidemill_contracts import layout
from tidemill_contracts.notification import ObjectFinalized, to_message
from tidemill_local.bucket.announced import Announced
from tidemill_local.bucket.hours import HourScanner
from tidemill_local.bucket.scanning import Scanner, Stamp, stamp_of
from tidemill_local.bucket.settling import Settling
from tidemill_runtime.logs import get_logger

# Enough to keep the publisher busy, few enough that a dead broker is not owed thousands.
MAX_IN_FLIGHT = 256
CHUNK_BYTES = 1 << 20

Publish = Callable[[bytes, Mapping[str, str]], Future[str]]


class Changed(Exception):
    """The file is not what the scan saw: still being written, replaced or deleted."""


class Sent(NamedTuple):
    """A notification on its way."""

    generation: int
    receipt: Future[str]


class Watcher:
    """Announces every new generation of every drop, prediction log and feedback, at least once."""

    def __init__(self, root: Path, announced: Announced, publish: Publish, *, settle_seconds: float) -> None:
        self._root = root
        self._announced = announced
        self._publish = publish
        self._scanners = (
            Scanner(root, layout.DROPS),
            HourScanner(root, layout.PREDICTIONS),
            HourScanner(root, layout.FEEDBACK),
        )
        self._settling = Settling(settle_seconds)
        self._in_flight: dict[str, Sent] = {}

    def turn(self, now_seconds: float) -> None:
        """Look once: record what was published, and publish what is complete and new. Does not wait."""
        self.collect()
        found: dict[str, Stamp] = {}
        for scanner in self._scanners:
            found |= scanner.scan()
        absent = [name for name in self._announced.names() if name not in found]
        for name in absent:
            if any(scanner.covers(name) for scanner in self._scanners):
                self._announced.forget(name)
        pending = {name: stamp for name, stamp in found.items() if self._is_new(name, stamp)}
        complete = self._settling.complete(pending, now_seconds)
        for name in islice(complete, MAX_IN_FLIGHT - len(self._in_flight)):
            self._announce(name, pending[name])

    def collect(self, timeout_seconds: float = 0) -> None:
        """Remember what Pub/Sub has taken, waiting up to `timeout_seconds` for each that it has not."""
        for name, sent in list(self._in_flight.items()):
            if not timeout_seconds and not sent.receipt.done():
                continue
            del self._in_flight[name]
            error = sent.receipt.exception(timeout_seconds)
            if error is None:
                self._announced.remember(name, sent.generation)
            else:
                get_logger().warning("publish-failed", object=name, error=repr(error))

    def _is_new(self, name: str, stamp: Stamp) -> bool:
        return name not in self._in_flight and self._announced.generation(name) != stamp.generation

    def _announce(self, name: str, stamp: Stamp) -> None:
        try:
            new = self._describe(name, stamp)
        except (Changed, OSError) as error:
            get_logger().warning("file-not-readable", object=name, error=repr(error))
            self._settling.restart(name)
            return
        data, attributes = to_message(new)
        self._in_flight[name] = Sent(new.generation, self._publish(data, attributes))
        get_logger().info("object-announced", object=name, generation=new.generation, bytes=new.size_bytes)

    def _describe(self, name: str, stamp: Stamp) -> ObjectFinalized:
        crc32c, md5 = _checksums(self._root / name, stamp)
        return ObjectFinalized(
            bucket=self._root.name,
            name=name,
            generation=stamp.generation,
            size_bytes=stamp.size_bytes,
            # From the stamp, so that announcing twice says the same twice.
            time=datetime.fromtimestamp(stamp.mtime_ns / 1e9, UTC),
            content_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
            crc32c=crc32c,
            md5=md5,
            overwrote_generation=self._announced.generation(name),
        )


def _checksums(path: Path, stamp: Stamp) -> tuple[str, str]:
    crc32c, md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            crc32c.update(chunk)
            md5.update(chunk)
        read = stamp_of(os.fstat(file.fileno()))
    if read != stamp:
        raise Changed(f"expected {stamp}, read {read}")
    return b64encode(crc32c.digest()).decode(), b64encode(md5.digest()).decode()

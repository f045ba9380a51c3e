"""Segments: objects that hold the records of a few requests until these become part of a drop.

The name says when a segment was written and what is in it, so that listing suffices to decide; the first line
says which request brought what.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import orjson

from tidemill_contracts import layout


@dataclass(frozen=True)
class Sent:
    """What one request brought: `size_bytes` of JSON Lines. `key` names what is known of it, if anything."""

    records: int
    size_bytes: int
    key: str | None = None
    digest: str = ""

    @property
    def key_id(self) -> str:
        """The key, on whatever day it was claimed."""
        return (self.key or "").rpartition("/")[2]


@dataclass(frozen=True)
class Segment:
    """A segment by its name. `written_at` is in seconds since 1970."""

    object_name: str
    pipeline: str
    written_at: float
    records: int
    size_bytes: int

    @classmethod
    def parse(cls, object_name: str) -> Self | None:
        """Read a name; None when it is no segment's."""
        _, pipeline, name = object_name.split("/", 2)
        fields = name.split("-")
        if len(fields) != 4 or not all(field.isdecimal() for field in fields[:3]):
            return None
        microseconds, records, size_bytes = map(int, fields[:3])
        return cls(object_name, pipeline, microseconds / 1e6, records, size_bytes)


def new_segment(pipeline: str, requests: Sequence[tuple[Sent, bytes]]) -> tuple[str, bytes]:
    """Return the name of a new segment, which no other has, and its content."""
    sent = [request for request, _ in requests]
    records, size_bytes = sum(each.records for each in sent), sum(each.size_bytes for each in sent)
    microseconds = time.time_ns() // 1000
    name = f"{microseconds:016d}-{records}-{size_bytes}-{uuid.uuid4().hex[:16]}"
    header = orjson.dumps(sent, option=orjson.OPT_APPEND_NEWLINE)
    return layout.record_batch(pipeline, name), b"".join([header, *(body for _, body in requests)])


def requests_of(content: bytes) -> list[tuple[Sent, bytes]]:
    """Read a segment back: its requests, each with the JSON Lines that it brought."""
    header, _, rest = content.partition(b"\n")
    requests = []
    offset = 0
    for sent in (Sent(**fields) for fields in orjson.loads(header)):
        requests.append((sent, rest[offset : offset + sent.size_bytes]))
        offset += sent.size_bytes
    return requests

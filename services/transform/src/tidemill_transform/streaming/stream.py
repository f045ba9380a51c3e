"""The stream as an Apache Beam pipeline: records in, drops out.

    source -> place -> gather (by window) -> pack -> land -> settle

The source is whatever the runner has, and so is what settles messages once they are stored.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import open_store
from tidemill_transform.streaming.gathering import Clock, Gather
from tidemill_transform.streaming.metrics import count
from tidemill_transform.streaming.packing import Packed, Packer
from tidemill_transform.streaming.records import Record
from tidemill_transform.streaming.windows import Windows


@dataclass(frozen=True)
class Stream:
    """One stream: how its records are windowed and packed, and where they land."""

    windows: Windows
    packer: Packer
    max_rows: int
    bucket_url: str
    clock: Clock = time.time


def build_stream(
    pipeline: beam.Pipeline,
    stream: Stream,
    source: beam.PTransform[Any, Any],
    settle: beam.PTransform[Any, Any] | None = None,
) -> None:
    """Lay out the steps of a stream.

    Args:
        source: Gives records.
        settle: Takes the ids of messages that are stored; None where the runner acknowledges by itself.
    """
    landed = (
        pipeline
        | "Source" >> source
        | "Place" >> beam.Map(stream.windows.place).with_output_types(tuple[int, Record])
        | "Gather" >> beam.ParDo(Gather(stream.windows, stream.max_rows, stream.clock))
        | "Pack" >> beam.Map(stream.packer.pack)
        # What is packed is kept from here on: a retry lands the same objects.
        | "Keep" >> beam.Reshuffle()
        | "Land" >> beam.ParDo(Land(stream.bucket_url))
    )
    if settle is not None:
        _ = landed | "Settle" >> settle


class Land(beam.DoFn):
    """Packed -> ids of its messages, once its objects are there. Objects that are there already stay."""

    def __init__(self, bucket_url: str) -> None:
        self._bucket_url = bucket_url

    def setup(self) -> None:
        self._store = open_store(self._bucket_url)

    def process(self, packed: Packed) -> Iterator[tuple[str, ...]]:
        for name, content in packed.objects:
            self._store.create(name, content)
        report = packed.report
        count("landed", report.rows)
        count("rejected", report.rejected)
        count("duplicate", report.duplicates)
        get_logger().info("window-landed", **report.model_dump(mode="json", exclude={"columns"}))
        yield packed.message_ids

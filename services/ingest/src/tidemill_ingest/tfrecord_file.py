"""TFRecord files of tf.Example, read without TensorFlow.

A record is its length (8 bytes, little endian), the length's checksum, the data, and the data's checksum.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import pyarrow as pa
from google.protobuf.message import DecodeError

from tidemill_contracts import tfserving
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.columns import infer_types
from tidemill_ingest.errors import Refused
from tidemill_ingest.reader import Look, Reject
from tidemill_ingest.values import Row, Value, batches_of

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
MAX_RECORD_BYTES = 64 << 20
MASK_DELTA = 0xA282EAD8


class TFRecordFile:
    """One file on disk."""

    lists_columns = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def types(self, reject: Reject, look: Look) -> Mapping[str, ColumnType]:
        """Infer the types from every value; text stays text."""
        return infer_types(self.batches(reject), text_types=(), look=look)

    def batches(self, reject: Reject) -> Iterator[pa.RecordBatch]:
        """Stream the examples as rows; a feature without values is a null."""
        yield from batches_of(self._rows(), reject)

    def _rows(self) -> Iterator[tuple[Row, int]]:
        parse = tfserving.Example.FromString
        for number, record in enumerate(_records(self._path), start=1):
            try:
                features = parse(record).features.feature
            except DecodeError as error:
                raise Refused(
                    "not-tfrecord", f"record {number}: expected a tf.Example, received {error}"
                ) from error
            yield {name: _value(name, feature) for name, feature in features.items()}, len(record)


def is_tfrecord(head: bytes) -> bool:
    """Say whether a file that starts so is a TFRecord: its first length has the right checksum."""
    if len(head) < HEADER.size:
        return False
    _, checksum = HEADER.unpack_from(head)
    return bool(checksum == _masked_crc32c(head[:8]))


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        number = 0
        while header := file.read(HEADER.size):
            number += 1
            if not is_tfrecord(header):
                raise Refused("not-tfrecord", f"record {number}: expected a length with its checksum")
            (length, _) = HEADER.unpack(header)
            yield _record(file, number, length)


def _record(file: BinaryIO, number: int, length: int) -> bytes:
    if length > MAX_RECORD_BYTES:
        raise Refused(
            "row-too-long", f"record {number}: expected at most {MAX_RECORD_BYTES} bytes, received {length}"
        )
    data, footer = file.read(length), file.read(FOOTER.size)
    if len(data) < length or len(footer) < FOOTER.size:
        raise Refused(
            "not-tfrecord", f"record {number}: expected {length} bytes, received the end of the file"
        )
    if FOOTER.unpack(footer)[0] != _masked_crc32c(data):
        raise Refused("not-tfrecord", f"record {number}: expected data that fits its checksum")
    return data


def _masked_crc32c(data: bytes) -> int:
    checksum: int = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + MASK_DELTA) & 0xFFFFFFFF


def _value(name: str, feature: Any) -> Value:
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else ()
    if not values:
        return None
    if len(values) > 1:
        raise Refused(
            "unsupported-column",
            f"expected one value per feature, received {len(values)} in the column {name}: leave it out",
        )
    if kind != "bytes_list":
        number: float | int = values[0]
        return number
    try:
        return str(values[0], "utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            "unsupported-column",
            f"expected UTF-8 text, received other bytes in the column {name}: leave it out",
        ) from error

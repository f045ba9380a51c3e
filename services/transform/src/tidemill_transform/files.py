"""Files of the bucket as Apache Beam's filesystems see them, on whatever machine the pass runs."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

BINARY = "application/octet-stream"


@contextmanager
def replacing(uri: str) -> Iterator[BinaryIO]:
    """Write a file beside its place, then put it there at once: a committed one may be being read."""
    folder, _, name = uri.rpartition("/")
    attempt = f"{folder}/.{name}.{uuid.uuid4().hex}"
    with FileSystems.create(attempt, BINARY, CompressionTypes.UNCOMPRESSED) as file:
        yield file
    FileSystems.rename([attempt], [uri])


def open_file(uri: str) -> BinaryIO:
    """Open a file to read as it is."""
    file: BinaryIO = FileSystems.open(uri, BINARY, CompressionTypes.UNCOMPRESSED)
    return file

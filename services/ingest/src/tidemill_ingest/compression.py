"""gzip and zstd, taken off as a stream, and never more of it than is good for the disk."""

from pathlib import Path

import pyarrow as pa

from tidemill_ingest.errors import Refused

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
CHUNK_BYTES = 1 << 20
# Tables shrink 5 to 50 times. What grows far more than that, and large, was made to fill a disk.
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 << 20


def compression_of(head: bytes) -> str | None:
    """Name the compression of a file that starts so; None when there is none."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def decompressed(source: Path, target: Path, max_bytes: int) -> Path:
    """Return `source`, or `target` with its content decompressed.

    Raises:
        Refused: broken, longer than `max_bytes`, or growing as only a decompression bomb does.
    """
    with source.open("rb") as file:
        codec = compression_of(file.read(4))
    if codec is None:
        return source
    limit = min(max_bytes, max(RATIO_FREE_BYTES, MAX_RATIO * source.stat().st_size))
    try:
        with (
            pa.OSFile(str(source)) as raw,
            pa.CompressedInputStream(raw, codec) as stream,
            target.open("wb") as plain,
        ):
            written = 0
            while chunk := stream.read(CHUNK_BYTES):
                written += plain.write(chunk)
                if written > limit:
                    raise Refused(
                        "too-large", f"expected at most {limit} bytes after decompression, received more"
                    )
    except (OSError, pa.ArrowException) as error:
        raise Refused("broken-compression", f"expected a whole {codec} file, received {error}") from error
    return target

"""What is stored of a column: it as it is, a hash, its shape, or nothing."""

import hmac
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.columns import Privacy
from tidemill_contracts.manifest import Column
from tidemill_ingest.errors import Refused
from tidemill_ingest.personal import CLASSES

# From what tells most to what tells least: a hash says which rows are alike, a shape only how long a text is.
STRICTER = ("keep", "hash", "mask", "drop")
HASH_CHARACTERS = 32
# One value, however a file writes it: 5 and 5.0, a day and its midnight.
SAME_VALUE = (
    (r"^(-?[0-9]+)\.0+$", r"\1"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]00:00(:00(\.0+)?)?(Z|\+00:?00)?$", r"\1"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9:]{8})(\.0+)?(Z|\+00:?00)?$", r"\1 \2"),
)
SHAPE = ((r"[\pL\pM]", "x"), (r"\pN", "9"), (r"[^x9\s]", "*"))


def decide(
    detected: str | None, declared: Privacy | None, known: Column | None
) -> tuple[Privacy, str | None]:
    """Choose what is stored of a column, and name its class, None when it has none.

    The spec has the last word. Where it says nothing, a column is never less protected than in the newest
    accepted span.

    Args:
        detected: The class that the file suggests.
        declared: The spec's word.
        known: The column in the newest accepted span.
    """
    usual = CLASSES[detected].privacy if detected else "keep"
    before = known.privacy if known else "keep"
    pii = detected or (known.pii if known else None)
    if declared is not None:
        return declared, pii
    if STRICTER.index(before) >= STRICTER.index(usual):
        return before, (known.pii if known else None) or detected
    return usual, detected


def check_key(columns: Iterable[Column], key: bytes | None) -> None:
    """Raise Refused when a column is to be hashed and there is no key: no other key would give the same."""
    if names := [column.name for column in columns if column.privacy == "hash"]:
        _required(key, names)


def protected(rows: pa.RecordBatch, columns: Iterable[Column], key: bytes | None) -> pa.RecordBatch:
    """Replace the cells of columns, texts all of them, by their hashes or shapes; nulls stay."""
    for column in columns:
        index = rows.schema.get_field_index(column.name)
        if column.privacy == "hash":
            rows = rows.set_column(
                index, column.name, hashed(rows.column(index), _required(key, [column.name]))
            )
        elif column.privacy == "mask":
            rows = rows.set_column(index, column.name, masked(rows.column(index)))
    return rows


def hashed(cells: pa.Array, key: bytes) -> pa.Array:
    """Return HMAC-SHA256 of every text in hexadecimal, cut to 32 digits; equal values have equal hashes."""
    texts = pc.utf8_trim_whitespace(cells)
    for pattern, same in SAME_VALUE:
        texts = pc.replace_substring_regex(texts, pattern, same)
    encoded = texts.dictionary_encode()
    digests = [
        hmac.digest(key, text.encode(), "sha256").hex()[:HASH_CHARACTERS]
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(digests, pa.string()).take(encoded.indices)


def masked(cells: pa.Array) -> pa.Array:
    """Return the shape of every text: letters as x, digits as 9, spaces as they are, all else as *."""
    for pattern, mark in SHAPE:
        cells = pc.replace_substring_regex(cells, pattern, mark)
    return cells


def _required(key: bytes | None, names: list[str]) -> bytes:
    if key is None:
        raise Refused(
            "no-privacy-key",
            f"expected a key to hash the columns {names!r:.400}, received none: set TIDEMILL_PRIVACY_KEY and "
            "drop the file again, or give the columns another privacy in the spec",
        )
    return key

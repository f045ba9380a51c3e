"""Which side of the split a row falls on: decided by a hash of what the row says, and by nothing else.

The same row is on the same side in every span, dataset version and process, so no evaluation row is ever
trained on. A null adds nothing to the hash and numbers are hashed as 64-bit floats: a span that lacks a
column, or reads it as integers, agrees with one that has it empty, or as fractions.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

Hashes = npt.NDArray[np.uint64]


def in_eval(rows: pa.RecordBatch, without: Collection[str], eval_share: float) -> npt.NDArray[np.bool_]:
    """Say for every row of a span whether it is held out for evaluation.

    Args:
        rows: Rows as the span has them, before their types are widened for a window.
        without: Columns that must not decide: those that are never features.
        eval_share: Expected share of distinct rows held out.
    """
    hashes = np.zeros(rows.num_rows, np.uint64)
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if field.name not in without and not pa.types.is_timestamp(field.type):
            salt = _hash_texts([field.name])[0]
            keyed = _hash_words(hash_values(column) ^ salt)
            hashes += np.where(_present(column), keyed, np.uint64(0))
    held_out: npt.NDArray[np.bool_] = _hash_words(hashes) < np.uint64(eval_share * 2**64)
    return held_out


def row_keys(span: int, row_group: int, rows: int) -> Hashes:
    """Hash where each row of a row group stands, for choosing rows at random but always the same."""
    base = _hash_words(np.array([span, row_group], np.uint64))
    return _hash_words(_hash_words(np.arange(rows, dtype=np.uint64)) ^ base[0] ^ (base[1] << np.uint64(1)))


def hash_values(column: pa.Array) -> Hashes:
    """Hash every value of a column to 64 bits, the same in every process; nulls are meaningless.

    The functions are pandas' (SipHash of texts, a multiplicative mix of numbers), pinned by a test.
    """
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        texts = _hash_texts(column.dictionary.to_numpy(zero_copy_only=False))
        places = pc.fill_null(column.indices, len(texts)).to_numpy(zero_copy_only=False)
        hashes: Hashes = np.append(texts, np.uint64(0))[places]
        return hashes
    if pa.types.is_timestamp(column.type):
        return _hash_words(_values(column.cast(pa.int64())).view(np.uint64))
    # Adding zero turns -0.0 into 0.0, which is the same number.
    numbers = _values(pc.cast(column, pa.float64(), safe=False)).astype(np.float64)
    return _hash_words((numbers + 0.0).view(np.uint64))


def _values(column: pa.Array) -> npt.NDArray[np.generic]:
    values: npt.NDArray[np.generic] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    return values


def _present(column: pa.Array) -> npt.NDArray[np.bool_]:
    is_missing = pc.is_null(column, nan_is_null=True)
    present: npt.NDArray[np.bool_] = pc.invert(is_missing).to_numpy(zero_copy_only=False)
    return present


def _hash_words(words: npt.NDArray[np.uint64]) -> Hashes:
    return np.asarray(hash_array(words), np.uint64)


def _hash_texts(texts: npt.ArrayLike) -> Hashes:
    return np.asarray(hash_array(np.asarray(texts, dtype=object), categorize=False), np.uint64)

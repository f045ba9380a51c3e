"""How many rows fit into the memory that a training may use, and which ones are taken where not all do.

The numbers were measured (bench/trainer/memory.py): resident memory at its peak, through reading, encoding,
and every family's training and examination, side by side where that is done.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.profile import Feature, Profile
from tidemill_contracts.training_spec import Training
from tidemill_trainer.preprocessing.plan import MAX_WORDS

MIB = 1 << 20
# Beyond this, more rows help little, and each family takes long: for them there are budgets.
FAST_ROWS = 1_000_000
# What the libraries take before there is a row, and what examining a model takes.
FIXED_BYTES = 1300 * MIB
# What a number or an id that models read takes in all the copies of it that are held at once.
BYTES_PER_CELL = 32
BYTES_PER_ROW = 100
BYTES_PER_HELD_OUT_CELL = 8
BYTES_PER_HELD_OUT_ROW = 200


def share_to_read(manifest: DatasetManifest, profile: Profile, training: Training) -> float:
    """Return which share of the rows of a dataset version is used, of both sides, from 0 to 1.

    These are as many as fit into the memory; without a search no more than can be learned from in minutes.
    """
    share = _share_that_fits(manifest, profile, training.resources.memory_bytes)
    return share if training.is_searched else min(share, FAST_ROWS / max(manifest.rows_train, 1))


def _share_that_fits(manifest: DatasetManifest, profile: Profile, memory_bytes: int) -> float:
    cells = sum(_cells(feature) for feature in manifest.features) + len(manifest.crosses)
    texts = sum(_text_bytes(feature, profile) for feature in manifest.features)
    train = manifest.rows_train * (BYTES_PER_ROW + cells * BYTES_PER_CELL + texts)
    held_out = manifest.rows_eval * (BYTES_PER_HELD_OUT_ROW + cells * BYTES_PER_HELD_OUT_CELL + texts)
    room = max(memory_bytes - FIXED_BYTES, memory_bytes / 4)
    return min(1.0, room / max(train + held_out, 1))


def sampled(tables: Iterable[pa.Table], share: float) -> Iterator[pa.Table]:
    """Pass on a share of the rows: the same ones each time, wherever they stand."""
    start = 0
    for table in tables:
        yield table if share >= 1 else table.filter(pa.array(are_chosen(start, len(table), share)))
        start += len(table)


def are_chosen(start: int, rows: int, share: float) -> NDArray[np.bool_]:
    """Say which rows belong to a sample, `[rows]`, by their places in the dataset, from `start` on."""
    if share >= 1:
        return np.ones(rows, np.bool_)
    # SplitMix64 of the place.
    place = np.arange(start + 1, start + rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    place = (place ^ (place >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    place = (place ^ (place >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    chosen: NDArray[np.bool_] = (place ^ (place >> np.uint64(31))) < np.uint64(share * 2**64)
    return chosen


def _cells(feature: Feature) -> int:
    """Count what models read of a feature."""
    match feature.kind:
        case "timestamp":
            return len(feature.options.parts)
        case "text":
            return MAX_WORDS
    return 1


def _text_bytes(feature: Feature, profile: Profile) -> float:
    """Return what the texts of a feature take, which only those that are no categories do."""
    described = profile.column(feature.name).categorical
    return described.mean_length_bytes + 4 if feature.kind == "text" and described else 0.0

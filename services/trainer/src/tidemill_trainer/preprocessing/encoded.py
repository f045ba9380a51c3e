"""What models read, of many rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.data import Rows
from tidemill_trainer.preprocessing.plan import MAX_WORDS, MISSING, UNKNOWN, Plan

# Rows that are read at a time: enough to keep the graph busy, too few to need much memory.
BATCH_ROWS = 16_384


class Encoded(NamedTuple):
    """Arrays, or tensors inside the graph.

    numbers: float32 `[rows, columns]`; ids: int32 `[rows, columns]`; words: int32 `[rows, texts, words]`.
    """

    numbers: Any
    ids: Any
    words: Any

    def take(self, indices: NDArray[np.int64]) -> "Encoded":
        """Return the rows at the indices, in their order."""
        return Encoded(*(values[indices] for values in self))


def encode_rows(plan: Plan, rows: Rows) -> Encoded:
    """Read all rows; with the graph, which loads TensorFlow, unless the plan is plain."""
    if plan.is_plain:
        return _plain(plan, rows)
    from tidemill_trainer.preprocessing.graph import Preprocessor  # noqa: PLC0415

    preprocessor, whole, start = Preprocessor(plan), _empty(plan, len(rows)), 0
    for batch in rows.batches(BATCH_ROWS):
        part = preprocessor.encode(batch)
        for target, values in zip(whole, part, strict=True):
            target[start : start + len(values)] = values
        start += len(part.numbers)
    return whole


def _plain(plan: Plan, rows: Rows) -> Encoded:
    """Do what the graph does, where that is next to nothing."""
    whole = _empty(plan, len(rows))
    for index, number in enumerate(plan.numbers):
        whole.numbers[:, index] = rows.table[number.name].to_numpy()
    for index, category in enumerate(plan.categories):
        codes = rows.table[category.columns[0]].combine_chunks()
        ids = {text: id_ for id_, text in enumerate((category.missing, *category.vocabulary), MISSING)}
        known = np.array([ids.get(text, UNKNOWN) for text in codes.dictionary.to_pylist()], np.int32)
        whole.ids[:, index] = known[codes.indices.to_numpy()]
    return whole


def _empty(plan: Plan, rows: int) -> Encoded:
    return Encoded(
        np.empty((rows, len(plan.number_titles)), np.float32),
        np.empty((rows, len(plan.id_titles)), np.int32),
        np.empty((rows, len(plan.texts), MAX_WORDS), np.int32),
    )

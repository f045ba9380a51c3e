"""What trees read of encoded rows, as arrays; `forest.py` has the same in TensorFlow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import FIRST, UNKNOWN, WORD_BUCKETS, Plan

# Words of a text that trees are told of, those that tell most of the label.
TOLD_WORDS = 64
MIN_WORD_ROWS = 5
# Hashes beyond are folded: trees try every id, and YDF takes no more than 50,000. Frequent ids are below.
MAX_IDS = 1024


@dataclass(frozen=True)
class TreeColumns:
    """Columns by name, numbers before ids: a name begins with its position, for titles may be alike.

    `gaps` are the columns of numbers of which trees are told too whether one is missing, `words` the words of
    each text that they are told of. `greatest` is the greatest id of each column that they are told of: trees
    cut rows by sets of categories, and learn those of few rows by heart; beyond what training has seen, they
    would read past their tables.
    """

    number_names: tuple[str, ...]
    id_names: tuple[str, ...]
    gaps: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    greatest: NDArray[np.int32]
    is_hashed: NDArray[np.bool_]

    def arrays(self, encoded: Encoded) -> Mapping[str, NDArray[Any]]:
        """Return the columns of some rows."""
        told = [
            (encoded.words[:, text] == word).any(axis=1)
            for text, words in enumerate(self.words)
            for word in words
        ]
        numbers = [*encoded.numbers.T, *np.isnan(encoded.numbers[:, self.gaps]).T, *told]
        ids = self.bounded(encoded.ids, np.where)
        return {
            **{
                name: np.ascontiguousarray(values, np.float32)
                for name, values in zip(self.number_names, numbers, strict=True)
            },
            **{name: np.ascontiguousarray(values) for name, values in zip(self.id_names, ids.T, strict=True)},
        }

    def bounded(self, ids: Any, where: Callable[..., Any]) -> Any:
        """Return ids that the forest knows, as arrays or tensors; `where` is of the same library."""
        if self.is_hashed.any():
            ids = _folded(ids, self.is_hashed, where)
        return where(ids <= self.greatest, ids, UNKNOWN)


def choose_columns(plan: Plan, encoded: Encoded, targets: NDArray[np.float64]) -> TreeColumns:
    """Decide what trees read, from training rows and what to tell of them, `[rows, targets]`."""
    gaps = tuple(
        index for index, number in enumerate(plan.numbers) if number.gaps and number.options.missing_indicator
    )
    words = tuple(_telling_words(texts, targets) for texts in encoded.words.swapaxes(0, 1))
    number_titles = [
        *plan.number_titles,
        *(f"{plan.numbers[index].name} is missing" for index in gaps),
        *(f"{text} has word {word}" for text, known in zip(plan.texts, words, strict=True) for word in known),
    ]
    first_id = len(number_titles)
    is_hashed = np.arange(len(plan.id_titles)) >= len(plan.categories)
    seen = _folded(encoded.ids, is_hashed, np.where).max(axis=0, initial=UNKNOWN)
    return TreeColumns(
        number_names=tuple(f"{index} {title}" for index, title in enumerate(number_titles)),
        id_names=tuple(f"{index} {title}" for index, title in enumerate(plan.id_titles, first_id)),
        gaps=gaps,
        words=words,
        greatest=np.minimum(seen, np.array(plan.frequent_sizes, np.int32) - 1),
        is_hashed=is_hashed,
    )


def _folded(ids: Any, is_hashed: NDArray[np.bool_], where: Callable[..., Any]) -> Any:
    return where(is_hashed & (ids >= MAX_IDS), FIRST + ids % (MAX_IDS - FIRST), ids)


def _telling_words(words: NDArray[np.int32], targets: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the words whose rows differ most from all rows in the mean of a target, by its z-score."""
    each_word = words.ravel()
    rows = np.bincount(each_word, minlength=WORD_BUCKETS + 1)
    scores = np.zeros(len(rows))
    for target in (targets - targets.mean(axis=0)).T:
        sums = np.bincount(each_word, np.repeat(target, words.shape[1]), minlength=WORD_BUCKETS + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.fmax(scores, np.abs(sums) / (target.std() * np.sqrt(rows)))
    scores[rows < MIN_WORD_ROWS] = 0
    scores[0] = 0
    best = np.argsort(-scores, kind="stable")[:TOLD_WORDS]
    return tuple(sorted(best[scores[best] > 0].tolist()))

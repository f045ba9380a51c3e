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
    each text that they are told of. `seen` is the greatest id of each column in training, beyond which a
    forest would read past its tables; None where no greater one can come.
    """

    number_names: tuple[str, ...]
    id_names: tuple[str, ...]
    gaps: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    seen: NDArray[np.int32] | None

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
        if self.seen is None:
            return ids
        folded = _folded(ids, where)
        return where(folded <= self.seen, folded, UNKNOWN)


def choose_columns(plan: Plan, encoded: Encoded, labels: NDArray[np.bool_]) -> TreeColumns:
    """Decide what trees read, from training rows."""
    gaps = tuple(
        index for index, number in enumerate(plan.numbers) if number.gaps and number.options.missing_indicator
    )
    words = tuple(_telling_words(texts, labels) for texts in encoded.words.swapaxes(0, 1))
    number_titles = [
        *plan.number_titles,
        *(f"{plan.numbers[index].name} is missing" for index in gaps),
        *(f"{text} has word {word}" for text, known in zip(plan.texts, words, strict=True) for word in known),
    ]
    first_id = len(number_titles)
    are_all_seen = not plan.hashed and all(category.vocabulary for category in plan.categories)
    return TreeColumns(
        number_names=tuple(f"{index} {title}" for index, title in enumerate(number_titles)),
        id_names=tuple(f"{index} {title}" for index, title in enumerate(plan.id_titles, first_id)),
        gaps=gaps,
        words=words,
        seen=None if are_all_seen else _folded(encoded.ids, np.where).max(axis=0),
    )


def _folded(ids: Any, where: Callable[..., Any]) -> Any:
    return where(ids < MAX_IDS, ids, FIRST + ids % (MAX_IDS - FIRST))


def _telling_words(words: NDArray[np.int32], labels: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the words whose rows differ most from all rows in their share of true labels, by its z-score."""
    rows = np.bincount(words.ravel(), minlength=WORD_BUCKETS + 1)
    true = np.bincount(words[labels].ravel(), minlength=WORD_BUCKETS + 1)
    rate = labels.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.abs(true - rate * rows) / np.sqrt(rate * (1 - rate) * rows)
    scores[rows < MIN_WORD_ROWS] = 0
    scores[0] = 0
    best = np.argsort(-scores, kind="stable")[:TOLD_WORDS]
    return tuple(sorted(best[scores[best] > 0].tolist()))

"""What is known of the label so far: how many rows have each class, or how its numbers are spread."""

from collections.abc import Mapping
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.profile import LabelProfile, Task
from tidemill_transform.column_sketch import Detail, as_numbers, numeric_profile
from tidemill_transform.sketches import Moments

# A label with more classes than this is none that can be learned: its classes are not told.
MAX_CLASSES = 1000


class LabelSketch:
    """Counts of a label's values; none of them is null."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._moments = Moments()
        self._classes: dict[str, int] | None = {}

    def update(self, labels: pa.Array) -> None:
        """Add one batch of labels, of the task's type."""
        if self.task == "regression":
            self._moments.update(as_numbers(labels))
            return
        found, times = labels.value_counts().flatten()
        names = pc.cast(found, pa.string()).to_pylist()
        self._add(dict(zip(names, times.to_pylist(), strict=True)))

    def merge(self, other: Self) -> None:
        """Add the labels another has seen."""
        self._moments.merge(other._moments)
        self._add(other._classes)

    def profile(self, sampled: pa.Array, detail: Detail) -> LabelProfile:
        """Summarise the label, given its values in the sampled rows."""
        if self.task == "regression":
            numeric = numeric_profile(self._moments, as_numbers(sampled), detail)
            return LabelProfile(task=self.task, numeric=numeric)
        return label_of_classes(self.task, self._classes or {})

    def _add(self, classes: dict[str, int] | None) -> None:
        if classes is None:
            self._classes = None
        if self._classes is None or classes is None:
            return
        for name, rows in classes.items():
            self._classes[name] = self._classes.get(name, 0) + rows
        if len(self._classes) > MAX_CLASSES:
            self._classes = None


def label_of_classes(task: Task, classes: Mapping[str, int]) -> LabelProfile:
    """Return the profile of a label with so many rows of each class; a binary one always has both."""
    both = {"false": 0, "true": 0} if task == "binary" else {}
    return LabelProfile(task=task, classes=tuple(sorted((both | dict(classes)).items())))

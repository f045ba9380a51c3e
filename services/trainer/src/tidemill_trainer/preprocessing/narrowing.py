"""A plan without some of its features, and rows that are encoded already, without them too."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True)
class Narrowed:
    """What is left of a plan, and which columns of encoded rows."""

    plan: Plan
    numbers: NDArray[np.int64]
    ids: NDArray[np.int64]
    words: NDArray[np.int64]

    def narrow(self, encoded: Encoded) -> Encoded:
        """Return rows that the whole plan encoded as this plan would have."""
        return Encoded(
            encoded.numbers[:, self.numbers], encoded.ids[:, self.ids], encoded.words[:, self.words]
        )


def without(plan: Plan, left_out: Collection[str]) -> Narrowed:
    """Leave features out, and crosses of them."""
    numbers = [number.name not in left_out for number in plan.numbers]
    moments = [moment.name not in left_out for moment in plan.moments]
    categories = [not set(left_out).intersection(category.columns) for category in plan.categories]
    hashed = [one.name not in left_out for one in plan.hashed]
    texts = [text not in left_out for text in plan.texts]
    parts = np.repeat(moments, [len(moment.parts) for moment in plan.moments]).astype(np.bool_)
    return Narrowed(
        plan=replace(
            plan,
            features=tuple(feature for feature in plan.features if feature.name not in left_out),
            numbers=_of(plan.numbers, numbers),
            moments=_of(plan.moments, moments),
            categories=_of(plan.categories, categories),
            hashed=_of(plan.hashed, hashed),
            texts=_of(plan.texts, texts),
        ),
        numbers=np.flatnonzero([*numbers, *parts]),
        ids=np.flatnonzero([*categories, *hashed]),
        words=np.flatnonzero(texts),
    )


def _of(values: tuple[T, ...], are_kept: list[bool]) -> tuple[T, ...]:
    return tuple(value for value, is_kept in zip(values, are_kept, strict=True) if is_kept)

"""Rules of every family: what the label depends on is learned, in whatever kind of column it is."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from learned_data import data_of, examples_of, label_column, split
from numpy.typing import NDArray

from tidemill_contracts.profile import Feature, FeatureKind
from tidemill_contracts.training_spec import Family
from tidemill_trainer.families import Trained, Watch, load_learner

ROWS = 500
CHOICES = np.random.default_rng(0).integers(0, 4, ROWS)
COLUMNS: dict[str, tuple[FeatureKind, Any]] = {
    "numbers": ("numeric", [1.0, 5.0, 2.0, 9.0]),
    "gaps": ("numeric", [1.0, None, 2.0, None]),
    "categories": ("categorical", ["UA", "AA", "DL", "B6"]),
    "words": ("text", ["on time", "very late", "on the way", "late, again"]),
    "moments": (
        "timestamp",
        ["2013-01-01T06:00", "2013-01-01T18:00", "2013-06-01T06:00", "2012-01-01T18:30"],
    ),
}


def trained(family: Family, name: str, kind: FeatureKind, values: Any, labels: NDArray[np.bool_]) -> Trained:
    """Train a family on one column."""
    data = data_of(pa.table({name: values, **label_column(labels)}), [Feature(name=name, kind=kind)])
    learner, (learn, check) = load_learner(family), split(examples_of(data))
    return learner.fit(learn, check, learner.defaults(learn), 1, Watch(math.inf))


def served(kind: FeatureKind, values: Any) -> NDArray[Any]:
    numbers = [np.nan if value is None else value for value in values]
    return np.array(numbers, np.float32) if kind == "numeric" else np.array(values, object)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *(("boosted-trees", kind) for kind in COLUMNS),
        *(("linear", kind) for kind in COLUMNS),
        ("random-forest", "gaps"),
        ("deep", "gaps"),
        ("deep", "words"),
    ],
)
def test_a_column_alone_is_learned_from(family: Family, kind: str) -> None:
    feature_kind, values = COLUMNS[kind]
    labels = CHOICES % 2 == 1

    model = trained(family, kind, feature_kind, [values[choice] for choice in CHOICES], labels)

    predicted = model.predict({kind: served(feature_kind, [values[choice] for choice in CHOICES])})
    assert predicted[labels].min() > 0.7
    assert predicted[~labels].max() < 0.3


@pytest.mark.parametrize("family", ["boosted-trees", "random-forest"])
def test_trees_know_frequent_categories_alone(family: Family) -> None:
    texts = np.array([*["few"] * 40, *["many"] * 5000, *["some"] * 4960])
    labels = (texts == "some") | (texts == "few")

    model = trained(family, "x", "categorical", texts, labels)

    many, some, few, never = model.predict({"x": served("categorical", ["many", "some", "few", "never"])})
    assert some - many > 0.5
    assert few == never

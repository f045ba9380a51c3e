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


def test_a_linear_model_does_not_learn_a_few_rows_by_heart() -> None:
    generator = np.random.default_rng(3)
    noise = {f"x{place}": generator.normal(size=300).astype(np.float32) for place in range(15)}
    labels = generator.random(300) < 0.5
    features = [Feature(name=name, kind="numeric") for name in noise]
    learner = load_learner("linear")
    learn, check = split(examples_of(data_of(pa.table({**noise, **label_column(labels)}), features)))

    model = learner.fit(learn, check, learner.defaults(learn), 1, Watch(math.inf))

    told = model.answer(check)
    surprise = -np.log(np.where(check.labels, told, 1 - told)).mean()
    assert surprise < 1.0

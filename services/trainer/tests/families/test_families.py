"""Rules of every family: what the label depends on is learned, in whatever kind of column it is."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from trainer_world import profile_of

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature, FeatureKind
from tidemill_contracts.training_spec import Family
from tidemill_trainer.data import TrainingData, to_rows
from tidemill_trainer.families import Examples, Trained, load_family
from tidemill_trainer.families.boosted_trees import BoostedTrees
from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.preprocessing.plan import make_plan

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
    feature = Feature(name=name, kind=kind)
    table = pa.table({name: values, LABEL_COLUMN: labels})
    rows = to_rows([table], [feature])
    data = TrainingData(
        pipeline="p",
        features=(feature,),
        crosses=(),
        profile=profile_of(table, [feature]),
        train=rows,
        held_out=rows,
        seed=1,
    )
    plan = make_plan(data)
    return load_family(family)(Examples(plan, encode_rows(plan, rows), labels, seed=1))


def served(kind: FeatureKind, values: Any) -> NDArray[Any]:
    numbers = [np.nan if value is None else value for value in values]
    return np.array(numbers, np.float32) if kind == "numeric" else np.array(values, object)


@pytest.mark.parametrize(
    ("family", "kind"),
    [*(("boosted-trees", kind) for kind in COLUMNS), ("deep", "categories"), ("deep", "words")],
)
def test_a_column_alone_is_learned_from(family: Family, kind: str) -> None:
    feature_kind, values = COLUMNS[kind]
    labels = CHOICES % 2 == 1

    model = trained(family, kind, feature_kind, [values[choice] for choice in CHOICES], labels)

    predicted = model.predict({kind: served(feature_kind, [values[choice] for choice in CHOICES])})
    assert predicted[labels].min() > 0.7
    assert predicted[~labels].max() < 0.3


def test_trees_know_frequent_categories_alone() -> None:
    texts = np.array([*["few"] * 40, *["many"] * 5000, *["some"] * 4960])
    labels = (texts == "some") | (texts == "few")

    model = trained("boosted-trees", "x", "categorical", texts, labels)

    assert isinstance(model, BoostedTrees)
    assert model.plan.categories[0].vocabulary == ("many", "some")
    many, some, few, never = model.predict({"x": served("categorical", ["many", "some", "few", "never"])})
    assert some - many > 0.5
    assert few == never

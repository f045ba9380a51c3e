"""Rules of every family: what the label depends on is learned, in whatever kind of column it is."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from trainer_world import profile_of

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import Family
from tidemill_contracts.profile import Feature, FeatureKind
from tidemill_trainer.data import TrainingData, to_rows
from tidemill_trainer.families import Examples, load_family
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


@pytest.mark.parametrize(
    ("family", "kind"),
    [*(("boosted-trees", kind) for kind in COLUMNS), ("deep", "categories"), ("deep", "words")],
)
def test_a_column_alone_is_learned_from(family: Family, kind: str) -> None:
    feature_kind, values = COLUMNS[kind]
    feature = Feature(name=kind, kind=feature_kind)
    labels = CHOICES % 2 == 1
    table = pa.table({kind: [values[choice] for choice in CHOICES], LABEL_COLUMN: labels})
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

    model = load_family(family)(Examples(plan, encode_rows(plan, rows), labels, seed=1))

    predicted = model.predict(rows.columns())
    assert predicted[labels].min() > 0.7
    assert predicted[~labels].max() < 0.3

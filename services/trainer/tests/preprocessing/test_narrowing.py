"""Rules of leaving features out: rows that are encoded already read as if they had never been there."""

from dataclasses import replace

import numpy as np
import pytest
from every_kind import CROSSES, FEATURES, every_kind

from tidemill_trainer.preprocessing.encoded import encode_rows
from tidemill_trainer.preprocessing.narrowing import without
from tidemill_trainer.preprocessing.plan import make_plan


@pytest.mark.parametrize(
    "left_out",
    [
        {"distance", "1:raw"},
        {"carrier", "tail/number"},
        {"when", "note"},
        {feature.name for feature in FEATURES} - {"größe"},
    ],
    ids=["numbers", "a crossed and a hashed category", "a time and a text", "all but one"],
)
def test_a_narrowed_plan_is_the_plan_of_the_other_features(left_out: set[str]) -> None:
    data = every_kind(200)
    fewer = replace(
        data,
        features=tuple(feature for feature in FEATURES if feature.name not in left_out),
        crosses=tuple(cross for cross in CROSSES if not left_out.intersection(cross)),
    )
    plan = make_plan(data)

    narrowed = without(plan, left_out)

    assert narrowed.plan == make_plan(fewer)
    expected = encode_rows(narrowed.plan, data.train)
    for values, others in zip(narrowed.narrow(encode_rows(plan, data.train)), expected, strict=True):
        np.testing.assert_array_equal(values, others)

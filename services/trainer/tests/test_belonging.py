"""Rules of what rows are divided by."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from tidemill_contracts.pipeline import Split
from tidemill_trainer.belonging import Belonging, belonging_of, columns_of, noting


def belonging(split: Split, *tables: pa.Table) -> Belonging:
    noted: list[pa.Table] = []
    assert list(noting(tables, columns_of(split), noted)) == list(tables)
    return belonging_of(noted, split)


def test_rows_of_a_group_have_one_number_across_files() -> None:
    split = Split(group_by=("plane", "day"))
    first = pa.table({"plane": ["a", "b", None], "day": [1, 1, None], "x": [0, 0, 0]})
    second = pa.table({"plane": ["b", "a", None, None], "day": [1, 2, 1, None], "x": [0, 0, 0, 0]})

    groups = belonging(split, first, second).groups

    assert groups is not None
    assert groups[1] == groups[3]
    # Rows that name no group are one each.
    assert len(set(groups.tolist())) == 6


def test_points_in_time_and_numbers_rise_and_gaps_are_told() -> None:
    split = Split(time="at")
    times = [datetime(2026, 1, day, tzinfo=UTC) for day in (2, 1)]

    moments = belonging(split, pa.table({"at": [*times, None]})).times
    numbers = belonging(split, pa.table({"at": [3, 1, None]})).times

    for found in (moments, numbers):
        assert found is not None
        assert found[0] > found[1]
        assert np.isnan(found[2])


def test_without_a_rule_nothing_belongs_together() -> None:
    assert belonging(Split(), pa.table({"x": [1]})) == Belonging()

"""Rules of the profile: it does not depend on the sharding, and says what counting would."""

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import ColumnProfile, Profile
from tidemill_transform.columns import schema_of
from tidemill_transform.profiling import TableSketch
from tidemill_transform.sketches import SMALLEST_HASHES, Distinct
from tidemill_transform.split import row_keys

COLUMNS = (
    Column(name="delay", type="float"),
    Column(name="hour", type="int"),
    Column(name="late", type="bool"),
    Column(name="carrier", type="string"),
    Column(name="at", type="timestamp"),
)
SCHEMA = schema_of((*COLUMNS, Column(name=LABEL_COLUMN, type="bool")))
ROW = st.fixed_dictionaries(
    {
        "delay": st.none() | st.floats(-1e9, 1e9) | st.sampled_from([np.inf, -np.inf]),
        "hour": st.none() | st.integers(0, 23),
        "late": st.none() | st.booleans(),
        "carrier": st.none() | st.text(max_size=4),
        "at": st.none() | st.integers(0, 2**40),
        LABEL_COLUMN: st.booleans(),
    }
)


def sketch_of(rows: pa.RecordBatch, first: int = 0) -> TableSketch:
    """Sketch rows that stand from place `first` on in their span."""
    sketch = TableSketch(COLUMNS)
    sketch.update(row_keys(1, 0, first + rows.num_rows)[first:], rows)
    return sketch


def sharded(rows: pa.RecordBatch, cuts: list[int], order: list[int]) -> Profile:
    """Profile every shard by itself, send it as a runner would, and merge in the given order."""
    edges = [0, *sorted(cuts), rows.num_rows]
    shards = [sketch_of(rows.slice(start, end - start), start) for start, end in pairwise(edges)]
    sketches = [pickle.loads(pickle.dumps(shards[place])) for place in order]  # noqa: S301 - our own
    merged = TableSketch(COLUMNS)
    for sketch in sketches:
        merged.merge(sketch)
    return merged.profile()


def exact_parts(column: ColumnProfile) -> dict[str, Any]:
    facts = column.model_dump(exclude={"numeric"})
    if column.numeric is None:
        return facts
    return {**facts, "minimum": column.numeric.minimum, "maximum": column.numeric.maximum}


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=60), st.data())
def test_any_sharding_gives_the_profile_of_a_single_pass(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=5))
    order = data.draw(st.permutations(range(len(cuts) + 1)))

    single, merged = sketch_of(batch).profile(), sharded(batch, cuts, order)

    assert (merged.rows, merged.positives) == (single.rows, single.positives)
    for one, other in zip(single.columns, merged.columns, strict=True):
        assert exact_parts(other) == exact_parts(one)
        if one.numeric is not None and other.numeric is not None:
            assert other.numeric.mean == pytest.approx(one.numeric.mean, rel=1e-9, abs=1e-3)
            assert other.numeric.stddev == pytest.approx(one.numeric.stddev, rel=1e-6, abs=1e-3)
            assert other.numeric.quantiles == one.numeric.quantiles


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=60))
def test_a_profile_is_what_numpy_and_counting_find(rows: list[dict[str, Any]]) -> None:
    profile = sketch_of(pa.RecordBatch.from_pylist(rows, SCHEMA)).profile()

    delays = np.array(
        [row["delay"] for row in rows if row["delay"] is not None and np.isfinite(row["delay"])]
    )
    carriers = [row["carrier"] for row in rows if row["carrier"] is not None]
    numeric, carrier = profile.column("delay").numeric, profile.column("carrier")
    assert profile.positives == sum(row[LABEL_COLUMN] for row in rows)
    assert profile.column("at").nulls == sum(row["at"] is None for row in rows)
    assert carrier.distinct_estimate == len(set(carriers))
    assert carrier.categorical is not None
    assert dict(carrier.categorical.vocabulary) == {text: carriers.count(text) for text in carriers}
    assert carrier.categorical.max_length_bytes == max((len(text.encode()) for text in carriers), default=0)
    assert (numeric is None) == (len(delays) == 0)
    if numeric is not None:
        assert (numeric.minimum, numeric.maximum) == (delays.min(), delays.max())
        assert numeric.mean == pytest.approx(delays.mean(), rel=1e-9, abs=1e-3)
        assert numeric.stddev == pytest.approx(delays.std(), rel=1e-6, abs=1e-3)


def test_quantiles_of_many_values_are_within_the_error_of_the_sketch() -> None:
    delays = np.random.default_rng(7).exponential(size=100_000)
    rows = pa.RecordBatch.from_pydict(
        {field.name: pa.nulls(len(delays), field.type) for field in SCHEMA}, SCHEMA
    )
    rows = rows.set_column(0, "delay", pa.array(delays))

    numeric = sharded(rows, [10_000, 10_001, 70_000], [2, 0, 3, 1]).column("delay").numeric

    again = sharded(rows, [50_000], [1, 0]).column("delay").numeric

    assert numeric is not None
    assert again is not None
    assert again.quantiles == numeric.quantiles
    ranks = np.searchsorted(np.sort(delays), numeric.quantiles) / len(delays)
    assert np.abs(ranks - np.linspace(0, 1, 101)).max() < 0.01
    assert (numeric.quantiles[0], numeric.quantiles[-1]) == (delays.min(), delays.max())


def test_many_distinct_values_are_counted_to_a_few_percent_and_the_same_in_any_order() -> None:
    values = pa.array(np.arange(50_000))
    one, other = Distinct(), Distinct()
    for start in range(0, 50_000, 9_000):
        one.update(values.slice(start, 9_000))
        other.update(values.slice(50_000 - start - 9_000 if start < 45_000 else 0, 9_000))
    other.update(values)

    assert len(one.hashes) == SMALLEST_HASHES
    assert one.estimate() == pytest.approx(50_000, rel=0.06)
    assert one.estimate() == other.estimate()


def test_a_vocabulary_is_ordered_by_frequency_then_text() -> None:
    carriers = ["b", "a", "c", "c", None]
    rows = pa.RecordBatch.from_pydict({field.name: pa.nulls(5, field.type) for field in SCHEMA}, SCHEMA)
    rows = rows.set_column(3, "carrier", pa.array(carriers))

    carrier = sketch_of(rows).profile().column("carrier")

    assert carrier.categorical is not None
    assert carrier.categorical.vocabulary == (("c", 2), ("a", 1), ("b", 1))

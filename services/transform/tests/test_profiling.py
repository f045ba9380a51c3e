"""Rules of the profile: it does not depend on the sharding, and says what counting would."""

import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.profile import ColumnProfile, LabelProfile, NumericProfile, Profile, Task
from tidemill_transform.columns import schema_of
from tidemill_transform.profiling import COUNTED_TEXTS, TableSketch
from tidemill_transform.row_sample import SAMPLE_ROWS
from tidemill_transform.sketches import MAX_COUNTED_BYTES
from tidemill_transform.slices import MAX_COUNTED_PARTS
from tidemill_transform.split import row_keys
from tidemill_transform.task import LABEL_TYPES

COLUMNS = (
    Column(name="delay", type="float"),
    Column(name="hour", type="int"),
    Column(name="late", type="bool"),
    Column(name="carrier", type="string"),
    Column(name="at", type="timestamp"),
)
SLICES = (("carrier",), ("late", "hour"))
LABELS: dict[Task, st.SearchStrategy[Any]] = {
    "binary": st.booleans(),
    "multiclass": st.sampled_from(["b", "a", "é", ""]),
    "regression": st.floats(-1e6, 1e6),
}
ROW = {
    "delay": st.none() | st.floats(-1e150, 1e150) | st.sampled_from([np.inf, -np.inf]),
    "hour": st.none() | st.integers(0, 23) | st.integers(-(2**63), 2**63 - 1),
    "late": st.none() | st.booleans(),
    "carrier": st.none() | st.text(max_size=4) | st.just("long " * MAX_COUNTED_BYTES),
    "at": st.none() | st.integers(0, 2**40),
}


def schema(task: Task = "binary") -> pa.Schema:
    return schema_of(COLUMNS).append(pa.field(LABEL_COLUMN, LABEL_TYPES[task]))


def rows_of(**values: Iterable[Any]) -> pa.RecordBatch:
    """Rows with these values; all others are null, and the labels false."""
    arrays = {name: pa.array(array) for name, array in values.items()}
    rows = max(map(len, arrays.values()))
    arrays.setdefault(LABEL_COLUMN, pa.repeat(False, rows))
    nulls = {field.name: pa.nulls(rows, field.type) for field in schema()}
    return pa.RecordBatch.from_pydict({**nulls, **arrays}, schema())


def sketch_of(rows: pa.RecordBatch, first: int = 0, task: Task = "binary") -> TableSketch:
    """Sketch rows that stand from place `first` on in their span."""
    sketch = TableSketch(COLUMNS, task, SLICES)
    sketch.update(row_keys(1, 0, first + rows.num_rows)[first:], rows)
    return sketch


def sharded(
    rows: pa.RecordBatch, cuts: list[int], order: Sequence[int], task: Task = "binary"
) -> TableSketch:
    """Profile every shard by itself, send it as a runner would, and merge in the given order."""
    edges = [0, *sorted(cuts), rows.num_rows]
    shards = [sketch_of(rows.slice(start, end - start), start, task=task) for start, end in pairwise(edges)]
    merged = TableSketch(COLUMNS, task, SLICES)
    for place in order:
        merged.merge(pickle.loads(pickle.dumps(shards[place])))  # noqa: S301 - our own
    return merged


def profile_of(**values: Iterable[Any]) -> Profile:
    return sketch_of(rows_of(**values)).profile()


def without_means(facts: object) -> object:
    """All of a profile but what is summed in floating point."""
    if isinstance(facts, dict):
        return {key: without_means(value) for key, value in facts.items() if key not in ("mean", "stddev")}
    if isinstance(facts, (list, tuple)):
        return [without_means(value) for value in facts]
    return facts


def numeric_profiles(profile: Profile) -> list[NumericProfile]:
    labels = [profile.label.numeric, *(part.label.numeric for part in profile.slices)]
    return [each for each in [*labels, *(column.numeric for column in profile.columns)] if each is not None]


@pytest.mark.parametrize("task", LABELS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_sharding_gives_the_profile_of_a_single_pass(task: Task, data: st.DataObject) -> None:
    row = st.fixed_dictionaries({**ROW, LABEL_COLUMN: LABELS[task]})
    rows = data.draw(st.lists(row, min_size=1, max_size=60))
    batch = pa.RecordBatch.from_pylist(rows, schema(task))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=5))
    order = data.draw(st.permutations(range(len(cuts) + 1)))

    single, merged = sketch_of(batch, task=task).profile(), sharded(batch, cuts, order, task).profile()

    assert without_means(merged.model_dump()) == without_means(single.model_dump())
    for one, other in zip(numeric_profiles(single), numeric_profiles(merged), strict=True):
        digits = 1e-9 * max(abs(one.minimum), abs(one.maximum), 1e-120)
        assert other.mean == pytest.approx(one.mean, rel=1e-9, abs=digits)
        assert other.stddev == pytest.approx(one.stddev, rel=1e-6, abs=1e3 * digits)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {**ROW, "delay": st.none() | st.floats(-1e9, 1e9) | st.just(np.inf), LABEL_COLUMN: st.booleans()}
        ),
        min_size=1,
        max_size=60,
    )
)
def test_a_profile_is_what_numpy_and_counting_find(rows: list[dict[str, Any]]) -> None:
    profile = sketch_of(pa.RecordBatch.from_pylist(rows, schema())).profile()

    given_delays = [row["delay"] for row in rows if row["delay"] is not None]
    delays = np.array([delay for delay in given_delays if np.isfinite(delay)])
    hours = [row["hour"] for row in rows if row["hour"] is not None]
    numeric, hour = profile.column("delay").numeric, profile.column("hour")
    assert profile.label.base_rate == pytest.approx(np.mean([row[LABEL_COLUMN] for row in rows]))
    assert profile.column("at").nulls == sum(row["at"] is None for row in rows)
    assert hour.distinct_estimate == len(set(hours))
    assert hour.repeated_share * len(set(hours)) == pytest.approx(
        sum(times > 1 for times in Counter(hours).values())
    )
    assert (numeric is None) == (len(delays) == 0)
    if numeric is not None:
        assert (numeric.minimum, numeric.maximum) == (delays.min(), delays.max())
        assert numeric.mean == pytest.approx(delays.mean(), rel=1e-9, abs=1e-3)
        assert numeric.stddev == pytest.approx(delays.std(), rel=1e-6, abs=1e-3)
        assert numeric.zeros == np.count_nonzero(delays == 0)
        assert numeric.infinities == len(given_delays) - len(delays)
        assert sum(numeric.histogram) == pytest.approx(1)
        assert len(numeric.quantiles) == 101
        for rank, quantile in enumerate(numeric.quantiles):
            assert np.count_nonzero(delays < quantile) * 100 <= rank * len(delays)
            assert np.count_nonzero(delays <= quantile) * 100 >= rank * len(delays)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=4), min_size=1, max_size=60))
def test_texts_are_counted_and_measured(carriers: list[str | None]) -> None:
    carrier = profile_of(carrier=carriers).column("carrier")

    texts = [text for text in carriers if text is not None]
    assert (carrier.categorical is None) == (not texts)
    if carrier.categorical is not None:
        lengths = [len(text.encode()) for text in texts]
        assert dict(carrier.categorical.vocabulary) == Counter(texts)
        assert carrier.categorical.min_length_bytes == min(lengths)
        assert carrier.categorical.max_length_bytes == max(lengths)
        assert carrier.categorical.mean_length_bytes == pytest.approx(np.mean(lengths))


def test_a_vocabulary_is_ordered_by_frequency_then_text() -> None:
    carrier = profile_of(carrier=["b", "a", "c", "c", None]).column("carrier")

    assert carrier.categorical is not None
    assert carrier.categorical.vocabulary == (("c", 2), ("a", 1), ("b", 1))


def test_words_are_what_spaces_part() -> None:
    carrier = profile_of(carrier=["one", "two words", "and three more"]).column("carrier")

    assert carrier.categorical is not None
    assert carrier.categorical.mean_words == 2


def test_a_long_text_is_measured_but_not_told() -> None:
    long = "x" * (MAX_COUNTED_BYTES + 1)
    carrier = profile_of(carrier=["a", long]).column("carrier")

    assert carrier.categorical is not None
    assert carrier.categorical.vocabulary == (("a", 1),)
    assert carrier.categorical.max_length_bytes == len(long)


def test_a_point_in_time_is_profiled_as_seconds_since_1970() -> None:
    at = pa.array([0, 90_000_000, None], pa.timestamp("us", "UTC"))

    numeric = profile_of(at=at).column("at").numeric

    assert numeric is not None
    assert (numeric.minimum, numeric.maximum, numeric.mean) == (0, 90, 45)


def test_a_histogram_has_bins_of_equal_width_between_the_extremes() -> None:
    numeric = profile_of(delay=[0.0] * 6 + [31.9, 32.0]).column("delay").numeric

    assert numeric is not None
    assert numeric.histogram == (0.75, *[0.0] * 30, 0.25)


def test_whole_numbers_of_a_small_range_have_a_bin_each() -> None:
    hour = profile_of(hour=[5, 6, 6, 9]).column("hour").numeric

    assert hour is not None
    assert hour.histogram == (0.25, 0.5, 0, 0, 0.25)


def test_equal_numbers_have_no_spread_and_their_own_mean() -> None:
    numeric = profile_of(delay=[0.1] * 10_000).column("delay").numeric

    assert numeric is not None
    assert (numeric.mean, numeric.stddev, numeric.histogram) == (0.1, 0.0, (1.0,))


def test_the_largest_numbers_there_are_have_a_mean_and_a_spread() -> None:
    numeric = profile_of(delay=[-1.7e308, 1.7e308] * 50).column("delay").numeric

    assert numeric is not None
    assert numeric.mean == pytest.approx(0, abs=1e295)
    assert numeric.stddev == pytest.approx(1.7e308)


def test_large_whole_numbers_that_differ_are_told_apart() -> None:
    hour = profile_of(hour=np.arange(100) + 2**60).column("hour")

    assert (hour.distinct_estimate, hour.repeated_share) == (100, 0)


@pytest.mark.parametrize("distinct", [6_000, 50_000, 400_000])
def test_distinct_values_are_counted_to_a_few_percent(distinct: int) -> None:
    """Three standard errors are 4.7 %."""
    hour = profile_of(hour=np.random.default_rng(7).permutation(distinct)).column("hour")

    assert hour.distinct_estimate == pytest.approx(distinct, rel=0.047)
    assert hour.repeated_share == 0


def test_many_distinct_values_are_counted_the_same_in_any_order() -> None:
    rows = rows_of(hour=np.arange(50_000) // 2, carrier=[f"N{i}" for i in range(50_000)])

    one, other = sharded(rows, [10_000, 40_000], [0, 1, 2]), sharded(rows, [7_001], [1, 0])

    assert one.profile() == other.profile()
    assert one.profile().column("hour").repeated_share == pytest.approx(1, abs=0.001)


def test_quantiles_of_many_values_are_within_one_percent_of_rank() -> None:
    delays = np.random.default_rng(7).exponential(size=100_000)
    rows = rows_of(delay=delays)

    numeric = sharded(rows, [10_000, 10_001, 70_000], [2, 0, 3, 1]).profile().column("delay").numeric
    again = sharded(rows, [50_000], [1, 0]).profile().column("delay").numeric

    assert numeric is not None
    assert again is not None
    assert (again.quantiles, again.histogram) == (numeric.quantiles, numeric.histogram)
    ranks = np.searchsorted(np.sort(delays), numeric.quantiles) / len(delays)
    assert np.abs(ranks - np.linspace(0, 1, 101)).max() < 0.01
    assert (numeric.quantiles[0], numeric.quantiles[-1]) == (delays.min(), delays.max())


def test_frequent_texts_among_very_many_are_estimated_the_same_in_any_order() -> None:
    random = np.random.default_rng(7)
    rare = np.char.add("rare ", random.permutation(COUNTED_TEXTS + 20_000).astype(str))
    carriers = random.permutation(np.concatenate([rare, np.repeat(["UA", "AA"], [40_000, 20_000])]))
    rows = rows_of(carrier=carriers.tolist())

    one = sharded(rows, [30_000], [1, 0]).profile()
    other = sharded(rows, [10, 60_000, 60_001], [3, 0, 2, 1]).profile()

    assert without_means(one.model_dump()) == without_means(other.model_dump())
    carrier = one.column("carrier").categorical
    assert carrier is not None
    (first, times_of_first), (second, times_of_second) = carrier.vocabulary
    assert (first, second) == ("UA", "AA")
    assert times_of_first == pytest.approx(40_000, rel=0.05)
    assert times_of_second == pytest.approx(20_000, rel=0.05)


def test_a_slice_counts_its_rows_and_profiles_its_columns() -> None:
    profile = profile_of(
        carrier=["UA", "AA", "UA", None],
        delay=[1.0, 5.0, None, 2.0],
        **{LABEL_COLUMN: [True, False, False, True]},
    )

    by_carrier = [part for part in profile.slices if part.columns == ("carrier",)]
    assert [(part.values, part.rows) for part in by_carrier] == [(("UA",), 2), ((None,), 1), (("AA",), 1)]
    assert by_carrier[0].label == LabelProfile(task="binary", classes=(("false", 1), ("true", 1)))
    delay = column_of(by_carrier[0].profiles, "delay")
    assert (delay.rows, delay.nulls) == (2, 1)
    assert delay.numeric is not None
    assert delay.numeric.maximum == 1.0


def test_the_rows_of_a_slice_are_counted_where_the_sample_has_but_some() -> None:
    profile = profile_of(late=np.arange(2 * SAMPLE_ROWS) % 4 == 0)

    rows = {part.values[0]: part.rows for part in profile.slices if part.columns == ("late", "hour")}
    assert rows == {"false": 1.5 * SAMPLE_ROWS, "true": 0.5 * SAMPLE_ROWS}
    assert [column.rows for column in profile.slices[0].profiles] == [SAMPLE_ROWS] * len(COLUMNS)


def test_the_most_frequent_slices_are_told_and_none_where_there_are_too_many() -> None:
    some = np.repeat(np.arange(100), np.arange(100, 200))
    few = profile_of(hour=some)
    many = profile_of(hour=np.arange(MAX_COUNTED_PARTS + 1))

    hours = [part.values[1] for part in few.slices if part.columns == ("late", "hour")]
    assert hours == [str(hour) for hour in range(99, 49, -1)]
    assert [part for part in many.slices if part.columns == ("late", "hour")] == []


def test_a_long_text_is_in_the_slice_of_none_and_may_name_a_class() -> None:
    long = "x" * (MAX_COUNTED_BYTES + 1)
    rows = [{"carrier": carrier, LABEL_COLUMN: long} for carrier in (long, None, "UA")]

    sketch = sketch_of(pa.RecordBatch.from_pylist(rows, schema("multiclass")), task="multiclass")

    parts = [part for part in sketch.profile().slices if part.columns == ("carrier",)]
    assert [(part.values, part.label.classes) for part in parts] == [
        ((None,), ((long, 2),)),
        (("UA",), ((long, 1),)),
    ]


def test_a_regression_label_is_profiled_as_numbers() -> None:
    rows = pa.RecordBatch.from_pylist([{LABEL_COLUMN: float(n)} for n in range(11)], schema("regression"))

    label = sketch_of(rows, task="regression").profile().label

    assert label.classes == ()
    assert label.numeric is not None
    assert (label.numeric.minimum, label.numeric.mean, label.numeric.maximum) == (0, 5, 10)


def test_a_sketch_of_many_rows_travels_in_a_few_megabytes() -> None:
    random = np.random.default_rng(7)
    rows = rows_of(delay=random.normal(size=200_000), hour=random.integers(0, 24, 200_000))

    assert len(pickle.dumps(sketch_of(rows))) < 2e6


def column_of(columns: Iterable[ColumnProfile], name: str) -> ColumnProfile:
    return next(column for column in columns if column.name == name)

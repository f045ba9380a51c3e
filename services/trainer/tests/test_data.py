"""Rules of reading a dataset: every column arrives as the model will see it when it serves."""

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trainer_world import FEATURES, PIPELINE, a_training, write_dataset

from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN
from tidemill_contracts.profile import Feature
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import NUMBER, TEXT, as_inputs, load_dataset, missing, read_manifest, to_rows


@pytest.mark.parametrize(
    ("values", "arrow_type", "expected"),
    [
        ([1, None, 3], pa.int64(), [1, np.nan, 3]),
        ([1.5, None, float("nan")], pa.float64(), [1.5, np.nan, np.nan]),
        ([float("inf"), float("-inf"), 0], pa.float64(), [np.nan, np.nan, 0]),
        ([2**60 + 1, 2, 3], pa.int64(), [2.0**60, 2, 3]),
        ([1e300, 2, 3], pa.float64(), [np.nan, 2, 3]),
        ([True, None, False], pa.bool_(), [1, np.nan, 0]),
        ([None, None, None], pa.null(), [np.nan, np.nan, np.nan]),
    ],
)
def test_a_number_is_float32_and_nan_where_there_is_none(
    values: list[float | None], arrow_type: pa.DataType, expected: list[float]
) -> None:
    table = pa.table({"x": pa.array(values, arrow_type), LABEL_COLUMN: [True, False, True]})

    served = to_rows([table], [Feature(name="x", kind="numeric")]).columns()["x"]

    assert served.dtype == np.float32
    np.testing.assert_array_equal(served, np.array(expected, np.float32))


def test_a_category_is_text_and_empty_where_there_is_none() -> None:
    table = pa.table({"x": ["UA", None, ""], LABEL_COLUMN: [True, False, True]})
    more = pa.table({"x": pa.array([None], pa.null()), LABEL_COLUMN: [False]})

    rows = to_rows([table, more], [Feature(name="x", kind="categorical")])

    assert rows.columns()["x"].tolist() == ["UA", "", "", ""]
    assert rows.labels.tolist() == [True, False, True, False]


def test_a_number_or_a_truth_that_is_read_as_a_category_is_its_text() -> None:
    table = pa.table({"n": [1, None], "b": [True, None], LABEL_COLUMN: [True, False]})

    rows = to_rows([table], [Feature(name=name, kind="categorical") for name in ("n", "b")])

    assert {name: values.tolist() for name, values in rows.columns().items()} == {
        "n": ["1", ""],
        "b": ["true", ""],
    }


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
def test_a_point_in_time_is_iso_8601_in_utc_and_empty_where_there_is_none(zone: str | None) -> None:
    times = [
        datetime(2013, 1, 31, 10, 20, 30, 999_999, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
        None,
    ]
    column = pa.array(times, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone))
    table = pa.table({"x": column, LABEL_COLUMN: [True, False, True]})

    rows = to_rows([table], [Feature(name="x", kind="timestamp")])

    assert rows.columns()["x"].tolist() == ["2013-01-31T10:20:30Z", "1969-12-31T23:59:59Z", ""]


def test_a_point_in_time_that_was_never_parsed_and_a_text_stay_as_they_are() -> None:
    texts = ["2013-01-01 10:00+02:00", "noon", None]
    table = pa.table({"time": texts, "text": texts, LABEL_COLUMN: [True, False, True]})
    features = [Feature(name="time", kind="timestamp"), Feature(name="text", kind="text")]

    columns = to_rows([table], features).columns()

    assert columns["time"].tolist() == columns["text"].tolist() == ["2013-01-01 10:00+02:00", "noon", ""]


def test_rows_come_in_batches_as_they_come_at_once() -> None:
    words = [f"w{number % 7}" for number in range(50)]
    tables = [
        pa.table({"x": words[start : start + 10], LABEL_COLUMN: [True] * 10}) for start in range(0, 50, 10)
    ]

    rows = to_rows(tables, [Feature(name="x", kind="categorical")])

    batches = [batch["x"].tolist() for batch in rows.batches(20)]
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert [*chain.from_iterable(batches)] == rows.columns()["x"].tolist() == words


def test_texts_are_indices_of_classes_and_one_that_training_did_not_have_is_none() -> None:
    table = pa.table({"x": [1.0, 2.0, 3.0], LABEL_COLUMN: ["b", "new", "a"]})

    rows = to_rows([table], [Feature(name="x", kind="numeric")], classes=["a", "b"])

    assert rows.labels.tolist() == [1, -1, 0]
    assert rows.labels.dtype == np.int32


def test_numbers_are_labels_as_they_are() -> None:
    table = pa.table({"x": [1.0, 2.0], LABEL_COLUMN: [0.5, -7.0]})

    assert to_rows([table], [Feature(name="x", kind="numeric")]).labels.tolist() == [0.5, -7]


def test_rows_keep_their_weights_when_some_are_taken() -> None:
    table = pa.table(
        {"x": [1.0, 2.0, 3.0], LABEL_COLUMN: [True, False, True], WEIGHT_COLUMN: [0.0, 1.5, 2.0]}
    )
    plain = table.drop_columns([WEIGHT_COLUMN])

    rows = to_rows([table], [Feature(name="x", kind="numeric")]).take(np.array([2, 1]))

    assert rows.weights is not None
    assert rows.weights.tolist() == [2, 1.5]
    assert to_rows([plain], [Feature(name="x", kind="numeric")]).weights is None


def test_columns_that_no_model_reads_are_not_loaded(tmp_path: Path) -> None:
    store, training = FolderStore(tmp_path), a_training()
    write_dataset(store, training, rows=50)

    data = load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)

    assert set(data.train.columns()) == {feature.name for feature in FEATURES}
    assert (len(data.train), len(data.held_out)) == (40, 10)


def test_a_model_is_given_gaps_for_columns_that_are_gone_or_became_another_kind() -> None:
    columns = {"was_text": missing(NUMBER, 2) + 1, "same": np.array(["a", "b"], object)}

    given = as_inputs(columns, {"was_text": TEXT, "same": TEXT, "gone": NUMBER})

    assert given["was_text"].tolist() == ["", ""]
    assert given["same"].tolist() == ["a", "b"]
    assert np.isnan(given["gone"]).all()

"""Rules of reading a dataset: every column arrives as the model will see it when it serves."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trainer_world import FEATURES, a_training, write_dataset

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature, FeatureKind
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.data import as_inputs, load_dataset, missing, to_rows


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

    rows = to_rows([table], [Feature(name="x", kind="numeric")])

    assert rows.columns["x"].dtype == np.float32
    np.testing.assert_array_equal(rows.columns["x"], np.array(expected, np.float32))


def test_a_category_is_text_and_empty_where_there_is_none() -> None:
    table = pa.table({"x": ["UA", None, ""], LABEL_COLUMN: [True, False, True]})
    more = pa.table({"x": pa.array([None], pa.null()), LABEL_COLUMN: [False]})

    rows = to_rows([table, more], [Feature(name="x", kind="categorical")])

    assert rows.columns["x"].tolist() == ["UA", "", "", ""]
    assert rows.labels.tolist() == [True, False, True, False]


def test_columns_that_no_model_reads_are_not_loaded(tmp_path: Path) -> None:
    store, training = FolderStore(tmp_path), a_training()
    write_dataset(store, training, rows=50)

    data = load_dataset(store, training.pipeline, training.dataset_id, seed=1)

    assert set(data.train.columns) == {feature.name for feature in FEATURES}
    assert (len(data.train), len(data.held_out)) == (40, 10)


def test_a_model_is_given_gaps_for_columns_that_are_gone_or_became_another_kind() -> None:
    columns = {"was_text": missing("numeric", 2) + 1, "same": np.array(["a", "b"], object)}
    kinds: dict[str, FeatureKind] = {"was_text": "categorical", "same": "categorical", "gone": "numeric"}

    given = as_inputs(columns, kinds, 2)

    assert given["was_text"].tolist() == ["", ""]
    assert given["same"].tolist() == ["a", "b"]
    assert np.isnan(given["gone"]).all()

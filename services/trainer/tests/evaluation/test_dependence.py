"""Rules of dependence: the curve is what the model answers when a value is replaced."""

import numpy as np
import pytest

from tidemill_trainer.evaluation.dependence import partial_dependence
from tidemill_trainer.evaluation.scored import Columns, FloatArray

RANDOM = np.random.default_rng(0)
COLUMNS: Columns = {
    "hour": np.append(np.arange(299, dtype=np.float32) % 24, np.float32(np.nan)),
    "carrier": np.array(["AA"] * 150 + ["DL"] * 100 + [""] * 50, object),
    "other": RANDOM.normal(size=300).astype(np.float32),
}


def predict(columns: Columns) -> FloatArray:
    """Late at night it is worse, most of all with AA."""
    answers: FloatArray = np.nan_to_num(columns["hour"], nan=-5.0) * np.where(
        columns["carrier"] == "AA", 2, 1
    )
    return answers + columns["other"]


def test_the_curve_of_a_number_is_the_mean_answer_at_its_quantiles() -> None:
    dependence = partial_dependence(predict, COLUMNS, "hour", points=5)

    assert [point.value for point in dependence.points] == [0, 5, 11, 17, 23, None]
    for point in dependence.points:
        value = np.nan if point.value is None else point.value
        answers = predict({**COLUMNS, "hour": np.full(300, value, np.float32)})
        assert point.mean == pytest.approx(answers.mean(), rel=1e-5)
        assert point.low == pytest.approx(np.quantile(answers, 0.1), rel=1e-5)
        assert point.high == pytest.approx(np.quantile(answers, 0.9), rel=1e-5)


def test_the_curve_of_a_text_goes_over_its_most_frequent_values() -> None:
    dependence = partial_dependence(predict, COLUMNS, "carrier", points=1)

    assert [point.value for point in dependence.points] == ["AA", None]
    assert dependence.points[0].mean > dependence.points[1].mean


def test_curves_of_single_rows_show_what_other_columns_change() -> None:
    dependence = partial_dependence(predict, COLUMNS, "hour", points=5)

    rises = {round(curve[4] - curve[0]) for curve in dependence.curves}
    assert len(dependence.curves) == 10
    assert rises == {23, 46}


def test_only_some_rows_are_asked_about() -> None:
    asked = []

    def counted(columns: Columns) -> FloatArray:
        asked.append(len(columns["hour"]))
        return predict(columns)

    dependence = partial_dependence(counted, COLUMNS, "hour", points=5, max_rows=20)

    assert asked == [20 * 6]
    assert dependence == partial_dependence(predict, COLUMNS, "hour", points=5, max_rows=20)


def test_a_column_without_values_has_one_point() -> None:
    columns = {**COLUMNS, "hour": np.full(300, np.nan, np.float32)}

    assert [point.value for point in partial_dependence(predict, columns, "hour").points] == [None]

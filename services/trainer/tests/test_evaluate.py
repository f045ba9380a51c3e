"""Rules of evaluation: our metrics are the ones the world computes."""

import numpy as np
import pytest
from sklearn import metrics as reference  # type: ignore[import-untyped]

from tidemill_trainer.evaluate import metrics

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("rows", [2, 7, 5000])
@pytest.mark.parametrize("steps", [3, 10, 10_000], ids=["many ties", "some ties", "few ties"])
def test_metrics_agree_with_scikit_learn(rows: int, steps: int) -> None:
    labels = np.append([True, False], RANDOM.random(rows - 2) < 0.3)
    probabilities = RANDOM.integers(0, steps + 1, rows).astype(np.float32) / np.float32(steps)

    measured = metrics(labels, probabilities, base_rate=0.3)

    assert measured["roc_auc"] == pytest.approx(reference.roc_auc_score(labels, probabilities))
    assert measured["log_loss"] == pytest.approx(reference.log_loss(labels, probabilities))
    assert measured["accuracy"] == pytest.approx(reference.accuracy_score(labels, probabilities >= 0.5))
    assert measured["baseline_log_loss"] == pytest.approx(reference.log_loss(labels, np.full(rows, 0.3)))


def test_calibration_error_is_the_gap_between_promised_and_seen() -> None:
    labels = np.array([True, False, False, False, True, True, True, True])
    probabilities = np.array([0.45] * 4 + [1.0] * 4, np.float32)

    assert metrics(labels, probabilities, 0.5)["calibration_error"] == pytest.approx(0.2 / 2)


def test_what_is_not_defined_is_left_out() -> None:
    one_class = metrics(np.array([True, True]), np.array([0.5, 0.7], np.float32), 0.5)
    not_a_number = metrics(np.array([True, False]), np.array([0.5, np.nan], np.float32), 0.5)

    assert "roc_auc" not in one_class
    assert set(not_a_number) == {"base_rate", "baseline_log_loss", "rows"}

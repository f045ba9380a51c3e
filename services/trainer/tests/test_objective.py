"""Rules of what is learned: the best constant, what each row counts, and what a spec may ask of a label."""

from typing import Any

import numpy as np
import pytest

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import LabelProfile
from tidemill_trainer.objective import Objective, make_objective

BINARY = LabelProfile(task="binary", classes=(("false", 3), ("true", 1)))
CLASSES = LabelProfile(task="multiclass", classes=(("a", 6), ("b", 2)))
NUMBERS = LabelProfile(task="regression")
TRUTHS = np.array([False, False, True, False])
INDICES = np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int32)
COUNTS = np.array([0, 1, 2, 9], np.float32)


def objective(label: LabelProfile, labels: Any, weights: Any = None, **training: Any) -> Objective:
    spec = PipelineSpec.model_validate({"label": "y", "training": training})
    return make_objective(spec, label, labels, weights)


@pytest.mark.parametrize(
    ("label", "labels", "weights", "training", "constant"),
    [
        (BINARY, TRUTHS, None, {}, (0.25,)),
        (BINARY, TRUTHS, np.array([0, 1, 2, 1], np.float32), {}, (0.5,)),
        (CLASSES, INDICES, None, {}, (0.75, 0.25)),
        (NUMBERS, COUNTS, None, {}, (3,)),
        (NUMBERS, COUNTS, np.array([0, 0, 1, 1], np.float32), {"loss": "poisson"}, (5.5,)),
        (NUMBERS, COUNTS, None, {"quantiles": (0.25, 0.5)}, (0, 1)),
        (NUMBERS, COUNTS, np.array([0, 0, 1, 9], np.float32), {"quantiles": (0.25, 0.5)}, (9, 9)),
    ],
)
def test_the_constant_is_the_best_answer_that_reads_nothing(
    label: LabelProfile, labels: Any, weights: Any, training: Any, constant: tuple[float, ...]
) -> None:
    assert objective(label, labels, weights, **training).constant == constant


def test_balanced_classes_count_the_same_in_sum_and_rows_1_on_average() -> None:
    made = objective(CLASSES, INDICES, class_weights="balanced")

    weights = made.row_weights(INDICES, None)

    assert weights is not None
    assert weights[INDICES == 0].sum() == pytest.approx(weights[INDICES == 1].sum())
    assert weights.mean() == pytest.approx(1)


def test_weights_of_rows_and_classes_are_multiplied() -> None:
    made = objective(BINARY, TRUTHS, class_weights={"true": 4})

    weights = made.row_weights(TRUTHS, np.array([1, 0, 2, 1], np.float32))

    assert weights is not None
    assert (weights / weights[0]).tolist() == pytest.approx([1, 0, 8, 1])


def test_rows_without_weights_count_alike() -> None:
    assert objective(CLASSES, INDICES).row_weights(INDICES, None) is None


def test_a_class_that_training_did_not_have_weighs_as_any_row() -> None:
    made = objective(CLASSES, INDICES, class_weights={"b": 3})

    weights = made.row_weights(np.array([-1, 0, 1], np.int32), None)

    assert weights is not None
    assert (weights / weights[1]).tolist() == pytest.approx([1, 1, 3])


def test_imbalance_is_told() -> None:
    assert objective(BINARY, TRUTHS).facts == {"positive_share": 0.25}
    assert objective(CLASSES, INDICES).facts == {"rarest_class_share": 0.25}
    assert objective(NUMBERS, COUNTS).facts == {}


@pytest.mark.parametrize(
    ("label", "labels", "training", "message"),
    [
        (BINARY, TRUTHS, {"quantiles": (0.5,)}, "received the task binary"),
        (CLASSES, INDICES, {"loss": "poisson"}, "received the task multiclass"),
        (NUMBERS, COUNTS - 1, {"loss": "poisson"}, "expected counts of at least 0"),
        (NUMBERS, COUNTS, {"class_weights": "balanced"}, "for classes alone"),
        (
            CLASSES,
            INDICES,
            {"class_weights": {"c": 2}},
            r"expected class weights of the classes \['a', 'b'\]",
        ),
    ],
)
def test_a_spec_that_asks_what_the_label_has_not_is_refused(
    label: LabelProfile, labels: Any, training: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        objective(label, labels, **training)


def test_answers_are_as_wide_as_there_are_classes_or_quantiles() -> None:
    quantiles = objective(NUMBERS, COUNTS, quantiles=(0.1, 0.4, 0.9))

    assert (objective(BINARY, TRUTHS).width, objective(CLASSES, INDICES).width) == (0, 2)
    assert (quantiles.width, quantiles.middle, quantiles.metric) == (3, 1, "pinball_loss")

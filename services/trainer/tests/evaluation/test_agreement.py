"""Rules of answers beside the truth: every row is counted once, where it belongs."""

import numpy as np
import pytest
from evaluation_samples import multiclass, regression
from sklearn import metrics as reference  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.agreement import MAX_CLASSES, agreement, confusion
from tidemill_trainer.evaluation.scored import Scored


def test_rows_are_counted_by_true_and_most_likely_class() -> None:
    scored = multiclass(500)

    found = confusion(scored)

    expected = reference.confusion_matrix(scored.truth, scored.answers.argmax(axis=1))
    assert np.array(found.counts).tolist() == expected.tolist()
    assert (found.classes, found.others) == ((0, 1, 2), 0)


def test_the_most_frequent_classes_are_shown_and_all_other_rows_counted() -> None:
    scored = multiclass(2000, classes=MAX_CLASSES + 5)

    found = confusion(scored)

    assert len(found.classes) == MAX_CLASSES
    assert np.sum(found.counts) + found.others == 2000


def test_a_row_of_no_known_class_is_among_the_others() -> None:
    scored = Scored("multiclass", np.array([0, -1, 1]), np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))

    assert confusion(scored).counts == ((1, 0), (0, 1))
    assert confusion(scored).others == 1


def test_bins_are_of_rising_answers_and_hold_every_row_once() -> None:
    scored = regression(1000, noise=0.1)

    bins = agreement(scored)

    assert sum(each.rows for each in bins) == 1000
    assert [each.answered for each in bins] == sorted(each.answered for each in bins)
    assert np.average([each.seen for each in bins], weights=[each.rows for each in bins]) == pytest.approx(
        scored.truth.mean()
    )
    assert all(each.low <= each.seen <= each.high for each in bins)

"""Rules of calibration: what was promised comes true, and a model that keeps its promises is left alone."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_samples import binary, multiclass
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.calibration import Calibration, assign_folds, calibrate
from tidemill_trainer.evaluation.calibrators import CALIBRATORS, Bins, Method, fit
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.evaluation.reliability import reliability
from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.evaluation.temperature import calibrate_classes

WRONG = {
    "too sure": lambda logits: 2 * logits,
    "too high": lambda logits: logits + 1,
    "wrong at one end": lambda logits: np.where(logits > 0, 3 * logits, logits),
    "wrong in the middle": lambda logits: logits + np.sin(3 * logits) / 4,
}


def bent(scored: Scored, how: str) -> Scored:
    return replace(scored, predictions=special.expit(WRONG[how](special.logit(scored.predictions))))


def calibrated(scored: Scored) -> Calibration:
    calibration = calibrate(scored)
    assert calibration is not None
    return calibration


@pytest.mark.parametrize("how", WRONG)
def test_wrong_promises_are_put_right_on_new_rows(how: str) -> None:
    calibration = calibrated(bent(binary(10_000), how))

    new = bent(binary(10_000, seed=1), how)
    before, after = new.predictions, calibration.apply(new.predictions)
    losses = [measure_scored(replace(new, predictions=chances))["log_loss"] for chances in (before, after)]
    right = measure_scored(binary(10_000, seed=1))["log_loss"]
    assert losses[1] - right < 0.15 * (losses[0] - right)
    assert calibration.log_loss_after < calibration.log_loss_before
    assert calibration.p_value < 0.05


def test_a_model_that_keeps_its_promises_is_left_alone() -> None:
    found = [calibrate(binary(1000, seed)) for seed in range(40)]

    assert sum(one is not None for one in found) <= 2


@pytest.mark.parametrize("labels", [[True] * 50, [False] * 50, [True], [True, False]])
def test_rows_that_teach_nothing_give_no_calibration(labels: list[bool]) -> None:
    assert calibrate(Scored("binary", np.array(labels), np.linspace(0, 1, len(labels)))) is None


def test_answers_that_tell_the_wrong_way_are_not_turned_around() -> None:
    scored = binary(2000)

    calibration = calibrate(replace(scored, predictions=1 - scored.predictions))

    # All that can be done without reversing the order is to promise nothing.
    assert calibration is not None
    assert calibration.method == "isotonic"
    assert (np.diff(calibration.y) >= 0).all()


def test_groups_share_a_fold() -> None:
    days = np.random.default_rng(0).integers(0, 20, 1000)

    folds = assign_folds(binary(1000, groups=days), seed=0)

    assert [len(set(folds[days == day])) for day in range(20)] == [1] * 20
    assert np.bincount(folds[np.unique(days, return_index=True)[1]]).tolist() == [4] * 5


COUNTS = st.floats(0, 100).filter(lambda count: count == 0 or count > 0.01)


@settings(deadline=None)
@given(
    rows=st.dictionaries(
        st.floats(-15.9, 15.9), st.tuples(COUNTS, COUNTS).filter(any), min_size=1, max_size=20
    ),
    method=st.sampled_from(sorted(CALIBRATORS)),
)
# A small pool after a large one, and two bins that are one to a float32.
@example(rows={-5.0: (0.0, 1000.0), 0.0: (50.0, 50.0), 1.0: (1.0, 0.9)}, method="isotonic")
@example(rows={0.0: (1.0, 2.0), 1e-9: (2.0, 1.0)}, method="isotonic")
def test_a_map_is_monotone_and_can_be_read_with_single_precision(
    rows: dict[float, tuple[float, float]], method: Method
) -> None:
    true, false = np.array([rows[logit] for logit in sorted(rows)]).T

    knots = fit(method, Bins(np.array(sorted(rows)), true, false))

    if knots is None:
        assert method != "isotonic" or not true.any() or not false.any()
        return
    assert (knots.x[0], knots.y[0], knots.x[-1], knots.y[-1]) == (0, 0, 1, 1)
    assert (np.diff(knots.x.astype(np.float32)) > 0).all()
    assert (np.diff(knots.y) >= 0).all()
    assert len(knots.x) <= 140


def test_platts_map_is_a_logistic_regression_on_the_logits() -> None:
    scored = bent(binary(300), "too sure")
    logits = special.logit(scored.predictions)
    expected = LogisticRegression(C=1e4).fit(logits[:, None], scored.labels)
    order = np.argsort(logits)

    knots = fit("platt", Bins(logits[order], scored.labels[order] * 1.0, ~scored.labels[order] * 1.0))

    assert knots is not None
    assert np.interp(scored.predictions, knots.x, knots.y) == pytest.approx(
        expected.predict_proba(logits[:, None])[:, 1], abs=1e-3
    )


def test_a_beta_map_that_would_fall_at_one_end_does_without_that_end() -> None:
    logits = np.linspace(-4, 4, 41)
    chances = special.expit(special.log_expit(logits) + 0.3 * special.log_expit(-logits) + 0.5)

    knots = fit("beta", Bins(logits, 1000 * chances, 1000 * (1 - chances)))

    assert knots is not None
    assert np.interp(special.expit(logits), knots.x, knots.y) == pytest.approx(chances, abs=0.15)
    assert (np.diff(knots.y) >= 0).all()


def test_reliability_holds_what_was_promised_against_what_was_seen() -> None:
    labels = np.array([False] * 9 + [True] + [True] * 7 + [False] * 3)
    chances = np.array([0.1] * 10 + [0.8] * 10)

    low, high = reliability(Scored("binary", labels, chances), bins=2).bins

    assert [low.rows, low.promised, low.seen] == pytest.approx([10, 0.1, 0.1])
    assert [high.rows, high.promised, high.seen] == pytest.approx([10, 0.8, 0.7])
    # Wilson's interval of 7 in 10.
    assert [high.low, high.high] == pytest.approx([0.3968, 0.8922], abs=1e-4)


@pytest.mark.parametrize("scored", [binary(3000), multiclass(3000)], ids=["binary", "multiclass"])
def test_the_error_of_the_curve_is_the_metric(scored: Scored) -> None:
    curve = reliability(scored)

    assert [part.rows for part in curve.bins] == [300] * 10
    assert [part.promised for part in curve.bins] == sorted(part.promised for part in curve.bins)
    assert curve.calibration_error == pytest.approx(measure_scored(scored)["calibration_error"])


def test_the_temperature_that_was_applied_is_found() -> None:
    calibration = calibrate_classes(multiclass(5000, sharpness=2.0))

    new = multiclass(5000, seed=1, sharpness=2.0)
    assert calibration is not None
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert calibration.apply(new.predictions) == pytest.approx(multiclass(5000, seed=1).predictions, abs=0.05)
    assert calibration.log_loss_before == pytest.approx(measure_scored(new)["log_loss"], rel=0.02)
    assert calibration.log_loss_after == pytest.approx(
        measure_scored(multiclass(5000, seed=1))["log_loss"], rel=0.02
    )


def test_classes_that_come_as_promised_are_left_alone() -> None:
    found = [calibrate_classes(multiclass(500, seed)) for seed in range(30)]

    assert sum(one is not None for one in found) <= 4


def test_labels_that_are_no_class_teach_no_temperature() -> None:
    unknown = Scored("multiclass", np.array(["new"] * 10, object), np.full((10, 2), 0.5), classes=("a", "b"))

    assert calibrate_classes(unknown) is None

"""Rules of intervals: they hold the true value as often as they say, and follow from the seed alone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evaluation_samples import binary, multiclass, regression
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_trainer.evaluation import intervals
from tidemill_trainer.evaluation.intervals import Resampling, estimate_metrics
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.evaluation.scored import Scored


def coverage(make: Callable[[int], Scored], truth: dict[str, float], studies: int) -> dict[str, float]:
    """How often the interval of each metric holds its true value."""
    held: Counter[str] = Counter()
    for study in range(studies):
        found = estimate_metrics(make(study), Resampling(seed=study))
        held.update(name for name, value in found.items() if value.low <= truth[name] <= value.high)
    return {name: held[name] / studies for name in truth if name != "rows"}


@pytest.mark.parametrize("sample", [binary, regression])
def test_intervals_hold_the_true_value_as_often_as_they_say(sample: Callable[..., Scored]) -> None:
    truth = measure_scored(sample(1_000_000, seed=10_000))

    held = coverage(lambda study: sample(300, seed=study), truth, studies=250)

    # A model that is calibrated has an error of zero, the end of what is possible.
    held.pop("calibration_error", None)
    assert held == {name: pytest.approx(0.95, abs=0.05) for name in held}


def test_the_interval_of_a_biased_metric_allows_for_its_bias() -> None:
    truth = measure_scored(binary(1_000_000, seed=10_000, slope=1.4))

    held = coverage(lambda study: binary(200, seed=study, slope=1.4), truth, studies=100)

    # The percentiles of draws, which are biased once more, hold it in half the studies.
    assert held["calibration_error"] > 0.8


def test_an_interval_follows_from_the_seed() -> None:
    scored = binary(500)

    same, other = (estimate_metrics(scored, Resampling(resamples=50, seed=seed)) for seed in (0, 1))

    assert estimate_metrics(scored, Resampling(resamples=50, seed=0)) == same
    assert other["roc_auc"] != same["roc_auc"]


def test_values_are_those_of_measure() -> None:
    scored = multiclass(400, weights=np.random.default_rng(0).random(400))

    estimated = estimate_metrics(scored, Resampling(resamples=20))

    measured = measure_scored(scored)
    assert {name: value.value for name, value in estimated.items()} == {
        name: value for name, value in measured.items() if name != "rows"
    }


def test_the_standard_error_of_a_share_is_the_one_in_the_books() -> None:
    scored = binary(2000)
    accuracy = measure_scored(scored)["accuracy"]

    estimated = estimate_metrics(scored, Resampling(resamples=1000))["accuracy"]

    assert estimated.standard_error == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / 2000), rel=0.1)
    assert estimated.low == pytest.approx(accuracy - 1.96 * estimated.standard_error, abs=0.005)
    assert estimated.high == pytest.approx(accuracy + 1.96 * estimated.standard_error, abs=0.005)


def test_rows_without_weight_add_no_certainty() -> None:
    scored = binary(1000)
    half = np.arange(1000) < 500

    weightless = estimate_metrics(replace(scored, weights=half.astype(np.float64)))["log_loss"]

    alone = estimate_metrics(scored.take(half))["log_loss"]
    assert weightless.value == pytest.approx(alone.value)
    assert weightless.standard_error == pytest.approx(alone.standard_error, rel=0.15)


def test_rows_that_belong_together_are_worth_less() -> None:
    rows = binary(400).take(np.repeat(np.arange(400), 10))
    grouped = Scored("binary", rows.labels, rows.predictions, groups=np.repeat(np.arange(400), 10))

    alone, together = estimate_metrics(rows)["roc_auc"], estimate_metrics(grouped)["roc_auc"]

    assert together.standard_error == pytest.approx(np.sqrt(10) * alone.standard_error, rel=0.2)


def test_a_part_of_the_rows_gives_the_same_interval_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    scored = binary(20_000)
    exact = estimate_metrics(scored)

    monkeypatch.setattr(intervals, "MAX_CELLS", 5_000)
    scaled = estimate_metrics(scored)

    assert {name: value.value for name, value in scaled.items()} == {
        name: value.value for name, value in exact.items()
    }
    for name in ("roc_auc", "log_loss", "brier", "f1"):
        assert scaled[name].standard_error == pytest.approx(exact[name].standard_error, rel=0.15), name


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.booleans(), min_size=1, max_size=12),
    answers=st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=12, max_size=12),
)
def test_an_interval_holds_its_value_and_stays_possible(labels: list[bool], answers: list[float]) -> None:
    scored = Scored("binary", np.array(labels), np.array(answers[: len(labels)]))

    estimated = estimate_metrics(scored, Resampling(resamples=40))

    for name, found in estimated.items():
        assert found.low <= found.value <= found.high, name
        assert name in {"log_loss", "baseline_log_loss", "mcc"} or 0 <= found.low <= found.high <= 1, name

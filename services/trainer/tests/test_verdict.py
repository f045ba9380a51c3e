"""Rules of the verdict: which candidate is chosen, and what keeps it from serving."""

import pytest

from tidemill_contracts.events import Reason
from tidemill_contracts.training_spec import Blessing
from tidemill_trainer.trainings import Candidate, Data
from tidemill_trainer.verdict import Champion, choose, judge

DATA = Data(newest_span=4, dataset=2)
GOOD = {"roc_auc": 0.75, "log_loss": 0.40, "accuracy": 0.80, "baseline_log_loss": 0.55}
BROKEN = Reason(code="not-servable", message="expected a SavedModel that loads, received nothing")


def a_candidate(family: str = "deep", *, defects: tuple[Reason, ...] = (), **metrics: float) -> Candidate:
    return Candidate(family=family, metrics=GOOD | metrics, params={}, curves={}, defects=defects, seconds=1)


def a_champion(data: Data = DATA, **metrics: float) -> Champion:
    return Champion(version=3, data=data, metrics=GOOD | metrics)


@pytest.mark.parametrize(
    ("candidate", "blessing", "champion"),
    [
        pytest.param(a_candidate(), Blessing(), None, id="first model"),
        pytest.param(a_candidate(roc_auc=0.6), Blessing(), None, id="exactly the threshold"),
        pytest.param(
            a_candidate(log_loss=0.5), Blessing(min_metrics={"log_loss": 0.5}), None, id="exactly the limit"
        ),
        pytest.param(a_candidate(roc_auc=0.745), Blessing(), a_champion(), id="a tolerated regression"),
        pytest.param(
            a_candidate(roc_auc=0.65, log_loss=0.405),
            Blessing(metric="log_loss"),
            a_champion(),
            id="only metric counts",
        ),
        pytest.param(a_candidate(), Blessing(), a_champion(DATA), id="the champion's own dataset"),
        pytest.param(a_candidate(), Blessing(), a_champion(Data(3, 5)), id="a later dataset of older data"),
    ],
)
def test_a_candidate_that_holds_is_blessed(
    candidate: Candidate, blessing: Blessing, champion: Champion | None
) -> None:
    assert judge(candidate, blessing, data=DATA, champion=champion) == ()


@pytest.mark.parametrize(
    ("candidate", "blessing", "champion", "code", "message"),
    [
        pytest.param(
            a_candidate(roc_auc=0.55), Blessing(), None,
            "below-threshold", "expected roc_auc >= 0.6, received 0.55", id="too low",
        ),
        pytest.param(
            a_candidate(log_loss=0.51), Blessing(min_metrics={"log_loss": 0.5}), None,
            "below-threshold", "expected log_loss <= 0.5, received 0.51", id="too high a loss",
        ),
        pytest.param(
            a_candidate(log_loss=0.55), Blessing(), None,
            "not-better-than-constant",
            "expected log_loss < 0.55, which a constant reaches, received 0.55", id="a constant",
        ),
        pytest.param(
            a_candidate(roc_auc=0.73), Blessing(), a_champion(),
            "worse-than-champion",
            "expected roc_auc within 0.01 of 0.75, which version 3 reaches on the same rows, received 0.73",
            id="worse than the champion",
        ),
        pytest.param(
            a_candidate(log_loss=0.42), Blessing(metric="log_loss"), a_champion(),
            "worse-than-champion",
            "expected log_loss within 0.01 of 0.4, which version 3 reaches on the same rows, received 0.42",
            id="more loss than the champion",
        ),
        pytest.param(
            a_candidate(roc_auc=0.9), Blessing(), a_champion(Data(5, 1)),
            "stale-dataset",
            "expected data newer than dataset 1 up to span 5, which version 3 was trained on, "
            "received dataset 2 up to span 4", id="older data",
        ),
        pytest.param(
            a_candidate(roc_auc=0.9), Blessing(), a_champion(Data(4, 3)),
            "stale-dataset",
            "expected data newer than dataset 3 up to span 4, which version 3 was trained on, "
            "received dataset 2 up to span 4", id="an older dataset of the same spans",
        ),
    ],
)  # fmt: skip
def test_a_candidate_that_falls_short_is_rejected_with_the_reason(
    candidate: Candidate, blessing: Blessing, champion: Champion | None, code: str, message: str
) -> None:
    assert judge(candidate, blessing, data=DATA, champion=champion) == (Reason(code=code, message=message),)


def test_a_defect_is_the_only_reason_given() -> None:
    candidate = a_candidate(defects=(BROKEN,), roc_auc=0.1)

    assert judge(candidate, Blessing(), data=DATA, champion=a_champion(Data(5, 1))) == (BROKEN,)


@pytest.mark.parametrize(
    ("metric", "best"), [("roc_auc", "boosted-trees"), ("accuracy", "boosted-trees"), ("log_loss", "deep")]
)
def test_the_best_by_the_deciding_metric_is_chosen(metric: str, best: str) -> None:
    candidates = [a_candidate(), a_candidate("boosted-trees", roc_auc=0.8, accuracy=0.9, log_loss=0.45)]

    assert choose(candidates, metric).family == best


def test_a_candidate_with_a_defect_is_chosen_only_when_all_have_one() -> None:
    broken, sound = a_candidate(roc_auc=0.99, defects=(BROKEN,)), a_candidate("boosted-trees")

    assert choose([broken, sound], "roc_auc") is sound
    assert choose([broken], "roc_auc") is broken

"""Rules of the verdict: which candidate is chosen, and what keeps it from serving."""

from typing import Any

import pytest

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Task
from tidemill_contracts.training_spec import Blessing
from tidemill_trainer.evaluation.comparison import Comparison
from tidemill_trainer.evaluation.fairness import Fairness
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER
from tidemill_trainer.evaluation.slices import SliceMetrics
from tidemill_trainer.judging.findings import Findings, RowsResult, Served
from tidemill_trainer.judging.verdict import Case, Incumbent, choose, judge
from tidemill_trainer.trainings import Candidate, Data

DATA = Data(newest_span=4, dataset=2)
GOOD = {"roc_auc": 0.75, "log_loss": 0.40, "accuracy": 0.80}
BROKEN = Reason(code="not-servable", message="expected a SavedModel that loads, received nothing")
LIMITS = Blessing.model_validate(
    {
        "slices": {"minMetrics": {"roc_auc": 0.7}, "maxRegression": 0.02},
        "fairness": {"groups": ["sex"], "maxGaps": {"equal_opportunity_difference": 0.1}},
        "maxSizeMib": 2,
        "maxLatencyMs": 20,
    }
)


def estimate(value: float, margin: float = 0.01) -> Estimate:
    return Estimate(value=value, low=value - margin, high=value + margin, standard_error=margin / 2)


def comparison(metric: str, candidate: float, other: float, margin: float = 0.01) -> Comparison:
    gain = candidate - other if HIGHER_IS_BETTER[metric] else other - candidate
    return Comparison(
        metric=metric,
        candidate=candidate,
        champion=other,
        gain=estimate(gain, margin),
        p_value=0.03,
        method="paired-t",
    )


def findings(
    task: Task = "binary",
    *,
    constant: dict[str, float] | None = None,
    comparisons: tuple[tuple[str, Comparison], ...] = (),
    slices: tuple[SliceMetrics, ...] = (),
    fairness: tuple[Fairness, ...] = (),
    **metrics: float,
) -> Findings:
    measured = {name: estimate(value) for name, value in {**GOOD, **metrics}.items()}
    others = {"constant": {"log_loss": 0.55, **(constant or {})}}
    held_out = RowsResult(rows=1000, metrics=measured, others=others, comparisons=dict(comparisons))
    return Findings(task=task, decides="roc_auc", held_out=held_out, slices=slices, fairness=fairness)


def against(champion: float, candidate: float = 0.75, metric: str = "roc_auc") -> Any:
    return (("champion", comparison(metric, candidate, champion)),)


def a_slice(rows: int, value: float, champion: float, margin: float = 0.01) -> tuple[SliceMetrics, ...]:
    compared = comparison("roc_auc", value, champion, margin)
    metrics = {"roc_auc": estimate(value)}
    condition = "carrier = OO"
    return (
        SliceMetrics(
            columns=("carrier",), condition=condition, rows=rows, metrics=metrics, comparison=compared
        ),
    )


def gaps(value: float) -> tuple[Fairness, ...]:
    found = {"equal_opportunity_difference": estimate(value)}
    return (
        Fairness(columns=("sex",), threshold=0.5, groups=(), gaps=found, four_fifths=None, unmeasured=()),
    )


def a_case(found: Findings, incumbent: Data | None = None, **facts: Any) -> Case:
    return Case(data=DATA, findings=found, incumbent=Incumbent(3, incumbent) if incumbent else None, **facts)


def served(p95_ms: float) -> Served:
    return Served(requests=200, p50_ms=1, p95_ms=p95_ms, load_seconds=1)


@pytest.mark.parametrize(
    ("case", "blessing"),
    [
        pytest.param(a_case(findings()), Blessing(), id="first model"),
        pytest.param(a_case(findings(roc_auc=0.6)), Blessing(), id="exactly the threshold"),
        pytest.param(
            a_case(findings(log_loss=0.5)), Blessing(min_metrics={"log_loss": 0.5}), id="exactly the limit"
        ),
        pytest.param(
            a_case(findings(comparisons=against(0.7599)), DATA), Blessing(), id="a tolerated regression"
        ),
        pytest.param(
            a_case(findings(comparisons=against(0.75)), Data(3, 5)), Blessing(), id="an older champion"
        ),
        pytest.param(
            a_case(findings(comparisons=against(40.0, 40.3, "rmse")), DATA), Blessing(),
            id="a share of the champion's error",
        ),
        pytest.param(a_case(findings("regression")), Blessing(), id="no default threshold for other tasks"),
        pytest.param(a_case(findings(slices=a_slice(199, 0.5, 0.8)), DATA), LIMITS, id="a slice of few rows"),
        pytest.param(
            a_case(findings(slices=a_slice(200, 0.71, 0.76, margin=0.06)), DATA), LIMITS,
            id="a slice that may be worse by chance",
        ),
        pytest.param(a_case(findings(fairness=gaps(0.1))), LIMITS, id="a tolerated gap"),
        pytest.param(a_case(findings(fairness=gaps(0.9))), Blessing(), id="a gap that is only shown"),
        pytest.param(
            a_case(findings(), size_bytes=2 << 20, served=served(20)), LIMITS, id="just small and fast"
        ),
    ],
)  # fmt: skip
def test_a_model_that_holds_is_blessed(case: Case, blessing: Blessing) -> None:
    assert judge(case, blessing) == ()


@pytest.mark.parametrize(
    ("case", "blessing", "code", "message"),
    [
        pytest.param(
            a_case(findings(roc_auc=0.55)), Blessing(),
            "below-threshold", "expected roc_auc >= 0.6, received 0.55", id="too low",
        ),
        pytest.param(
            a_case(findings(log_loss=0.51)), Blessing(min_metrics={"log_loss": 0.5}),
            "below-threshold", "expected log_loss <= 0.5, received 0.51", id="too high a loss",
        ),
        pytest.param(
            a_case(findings()), Blessing(min_metrics={"rmse": 3}),
            "below-threshold",
            "expected rmse <= 3, received none: it is not defined for these rows", id="undefined",
        ),
        pytest.param(
            a_case(findings(log_loss=0.55)), Blessing(),
            "not-better-than-constant",
            "expected log_loss < 0.55, which a constant reaches, received 0.55", id="a constant",
        ),
        pytest.param(
            a_case(findings("regression", comparisons=(("constant", comparison("rmse", 4.1, 4.105)),))),
            Blessing(),
            "not-better-than-constant",
            "expected rmse better than 4.105, which a constant reaches, received 4.1 "
            "(+0.005, 95 % interval -0.005 to +0.015, p = 0.03)", id="maybe a constant",
        ),
        pytest.param(
            a_case(findings(comparisons=against(0.7601)), DATA), Blessing(),
            "worse-than-champion",
            "expected roc_auc within 0.01 of 0.7601, which version 3 reaches on the same rows, received 0.75 "
            "(-0.0101, 95 % interval -0.0201 to -0.0001, p = 0.03)", id="worse than the champion",
        ),
        pytest.param(
            a_case(findings(comparisons=against(40.0, 40.5, "rmse")), DATA), Blessing(),
            "worse-than-champion",
            "expected rmse within 0.4 of 40, which version 3 reaches on the same rows, received 40.5 "
            "(-0.5, 95 % interval -0.51 to -0.49, p = 0.03)", id="more error than the champion",
        ),
        pytest.param(
            a_case(findings(), Data(5, 1)), Blessing(),
            "stale-dataset",
            "expected data newer than dataset 1 up to span 5, which version 3 was trained on, "
            "received dataset 2 up to span 4", id="older data",
        ),
        pytest.param(
            a_case(findings(), Data(4, 3)), Blessing(),
            "stale-dataset",
            "expected data newer than dataset 3 up to span 4, which version 3 was trained on, "
            "received dataset 2 up to span 4", id="an older dataset of the same spans",
        ),
        pytest.param(
            a_case(findings(slices=a_slice(200, 0.69, 0.69))), LIMITS,
            "slice-below-threshold",
            "expected roc_auc >= 0.7, received 0.69 (where carrier = OO, 200 rows)", id="a bad slice",
        ),
        pytest.param(
            a_case(findings(slices=a_slice(200, 0.72, 0.76)), DATA), LIMITS,
            "slice-worse-than-champion",
            "expected roc_auc within 0.02 of 0.76, which version 3 reaches where carrier = OO, 200 rows, "
            "received 0.72 (-0.04, 95 % interval -0.05 to -0.03, p = 0.03)", id="a worse slice",
        ),
        pytest.param(
            a_case(findings(fairness=gaps(0.11))), LIMITS,
            "unfair",
            "expected equal_opportunity_difference <= 0.1 between groups of sex, received 0.11 "
            "(95 % interval 0.1 to 0.12)", id="unfair",
        ),
        pytest.param(
            a_case(findings(), size_bytes=5 << 20), LIMITS,
            "too-large", "expected a SavedModel of at most 2 MiB, received 5", id="too large",
        ),
        pytest.param(
            a_case(findings(), served=served(20.5)), LIMITS,
            "too-slow",
            "expected 95 % of the answers to one row within 20 ms, received them within 20.5 ms",
            id="too slow",
        ),
    ],
)  # fmt: skip
def test_a_model_that_falls_short_is_rejected_with_the_reason(
    case: Case, blessing: Blessing, code: str, message: str
) -> None:
    assert judge(case, blessing) == (Reason(code=code, message=message),)


def test_every_reason_is_given() -> None:
    case = a_case(findings(roc_auc=0.5, log_loss=0.6), Data(5, 1), size_bytes=5 << 20, served=served(30))

    codes = [reason.code for reason in judge(case, LIMITS)]

    assert codes == ["below-threshold", "not-better-than-constant", "stale-dataset", "too-large", "too-slow"]


def test_a_defect_is_the_only_reason_given() -> None:
    assert judge(a_case(findings(roc_auc=0.1), defects=(BROKEN,)), Blessing()) == (BROKEN,)


def a_candidate(
    family: str, score: float | None, *, held_out: float = 0.7, defects: tuple[Reason, ...] = ()
) -> Candidate:
    facts = {"params": {}, "curves": {}, "defects": defects, "seconds": 1}
    return Candidate.model_validate(
        {"family": family, "score": score, "metrics": {"roc_auc": held_out}, **facts}
    )


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", "boosted-trees"), ("log_loss", "deep")])
def test_the_one_with_the_best_score_is_chosen_whatever_the_held_out_rows_say(metric: str, best: str) -> None:
    candidates = [a_candidate("deep", 0.4, held_out=0.9), a_candidate("boosted-trees", 0.5)]

    assert choose(candidates, metric).family == best


@pytest.mark.parametrize(
    ("gain", "wanted", "chosen"),
    [
        (0.02, 0.01, "deep"),
        (0.005, 0.01, "linear"),
        (0.0, 0.0, "linear"),
        (0.001, 0.0, "deep"),
        (-0.1, 0.0, "linear"),
    ],
)
def test_the_linear_model_is_chosen_unless_another_is_better_by_the_stated_gain(
    gain: float, wanted: float, chosen: str
) -> None:
    candidates = [a_candidate("deep", 0.75 + gain), a_candidate("linear", 0.75)]

    assert choose(candidates, "roc_auc", min_gain_over_baseline=wanted).family == chosen


def test_a_candidate_with_a_defect_is_chosen_only_when_all_have_one() -> None:
    broken, sound = a_candidate("deep", 0.99, defects=(BROKEN,)), a_candidate("boosted-trees", 0.6)

    assert choose([broken, sound], "roc_auc") is sound
    assert choose([broken], "roc_auc") is broken

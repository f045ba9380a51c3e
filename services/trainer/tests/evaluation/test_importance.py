"""Rules of importance: what a model reads is important, what it does not is useless, and time is kept."""

from collections.abc import Iterator

import numpy as np
import pytest
from evaluation_samples import measure
from scipy import special  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.importance import Effort, permutation_importance
from tidemill_trainer.evaluation.scored import Columns, FloatArray, Scored


def predict(columns: Columns) -> FloatArray:
    """A model of a strong feature, a weak one, and a sum that two columns tell together."""
    both = columns["left"] + columns["right"]
    chances: FloatArray = special.expit(1.5 * columns["strong"] + 0.5 * columns["weak"] + 0.5 * both)
    return chances


def rows(count: int = 4000, seed: int = 0) -> tuple[Scored, Columns]:
    random = np.random.default_rng([seed, 3])
    names = ("weak", "unread", "strong", "left", "right")
    columns = {name: random.normal(size=count).astype(np.float32) for name in names}
    chances = predict(columns)
    return Scored("binary", random.random(count) < chances, chances), columns


def test_features_are_ordered_by_what_they_bring() -> None:
    importance = permutation_importance(predict, *rows())

    names = [feature.name for feature in importance.features]
    assert (importance.metric, importance.rows) == ("roc_auc", 4000)
    assert (names[0], names[-1]) == ("strong", "unread")
    assert [feature.name for feature in importance.features if feature.is_useless] == ["unread"]
    unread = importance.features[-1].drop
    assert (unread.value, unread.low, unread.high) == pytest.approx((0, 0, 0))


def test_what_may_matter_is_not_called_useless() -> None:
    weak = next(
        feature for feature in permutation_importance(predict, *rows(50)).features if feature.name == "weak"
    )

    assert weak.drop.low < 0 < weak.drop.value
    assert not weak.is_useless


def test_the_drop_is_that_of_the_metric() -> None:
    scored, columns = rows()
    whole = measure("binary", scored.labels, scored.predictions)["roc_auc"]
    random = np.random.default_rng(1)
    without = [predict({**columns, "strong": random.permutation(columns["strong"])}) for _ in range(50)]
    areas = [measure("binary", scored.labels, chances)["roc_auc"] for chances in without]

    strong = permutation_importance(predict, scored, columns).features[0]

    assert strong.drop.value == pytest.approx(whole - np.mean(areas), abs=2 * np.std(areas) / np.sqrt(5))
    assert strong.repeats == 5


@pytest.mark.parametrize("metric", ["log_loss", "brier", "accuracy"])
def test_a_drop_is_a_loss_whatever_the_direction_of_the_metric(metric: str) -> None:
    importance = permutation_importance(predict, *rows(), metric=metric)

    assert importance.features[0].name == "strong"
    assert importance.features[0].drop.low > 0


def test_intervals_hold_the_drop_that_many_rows_show() -> None:
    truth = {
        feature.name: feature.drop.value
        for feature in permutation_importance(
            predict, *rows(200_000, 99), effort=Effort(max_rows=200_000)
        ).features
    }

    held = []
    for study in range(60):
        importance = permutation_importance(predict, *rows(500, study), effort=Effort(seed=study))
        held += [
            feature.drop.low <= truth[feature.name] <= feature.drop.high
            for feature in importance.features
            if feature.name != "unread"
        ]

    assert np.mean(held) == pytest.approx(0.95, abs=0.04)


def ticking() -> Iterator[float]:
    yield from range(1000)


def test_what_there_is_no_time_for_is_named() -> None:
    scored, columns = rows()
    clock = ticking()

    # The first tick is the begin, then there is one before each prediction.
    importance = permutation_importance(
        predict, scored, columns, effort=Effort(max_seconds=4, clock=lambda: next(clock))
    )

    assert sorted(feature.name for feature in importance.features) == ["strong", "unread", "weak"]
    assert importance.unmeasured == ("left", "right")


def test_every_feature_is_measured_once_before_any_is_measured_twice() -> None:
    scored, columns = rows()
    clock = ticking()

    importance = permutation_importance(
        predict, scored, columns, effort=Effort(max_seconds=8, clock=lambda: next(clock))
    )

    assert {feature.name: feature.repeats for feature in importance.features} == {
        "weak": 2,
        "unread": 2,
        "strong": 1,
        "left": 1,
        "right": 1,
    }


def test_the_same_rows_and_seed_give_the_same_importance() -> None:
    scored, columns = rows()

    assert permutation_importance(predict, scored, columns) == permutation_importance(
        predict, scored, columns
    )


def test_a_metric_that_rows_do_not_add_to_is_refused() -> None:
    with pytest.raises(ValueError, match="received f1"):
        permutation_importance(predict, *rows(100), metric="f1")

"""Rules of thresholds: the table counts right, and the best threshold is the best of all."""

import numpy as np
import pytest
from evaluation_samples import binary
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference  # type: ignore[import-untyped]

from tidemill_trainer.evaluation.scored import Scored
from tidemill_trainer.evaluation.thresholds import (
    Costs,
    Goal,
    PrecisionAtLeast,
    best_threshold,
    threshold_table,
)

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.6, 1.0])), min_size=2, max_size=30
)


def of(rows: list[tuple[bool, float]]) -> Scored:
    labels, answers = zip(*rows, strict=True)
    return Scored("binary", np.array(labels), np.array(answers))


def test_each_line_counts_what_its_threshold_does() -> None:
    scored = binary(2000)

    table = threshold_table(scored)

    assert len(table) == 101
    for line in table:
        yes = scored.predictions >= line.threshold
        assert line.share == pytest.approx(yes.mean())
        assert line.recall == pytest.approx(reference.recall_score(scored.labels, yes))
        assert line.f1 == pytest.approx(reference.f1_score(scored.labels, yes))
        assert line.false_positive_rate == pytest.approx(yes[~scored.labels].mean())
        assert line.precision == (pytest.approx(scored.labels[yes].mean()) if yes.any() else None)


@given(rows=ROWS)
def test_the_table_goes_from_never_to_always(rows: list[tuple[bool, float]]) -> None:
    table = threshold_table(of(rows))

    assert (table[0].share, table[-1].share) == (0, 1)
    assert [line.threshold for line in table] == sorted({line.threshold for line in table}, reverse=True)


def gain(scored: Scored, threshold: float, goal: Goal) -> float:
    """How good a threshold is, counted directly."""
    yes = scored.predictions >= threshold
    hits, alarms = np.sum(yes & scored.labels), np.sum(yes & ~scored.labels)
    misses, rejections = np.sum(~yes & scored.labels), np.sum(~yes & ~scored.labels)
    match goal:
        case "f1":
            return float(2 * hits / (2 * hits + alarms + misses))
        case "youden":
            return float(hits / (hits + misses) + rejections / (rejections + alarms))
        case Costs(false_positive, false_negative):
            return float(-(false_positive * alarms + false_negative * misses))
        case PrecisionAtLeast(precision):
            return float(hits) if yes.any() and hits / yes.sum() >= precision else -1.0


@given(
    rows=ROWS.filter(lambda rows: len({label for label, _ in rows}) == 2),
    goal=st.sampled_from(["f1", "youden", Costs(1, 5), Costs(5, 1), PrecisionAtLeast(0.75)]),
)
def test_no_threshold_is_better_than_the_best(rows: list[tuple[bool, float]], goal: Goal) -> None:
    scored = of(rows)
    every = [gain(scored, threshold, goal) for threshold in np.linspace(0, 1.01, 102)]

    best = best_threshold(scored, goal)

    if best is None:
        assert isinstance(goal, PrecisionAtLeast)
        assert max(every) == -1
    else:
        assert gain(scored, best.threshold, goal) == pytest.approx(max(every))


def test_the_best_threshold_lies_between_probabilities_that_occur() -> None:
    best = best_threshold(of([(True, 0.9), (True, 0.6), (False, 0.4), (False, 0.1)]), "f1")

    assert best is not None
    assert best.threshold == 0.5


def test_rows_count_by_their_weight() -> None:
    rows = [(True, 0.9), (False, 0.8), (True, 0.7), (False, 0.1)]
    weighted = Scored(
        "binary", of(rows).labels, of(rows).predictions, weights=np.array([1.0, 10.0, 1.0, 1.0])
    )

    light, heavy = best_threshold(of(rows), Costs(1, 2)), best_threshold(weighted, Costs(1, 2))

    assert light is not None
    assert heavy is not None
    assert light.threshold == pytest.approx(0.4)
    assert heavy.threshold == pytest.approx(0.85)


def test_one_class_has_no_best_threshold() -> None:
    assert best_threshold(of([(True, 0.9), (True, 0.2)]), "f1") is None
    assert best_threshold(of([(False, 0.9), (False, 0.2)]), Costs(1, 1)) is None

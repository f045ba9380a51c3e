"""Rules of the search for weak slices: what was planted is found, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_samples import binary, multiclass, regression

from tidemill_trainer.evaluation.scored import Columns, Scored
from tidemill_trainer.evaluation.search import find_weak_slices

ROWS = 20_000


def columns(seed: int = 0, rows: int = ROWS) -> dict[str, np.ndarray]:
    """Columns that say nothing, a carrier, and an hour that is sometimes missing."""
    random = np.random.default_rng([seed, 3])
    noise = {f"noise {place}": random.normal(size=rows).astype(np.float32) for place in range(5)}
    carriers = np.array(["AA", "DL", "OO", "UA", ""], object)[random.integers(0, 5, rows)]
    hours = np.where(random.random(rows) < 0.05, np.nan, random.integers(5, 23, rows)).astype(np.float32)
    return {**noise, "carrier": carriers, "hour": hours}


def broken(scored: Scored, where: np.ndarray) -> Scored:
    """Answer at random in some rows."""
    shuffled = np.random.default_rng(9).permutation(scored.predictions)
    there = where if scored.predictions.ndim == 1 else where[:, None]
    return replace(scored, predictions=np.where(there, shuffled, scored.predictions))


def conditions(scored: Scored, of: Columns) -> list[str]:
    return [found.condition for found in find_weak_slices(scored, of)]


@pytest.mark.parametrize("scored", [binary(ROWS), multiclass(ROWS), regression(ROWS)], ids=lambda it: it.task)
def test_a_combination_of_two_columns_is_found(scored: Scored) -> None:
    of = columns()
    where = (of["carrier"] == "OO") & (of["hour"] >= 17)

    found = find_weak_slices(broken(scored, where), of)

    assert [weak.condition for weak in found] == ["carrier = OO and hour >= 17"]
    assert found[0].columns == ("carrier", "hour")
    assert found[0].rows == where.sum()
    assert found[0].loss > found[0].loss_elsewhere
    assert found[0].p_value < 0.001


def test_one_column_is_enough_where_a_second_adds_nothing() -> None:
    of = columns()

    assert conditions(broken(binary(ROWS), of["carrier"] == "OO"), of) == ["carrier = OO"]
    assert conditions(broken(binary(ROWS), np.isnan(of["hour"])), of) == ["hour is missing"]
    assert conditions(broken(binary(ROWS), of["carrier"] == ""), of) == ["carrier is missing"]


def test_a_second_slice_is_worse_without_the_rows_of_the_first() -> None:
    of = columns()
    where = (of["carrier"] == "OO") | (of["noise 0"] < -1.15)

    found = conditions(broken(binary(ROWS), where), of)

    assert len(found) == 2
    assert "carrier = OO" in found
    assert any(condition.startswith("noise 0 < -1.") for condition in found)


def test_a_model_that_is_equally_good_everywhere_has_no_weak_slice() -> None:
    found = [conditions(binary(5000, seed), columns(seed, rows=5000)) for seed in range(20)]

    assert sum(map(bool, found)) <= 1


def test_small_slices_are_not_told() -> None:
    of = columns()
    few = np.zeros(ROWS, np.bool_)
    few[:150] = True
    of["carrier"] = np.where(few, "tiny", of["carrier"])
    scored = binary(ROWS)
    wrong = replace(scored, predictions=np.where(few, 1 - scored.predictions, scored.predictions))

    assert conditions(wrong, of) == []
    assert conditions(wrong.take(np.arange(10_000)), {"carrier": of["carrier"][:10_000]}) == [
        "carrier = tiny"
    ]


def test_the_same_rows_give_the_same_slices() -> None:
    of = columns()
    scored = broken(binary(ROWS), of["hour"] < 8)

    assert find_weak_slices(scored, of) == find_weak_slices(scored, of)


def test_perfect_answers_and_constant_columns_have_no_slices() -> None:
    labels = np.arange(500.0)
    constant = {"a": np.zeros(500), "b": np.array(["x"] * 500, object), "c": np.full(500, np.nan)}

    assert find_weak_slices(Scored("regression", labels, labels), columns(rows=500)) == ()
    assert find_weak_slices(regression(500), constant) == ()
    assert find_weak_slices(regression(500), {}) == ()

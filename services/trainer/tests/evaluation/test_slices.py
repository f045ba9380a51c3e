"""Rules of declared slices: each is measured as if it were all there is."""

import numpy as np
from evaluation_samples import binary

from tidemill_trainer.evaluation.comparison import compare
from tidemill_trainer.evaluation.intervals import Resampling, estimate_metrics
from tidemill_trainer.evaluation.slices import Limits, Rival, measure_slices

FEW = Resampling(resamples=30)
CARRIERS = np.array(["AA"] * 500 + ["DL"] * 300 + [""] * 150 + ["OO"] * 50, object)
COLUMNS = {"carrier": CARRIERS, "weekend": np.arange(1000) % 2 * np.float32(1)}


def test_a_slice_is_measured_as_if_it_were_all_there_is() -> None:
    scored = binary(1000)

    american, delta, missing, small = measure_slices(scored, COLUMNS, [("carrier",)], how=FEW)

    assert [part.condition for part in (american, delta, missing)] == [
        "carrier = AA",
        "carrier = DL",
        "carrier is missing",
    ]
    assert american.metrics == estimate_metrics(scored.take(CARRIERS == "AA"), FEW)
    assert (small.condition, small.rows, small.metrics) == ("carrier = OO", 50, {})


def test_slices_of_a_declaration_hold_every_row_once() -> None:
    found = measure_slices(binary(1000), COLUMNS, [("carrier", "weekend"), ("weekend",)], how=FEW)

    rows: dict[tuple[str, ...], int] = {}
    for part in found:
        rows[part.columns] = rows.get(part.columns, 0) + part.rows
    assert rows == {("carrier", "weekend"): 1000, ("weekend",): 1000}
    assert found[0].condition == "carrier = AA and weekend = 0"


def test_the_largest_slices_are_told() -> None:
    found = measure_slices(binary(1000), COLUMNS, [("carrier",)], limits=Limits(max_slices=2), how=FEW)

    assert [part.rows for part in found] == [500, 300]


def test_every_slice_that_is_measured_is_compared_with_the_rival() -> None:
    scored, rival = binary(1000), binary(1000, noise=1)

    found = measure_slices(scored, COLUMNS, [("carrier",)], rival=Rival(rival, "roc_auc"), how=FEW)

    american = CARRIERS == "AA"
    assert found[0].comparison == compare(scored.take(american), rival.take(american), "roc_auc", FEW)
    assert [part.comparison is None for part in found] == [False, False, False, True]


def test_a_slice_without_any_weight_is_named_and_not_measured() -> None:
    scored = binary(1000, weights=(CARRIERS != "DL").astype(np.float64))

    found = measure_slices(scored, COLUMNS, [("carrier",)], how=FEW)

    assert {part.condition: bool(part.metrics) for part in found}["carrier = DL"] is False

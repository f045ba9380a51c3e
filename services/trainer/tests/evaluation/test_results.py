"""Rules of results: all of them survive JSON, which is how model cards and tracking keep them."""

from collections.abc import Callable

import numpy as np
import pytest
from evaluation_samples import binary, multiclass, regression

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.agreement import agreement, confusion
from tidemill_trainer.evaluation.calibration import calibrate
from tidemill_trainer.evaluation.comparison import compare
from tidemill_trainer.evaluation.dependence import partial_dependence
from tidemill_trainer.evaluation.fairness import measure_fairness
from tidemill_trainer.evaluation.importance import permutation_importance
from tidemill_trainer.evaluation.intervals import Resampling
from tidemill_trainer.evaluation.reliability import reliability
from tidemill_trainer.evaluation.scored import Columns, FloatArray
from tidemill_trainer.evaluation.search import find_weak_slices
from tidemill_trainer.evaluation.slices import measure_slices
from tidemill_trainer.evaluation.temperature import calibrate_classes
from tidemill_trainer.evaluation.thresholds import threshold_table

FEW = Resampling(resamples=20)
SCORED = binary(2000, slope=2)
COLUMNS = {
    "score": SCORED.predictions.astype(np.float32),
    "hour": np.where(np.arange(2000) % 9, np.arange(2000) % 24, np.nan).astype(np.float32),
    "carrier": np.array(["AA", "DL", "", "OO"], object)[np.arange(2000) % 4],
}


def predict(columns: Columns) -> FloatArray:
    return columns["score"].astype(np.float64)


RESULTS: dict[str, Callable[[], ProfileModel | None]] = {
    "agreement": lambda: agreement(regression(200))[0],
    "calibration": lambda: calibrate(SCORED),
    "confusion": lambda: confusion(multiclass(200)),
    "temperature": lambda: calibrate_classes(multiclass(2000, sharpness=2)),
    "comparison": lambda: compare(SCORED, binary(2000), "roc_auc"),
    "dependence on a number": lambda: partial_dependence(predict, COLUMNS, "hour"),
    "dependence on a text": lambda: partial_dependence(predict, COLUMNS, "carrier"),
    "fairness": lambda: measure_fairness(SCORED, COLUMNS, ("carrier",), how=FEW),
    "importance": lambda: permutation_importance(predict, SCORED, COLUMNS),
    "reliability": lambda: reliability(SCORED),
    "slice": lambda: measure_slices(SCORED, COLUMNS, [("hour",)], how=FEW)[0],
    "weak slice": lambda: find_weak_slices(SCORED, {"label": SCORED.labels, **COLUMNS})[0],
    "threshold": lambda: threshold_table(SCORED)[0],
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_survives_json(name: str) -> None:
    result = RESULTS[name]()

    assert result is not None
    assert type(result).model_validate_json(result.model_dump_json()) == result

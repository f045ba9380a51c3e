"""Rules of the examination: a model is judged by what was exported, loaded back, whatever it learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from known_model import Formula, known_data, known_model

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.profile import Task
from tidemill_trainer.data import dtype_of
from tidemill_trainer.examination import Contestant, Range, examine
from tidemill_trainer.golden import EXTREME_NUMBER
from tidemill_trainer.servable import NotServable, Servable


def constant(answer: float) -> Formula:
    def formula(raw: Mapping[str, Any]) -> Any:
        return tf.fill(tf.shape(raw["x"]), tf.constant(answer, tf.float32))

    return formula


def examined(folder: Path, task: Task = "binary", formula: Formula | None = None, **parts: Any) -> Contestant:
    data = known_data(task)
    return examine(known_model(data, formula, **parts), data, folder / "model", seconds=1)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_of_any_task_is_measured_on_the_held_out_rows(task: Task, tmp_path: Path) -> None:
    contestant = examined(tmp_path, task)

    data = known_data(task)
    assert contestant.result.defects == ()
    assert contestant.result.metrics["rows"] == len(data.held_out)
    assert data.objective.metric in contestant.result.metrics
    assert contestant.answers is not None
    in_memory = contestant.trained.predict(data.held_out.columns())
    np.testing.assert_allclose(contestant.answers, in_memory, rtol=1e-5)
    assert contestant.weights_range == Range(1, 1)
    assert contestant.answers_range == Range(float(contestant.answers.min()), float(contestant.answers.max()))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_golden_rows_have_every_output_and_survive_their_manifest(task: Task, tmp_path: Path) -> None:
    contestant, data = examined(tmp_path, task), known_data(task)

    golden = GoldenPredictions.model_validate_json(contestant.golden.model_dump_json())

    asked = {
        feature.name: np.array(golden.inputs[feature.name], dtype_of(feature)) for feature in data.features
    }
    outputs = Servable(tmp_path / "model").outputs(asked)
    assert outputs.keys() == golden.outputs.keys()
    for name, values in outputs.items():
        texts = np.char.decode(values.astype(bytes), "utf-8") if values.dtype == object else values
        np.testing.assert_array_equal(texts, np.array(golden.outputs[name]))


def test_golden_rows_end_with_extreme_values_and_with_none_at_all(tmp_path: Path) -> None:
    golden = examined(tmp_path).golden

    assert {len(column) for column in golden.inputs.values()} == {16}
    assert [golden.inputs["x"][-2], golden.inputs["x"][-1]] == [pytest.approx(EXTREME_NUMBER), None]
    assert golden.inputs["carrier"][-1] == ""
    assert len(str(golden.inputs["carrier"][-2])) > 100


def test_a_model_that_answers_otherwise_than_in_memory_may_not_serve(tmp_path: Path) -> None:
    (defect,) = examined(tmp_path, formula=constant(0.25), exported=constant(0.26)).result.defects

    assert defect.code == "not-servable"
    assert "expected the answers given in training" in defect.message


def test_a_model_that_answers_no_number_may_not_serve(tmp_path: Path) -> None:
    contestant = examined(tmp_path, formula=lambda raw: raw["x"] / raw["x"])

    assert contestant.result.defects[0].code == "not-finite"
    assert "expected finite answers, received" in contestant.result.defects[0].message
    assert contestant.answers is None


def test_a_model_with_a_weight_that_is_no_number_may_not_serve(tmp_path: Path) -> None:
    contestant = examined(tmp_path, weight=float("inf"), formula=lambda raw: tf.zeros_like(raw["x"]))

    assert [defect.code for defect in contestant.result.defects] == ["not-finite"]
    assert contestant.result.defects[0].message == "expected finite weights, received 1 of 1 that are not"


def test_a_model_that_cannot_be_exported_is_named_with_the_reason(tmp_path: Path) -> None:
    def lost(raw: Mapping[str, Any]) -> Any:
        return raw["lost"]

    (defect,) = examined(tmp_path, formula=constant(0.25), exported=lost).result.defects

    assert defect.code == "not-exportable"
    assert "KeyError: 'lost'" in defect.message


def test_a_folder_that_does_not_load_is_not_servable(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")

    with pytest.raises(NotServable, match="expected a SavedModel that loads, received"):
        Servable(tmp_path)

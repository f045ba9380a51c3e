"""Rules of golden predictions: every kind of output is held against what training answered."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_contracts.golden import mismatch, to_request
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.tensors import to_array, to_proto

GOLDEN = GoldenPredictions(
    inputs={"distance": (7.5, None), "größe": ("groß", "")},
    outputs={"probabilities": ((0.25, 0.75), (0.5, 0.5)), "class": ("früh", "spät"), "value": (1e6, -2.0)},
)


def answers(**changes: NDArray[np.generic]) -> dict[str, object]:
    outputs = {
        "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
        "class": np.array(["früh", "spät"], object),
        "value": np.array([1e6, -2], np.float32),
    }
    return {name: to_proto(values) for name, values in {**outputs, **changes}.items()}


def test_golden_rows_survive_their_manifest_and_are_asked_as_clients_ask() -> None:
    request = to_request("m", 3, GoldenPredictions.model_validate_json(GOLDEN.model_dump_json()))

    np.testing.assert_array_equal(to_array(request.inputs["distance"]), np.array([7.5, np.nan], np.float32))
    assert to_array(request.inputs["größe"]).tolist() == ["groß".encode(), b""]
    assert request.model_spec.version.value == 3


def test_numbers_may_differ_by_rounding_and_other_outputs_are_not_asked_for() -> None:
    rounded = answers(value=np.array([1e6 + 1, -2.00001], np.float32), more=np.zeros(2, np.float32))

    assert mismatch(GOLDEN, rounded) is None


def test_a_part_of_the_rows_can_be_asked() -> None:
    request = to_request("m", 3, GOLDEN, slice(1, 2))

    assert to_array(request.inputs["größe"]).tolist() == [b""]


@pytest.mark.parametrize(
    ("output", "received"),
    [
        ("probabilities", np.array([[0.25, 0.75], [0.5, 0.6]], np.float32)),
        ("probabilities", np.array([0.25, 0.75, 0.5, 0.5], np.float32)),
        ("class", np.array(["früh", "früh"], object)),
        ("class", np.array([0, 1], np.float32)),
        ("value", np.array([1e6, np.nan], np.float32)),
    ],
    ids=["one number of a vector", "other shape", "other text", "numbers for texts", "no number"],
)
def test_any_other_answer_is_told_with_what_was_expected(output: str, received: NDArray[np.generic]) -> None:
    difference = mismatch(GOLDEN, answers(**{output: received}))

    assert re.fullmatch(f"output {output}: expected .*, received .*", difference or "")


def test_an_output_that_is_not_there_is_told() -> None:
    outputs = answers()
    del outputs["class"]

    assert mismatch(GOLDEN, outputs) == "expected output class, received ['probabilities', 'value']"

"""Rules of rating: what a label says of an answer, by the kind of both."""

from typing import Any

import pytest

from tidemill_serving.rating import Rated, rate


@pytest.mark.parametrize(
    ("outputs", "label", "expected"),
    [
        ({"probability": 0.75}, True, Rated(0.75, True)),
        ({"probability": 0.75}, 0, Rated(0.25, False)),
        ({"probability": 0.75}, 1.0, Rated(0.75, True)),
        ({"probability": 0.25}, "false", Rated(0.75, True)),
        ({"probability": 0.75}, "late", None),
        ({"probability": None}, True, None),
        ({"class": "b", "probabilities": [0.1, 0.9]}, "b", Rated(1, True)),
        ({"class": "b", "probabilities": [0.1, 0.9]}, "a", Rated(0, False)),
        ({"class": "3", "probabilities": [0.1, 0.9]}, 3, Rated(1, True)),
        ({"value": 3.0, "quantiles": [1, 3, 5]}, 1, Rated(0.5, None)),
        ({"value": -3.0}, 3, Rated(0, None)),
        ({"value": 0}, 0, Rated(1, None)),
        ({"value": 3.0}, "three", None),
        ({"score": 0.75}, False, Rated(0.25, False)),
        ({"score": 3.0}, 1, Rated(0.5, None)),
        ({"name": "a"}, "a", Rated(1, True)),
        ({"a": 1, "b": 2}, 1, None),
        ({}, 1, None),
    ],
)
def test_a_label_rates_an_answer_by_its_kind(
    outputs: dict[str, Any], label: Any, expected: Rated | None
) -> None:
    assert rate(outputs, label) == expected

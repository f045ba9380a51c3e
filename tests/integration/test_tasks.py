"""What a label is decides what is learned: each task becomes a model behind the same API."""

import csv
import json
from typing import Any

import pytest

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected, ModelBlessed, ModelDeployed, ModelRejected
from tidemill_world import FLIGHTS, World, flights

LEFT_OUT = "leaveOut: [dep_time, dep_delay, arr_time, air_time, time_hour, year]"
ROWS = 6000
LABELS = {
    "airports": "label: origin",
    "delays": "label: greatest(arr_delay, 0)\n  weight: distance",
    "ranges": "label: arr_delay\n  training: {quantiles: [0.1, 0.5, 0.9]}",
}
SPEC = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  {label}
  {left_out}
"""


@pytest.fixture(scope="module", autouse=True)
def dropped(world: World) -> None:
    for name, label in LABELS.items():
        spec = SPEC.format(name=name, label=label, left_out=LEFT_OUT)
        world.store.write(layout.pipeline_spec(name), spec.encode())
        world.drop(name, flights(0, ROWS))


def served(world: World, pipeline: str) -> ModelDeployed:
    ends = (ModelDeployed, ModelRejected, DatasetRejected)
    event = world.await_event(lambda data: isinstance(data, ends) and data.pipeline == pipeline, 240)
    assert isinstance(event.data, ModelDeployed), event.data
    return event.data


def answer(world: World, pipeline: str) -> Any:
    """What the model says of one real flight."""
    served(world, pipeline)
    metadata = world.ask("GET", f"/v1/models/{pipeline}/metadata").json()["metadata"]
    inputs = metadata["signature_def"]["signature_def"]["serving_default"]["inputs"]
    with (FLIGHTS / "flights-2013-01.csv").open() as file:
        row = next(csv.DictReader(file))
    flight = {
        name: row[name] if tensor["dtype"] == "DT_STRING" else float(row[name])
        for name, tensor in inputs.items()
    }
    world.wait_for(lambda: world.predict(pipeline, flight).status == 200 or None, 20)
    (prediction,) = world.predict(pipeline, flight).json()["predictions"]
    return prediction


def blessed(world: World, pipeline: str) -> ModelBlessed:
    served(world, pipeline)
    event = world.await_event(lambda data: isinstance(data, ModelBlessed) and data.pipeline == pipeline)
    assert isinstance(event.data, ModelBlessed)
    return event.data


def test_a_label_of_texts_is_answered_with_a_class_and_its_probabilities(world: World) -> None:
    prediction = answer(world, "airports")

    assert prediction["class"] in {"EWR", "JFK", "LGA"}
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert len(prediction["probabilities"]) == 3
    assert blessed(world, "airports").metrics["accuracy"] > 0.5


def test_a_label_of_numbers_is_answered_with_a_number(world: World) -> None:
    prediction = answer(world, "delays")

    assert isinstance(prediction, float)
    assert blessed(world, "delays").metrics["rmse"] > 0


def test_quantiles_are_answered_in_rising_order_beside_the_middle_one(world: World) -> None:
    prediction = answer(world, "ranges")

    low, middle, high = prediction["quantiles"]
    assert low <= middle <= high
    assert prediction["value"] == middle


@pytest.mark.parametrize("pipeline", LABELS)
def test_every_model_has_a_card(world: World, pipeline: str) -> None:
    deployed = served(world, pipeline)

    card = json.loads(world.store.read(layout.model_card(pipeline, deployed.model_id, "card.json")))
    page = world.store.read(layout.model_card(pipeline, deployed.model_id, "card.html")).decode()
    assert card["version"] == deployed.version
    assert pipeline in page

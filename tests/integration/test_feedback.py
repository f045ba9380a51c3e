"""What callers learn later comes back: predictions and feedback meet in the warehouse and in serving."""

import csv
import json
import os
import signal
import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tidemill_contracts import layout
from tidemill_contracts.events import (
    DatasetRejected,
    FeedbackReceived,
    ModelDeployed,
    ModelRejected,
    PredictionLogged,
)
from tidemill_local.cli.querying import ask
from tidemill_local.supervisor.home import Home
from tidemill_world import FLIGHTS, World, flights

# The first test waits for a model to be trained, and for serving to start twice.
pytestmark = pytest.mark.timeout(300)
PIPELINE = "rated"
ASKED = 60
SPEC = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {name: rated}
spec:
  label: arr_delay >= 15
  leaveOut: [dep_time, dep_delay, arr_time, air_time, time_hour, year]
  training: {families: [boosted-trees]}
  blessing: {minMetrics: {roc_auc: 0.5}, maxRegression: 1}
  serving: {log: {share: 1}}
"""
LIVE_ACCURACY = """
SELECT p.version, count(*), avg((((outputs ->> 'probability')::DOUBLE >= {threshold}) = label::BOOLEAN)::INT)
FROM predictions p JOIN feedback f USING (prediction_id, "row")
WHERE p.pipeline = 'rated' GROUP BY ALL
"""


@pytest.fixture(scope="module")
def model(world: World) -> ModelDeployed:
    world.store.write(layout.pipeline_spec(PIPELINE), SPEC.encode())
    world.drop(PIPELINE, flights(0, 6000))
    ends = (ModelDeployed, ModelRejected, DatasetRejected)
    event = world.await_event(lambda data: isinstance(data, ends) and data.pipeline == PIPELINE, 240)
    assert isinstance(event.data, ModelDeployed), event.data
    return event.data


def later_flights(world: World) -> list[tuple[dict[str, Any], bool]]:
    """Real flights as the model wants them, each with whether it was late."""
    metadata = world.ask("GET", f"/v1/models/{PIPELINE}/metadata").json()["metadata"]
    inputs = metadata["signature_def"]["signature_def"]["serving_default"]["inputs"]
    with (FLIGHTS / "flights-2013-01.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["arr_delay"] != "NA"][-ASKED:]
    return [
        (
            {
                name: row[name] if tensor["dtype"] == "DT_STRING" else float(row[name])
                for name, tensor in inputs.items()
            },
            float(row["arr_delay"]) >= 15,
        )
        for row in rows
    ]


def give(world: World, *feedback: dict[str, Any]) -> None:
    reply = world.ask("POST", f"/v1/models/{PIPELINE}:feedback", json.dumps(feedback).encode())
    assert (reply.status, reply.text) == (200, json.dumps({"stored": len(feedback)}, separators=(",", ":")))


def metric(world: World, name: str, version: int) -> float | None:
    """Read a gauge of serving about a version of the model; None while there is none."""
    url = Home(world.home).running().process("serving").ready_url
    assert url
    with urllib.request.urlopen(url.replace("readyz", "metrics"), timeout=10) as reply:  # noqa: S310
        families = text_string_to_metric_families(reply.read().decode())
    about = {"model": PIPELINE, "version": str(version), "variant": ""}
    samples = (sample for family in families for sample in family.samples)
    return next(
        (each.value for each in samples if (each.name, each.labels) == (f"tidemill_serving_{name}", about)),
        None,
    )


def test_feedback_meets_its_prediction_in_the_warehouse_and_in_serving(
    world: World, model: ModelDeployed
) -> None:
    world.wait_for(lambda: world.ask("GET", f"/v1/models/{PIPELINE}").status == 200 or None, 20)
    asked = later_flights(world)
    world.wait_for(lambda: world.predict(PIPELINE, asked[0][0]).status == 200 or None, 30)
    right, rewards = 0, 0.0
    manifest = json.loads(world.store.read(layout.model_manifest(PIPELINE, model.model_id)))
    threshold = manifest["decision_threshold"] or 0.5
    # Two rows a request; feedback is given at once, before the gateway has stored a log, wrong ones at first.
    for number in range(0, ASKED, 2):
        (one, one_late), (other, other_late) = asked[number : number + 2]
        reply = world.predict(PIPELINE, one, other)
        assert reply.status == 200, reply.text
        names = {name.lower(): value for name, value in reply.headers.items()}
        prediction_id = names["tidemill-prediction-id"]
        wrong = {
            "predictionId": prediction_id,
            "row": 1,
            "label": not other_late,
            "at": "2026-01-01T00:00:00Z",
        }
        true = {"predictionId": prediction_id, "row": 1, "label": other_late, "at": "2026-01-02T00:00:00Z"}
        give(
            world,
            {"predictionId": prediction_id, "label": one_late},
            *((true, wrong) if number % 4 else (wrong, true)),
        )
        give(world, true)
        for answer, late in zip(reply.json()["predictions"], (one_late, other_late), strict=True):
            right += (answer >= threshold) == late
            rewards += 1 - abs(late - answer)

    for kind in (PredictionLogged, FeedbackReceived):
        world.await_event(lambda data, kind=kind: isinstance(data, kind) and data.pipeline == PIPELINE)  # type: ignore[misc]
    query = LIVE_ACCURACY.format(threshold=threshold)
    expected = [(model.version, ASKED, pytest.approx(right / ASKED))]
    world.wait_for(lambda: ask(Home(world.home).bucket, query, 0).rows == expected or None, 30)

    def is_right() -> bool | None:
        rows = metric(world, "rewarded_rows", model.version)
        if rows != ASKED:
            return None
        assert metric(world, "accuracy", model.version) == pytest.approx(right / ASKED)
        assert metric(world, "mean_reward", model.version) == pytest.approx(rewards / ASKED)
        return True

    world.wait_for(is_right, 30)
    serving = Home(world.home).running().process("serving")
    assert serving.pid
    os.kill(serving.pid, signal.SIGKILL)
    world.wait_for(
        lambda: Home(world.home).running().process("serving").restarts > serving.restarts or None, 30
    )
    world.wait_for(lambda: Home(world.home).running().process("serving").state == "ready" or None, 60)
    world.wait_for(is_right, 30)


def test_a_made_up_prediction_id_is_refused(world: World, model: ModelDeployed) -> None:
    body = json.dumps({"predictionId": "A" * 64, "reward": 1}).encode()

    reply = world.ask("POST", f"/v1/models/{PIPELINE}:feedback", body)

    assert reply.status == 400
    assert "Expecting a prediction id that was given with an answer of rated" in reply.json()["error"]

"""The main job, on real flights: a dropped file becomes a served model, the next one a better one or not.

These tests are one story and run in order: January is dropped, asked, dropped again, and February follows.
"""

import csv
import json
from typing import Any

import duckdb
import pytest
from mlflow.tracking import MlflowClient

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    DatasetIngested,
    DatasetTransformed,
    DropDeduplicated,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
)
from tidemill_contracts.notification import ObjectFinalized, to_message
from tidemill_runtime.sequence import Sequence
from tidemill_world import FLIGHTS, World, flights

PIPELINE = "flights"
JANUARY, FEBRUARY = flights(0, 27_004), flights(0, 24_951, month=2)


@pytest.fixture(scope="module")
def january(world: World) -> ModelDeployed:
    world.apply(PIPELINE, families="[deep, boosted-trees]")
    world.drop(PIPELINE, JANUARY, "2013-01.csv")
    event = world.await_event(lambda data: of(data, ModelDeployed))
    assert isinstance(event.data, ModelDeployed)
    return event.data


def of(data: EventData, *kinds: type[EventData]) -> bool:
    return isinstance(data, kinds) and getattr(data, "pipeline", None) == PIPELINE


def a_flight(world: World, **changes: Any) -> dict[str, Any]:
    """One real flight as the model wants it: its inputs, numbers as numbers."""
    with (FLIGHTS / "flights-2013-01.csv").open() as file:
        row = next(csv.DictReader(file))
    inputs = signature(world)["inputs"]
    values = {
        name: row[name] if tensor["dtype"] == "DT_STRING" else float(row[name])
        for name, tensor in inputs.items()
    }
    return {**values, **changes}


def signature(world: World) -> Any:
    document = world.ask("GET", f"/v1/models/{PIPELINE}/metadata").json()
    return document["metadata"]["signature_def"]["signature_def"]["serving_default"]


def test_a_dropped_month_becomes_a_served_model(world: World, january: ModelDeployed) -> None:
    world.wait_for(lambda: world.predict(PIPELINE, a_flight(world)).status == 200 or None, 10)
    answer = world.predict(PIPELINE, a_flight(world))

    (probability,) = answer.json()["predictions"]
    assert 0 < probability < 1
    assert answer.headers["tidemill-model-version"] == "1" == str(january.version)


def test_every_row_is_accounted_for(world: World, january: ModelDeployed) -> None:
    ingested = world.await_event(lambda data: of(data, DatasetIngested)).data
    transformed = world.await_event(lambda data: of(data, DatasetTransformed)).data

    assert isinstance(ingested, DatasetIngested)
    assert isinstance(transformed, DatasetTransformed)
    assert ingested.rows + ingested.rows_rejected == 27_004
    assert transformed.rows_in == ingested.rows
    parts = (transformed.rows_train, transformed.rows_eval, transformed.rows_unlabelled)
    assert sum(parts) == transformed.rows_in


def test_columns_that_leak_the_answer_are_no_features(world: World, january: ModelDeployed) -> None:
    assert not signature(world)["inputs"].keys() & {
        "arr_delay",
        "dep_delay",
        "dep_time",
        "arr_time",
        "air_time",
    }


def test_the_model_is_better_than_the_base_rate(world: World, january: ModelDeployed) -> None:
    blessed = world.await_event(lambda data: of(data, ModelBlessed)).data

    assert isinstance(blessed, ModelBlessed)
    assert blessed.metrics["roc_auc"] > 0.65


def test_every_family_competed_and_is_tracked(world: World, january: ModelDeployed) -> None:
    # Runs are recorded after the verdict is told: a tracking server that is away delays no model. Two clients
    # at once cannot make the tables of a new database.
    world.wait_for(
        lambda: any(name.endswith("/recorded") for name in world.store.list(f"trainings/{PIPELINE}/")) or None
    )
    client = MlflowClient(world.platform.environment["TIDEMILL_TRACKING_URI"])
    ids = [each.experiment_id for each in client.search_experiments() if PIPELINE in each.name]
    runs = client.search_runs(ids)

    candidates = [run for run in runs if run.data.tags["tidemill.part"].startswith("candidate")]
    trials = [run for run in runs if run.data.tags["tidemill.part"].startswith("trial")]
    for tracked in (candidates, trials):
        families = [run.data.tags["tidemill.family"] for run in tracked]
        assert sorted(families) == ["boosted-trees", "deep", "linear"]
    assert all("roc_auc" in run.data.metrics for run in candidates)


@pytest.mark.parametrize("times", [5])
def test_a_notification_delivered_again_and_again_has_one_effect(
    world: World, january: ModelDeployed, times: int
) -> None:
    info = world.store.stat(layout.drop(PIPELINE, "2013-01.csv"))
    ingested = world.await_event(lambda data: of(data, DatasetIngested))
    new = ObjectFinalized(
        bucket=world.store.bucket,
        name=info.name,
        generation=info.generation,
        size_bytes=info.size_bytes,
        time=ingested.time,
        crc32c=info.crc32c,
    )
    before = len(heard(world, DatasetIngested))
    for _ in range(times):
        payload, attributes = to_message(new)
        world.publish("tidemill-objects", payload, **attributes)

    world.wait_for(lambda: len(heard(world, DatasetIngested)) >= before + times or None)
    world.wait_for(lambda: len(heard(world, ModelDeployed)) >= 1 or None)
    assert len({event.id for event in heard(world, DatasetIngested)}) == 1
    assert len(Sequence(world.store, "models", PIPELINE).numbers()) == 1


def test_the_same_month_dropped_again_is_recognised(world: World, january: ModelDeployed) -> None:
    world.drop(PIPELINE, JANUARY, "january-again.csv")
    event = world.await_event(lambda data: of(data, DropDeduplicated))

    assert isinstance(event.data, DropDeduplicated)
    assert event.data.span == 1
    assert len(Sequence(world.store, "spans", PIPELINE).numbers()) == 1


def test_the_next_month_makes_the_next_versions_and_serving_follows_the_verdict(
    world: World, january: ModelDeployed
) -> None:
    world.drop(PIPELINE, FEBRUARY, "2013-02.csv")
    verdict = world.await_event(
        lambda data: of(data, ModelBlessed, ModelRejected) and getattr(data, "dataset", 0) == 2
    ).data

    assert isinstance(verdict, ModelBlessed | ModelRejected)
    assert (verdict.version, verdict.champion) == (2, 1)
    serves = 2 if isinstance(verdict, ModelBlessed) else 1
    world.wait_for(lambda: version_serving(world) == serves or None, 30)
    transformed = [event.data for event in heard(world, DatasetTransformed)]
    assert {data.spans for data in transformed if isinstance(data, DatasetTransformed)} == {(1,), (1, 2)}


def test_the_ledger_has_every_event(world: World, january: ModelDeployed) -> None:
    files = world.store.uri("warehouse/events") + "/**/*.parquet"

    def ledger() -> set[str] | None:
        ids = {row[0] for row in duckdb.read_parquet(files).select("id").fetchall()}
        return ids if ids >= {event.id for event in world.events} else None

    assert world.wait_for(ledger, 15)


def heard(world: World, kind: type[EventData]) -> list[Any]:
    return [event for event in list(world.events) if of(event.data, kind)]


def version_serving(world: World) -> int:
    # The body is that of TF Serving; which version answered is said in a header.
    headers = world.predict(PIPELINE, a_flight(world)).headers
    return int(headers.get("tidemill-model-version", 0))


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"carrier": "ZZ"}, 200, None),
        ({"distance": float("nan")}, 200, None),
        ({"distance": "far"}, 400, "is not of expected type: float"),
        ({"carrier": 7}, 400, "is not of expected type: string"),
        ({"distance": None}, 400, "is not of expected type: float"),
        ({"colour": "blue"}, 400, "does not have named input: colour"),
    ],
)
def test_a_prediction_is_answered_or_refused_as_tf_serving_does(
    world: World, january: ModelDeployed, change: dict[str, Any], status: int, says: str | None
) -> None:
    answer = world.predict(PIPELINE, a_flight(world, **change))

    assert answer.status == status, answer.text
    if says is not None:
        assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("model", "body", "status", "says"),
    [
        ("nothing", b'{"instances": [1]}', 404, "Servable not found for request: Latest(nothing)"),
        (PIPELINE, b"", 400, "JSON Parse error: The document is empty"),
        (PIPELINE, b'{"instances": [{}]}', 400, "keys must be equal to"),
        (PIPELINE, b'{"instances": []}', 400, "No values in 'instances' array"),
        (PIPELINE, b"{}", 400, "Missing 'inputs' or 'instances' key"),
    ],
)
def test_a_wrong_request_gets_tf_servings_words(
    world: World, january: ModelDeployed, model: str, body: bytes, status: int, says: str
) -> None:
    answer = world.ask("POST", f"/v1/models/{model}:predict", body)

    assert answer.status == status
    assert says in answer.json()["error"]


def test_rows_and_columns_give_the_same_answer(world: World, january: ModelDeployed) -> None:
    row = a_flight(world)
    columns = json.dumps({"inputs": {name: [value] for name, value in row.items()}}).encode()

    by_rows = world.predict(PIPELINE, row).json()["predictions"]
    by_columns = world.ask("POST", f"/v1/models/{PIPELINE}:predict", columns).json()["outputs"]
    assert by_rows == by_columns

"""Rules of the prediction log: complete or counted, without what is restricted, and never waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import prometheus_client
import pytest
from buckets import ForgetfulStore, HangingStore
from gateways import is_ready, running_gateway, wait_until
from tiny_models import (
    Serving,
    failing,
    flights,
    half_plus,
    route,
    running_model_server,
    running_serving,
)

from tidemill_contracts import layout
from tidemill_contracts.pb.routes_pb2 import Fallback
from tidemill_contracts.recorded import LogFile, LoggedPrediction, read_predictions
from tidemill_gateway.recording.bucket import Bucket
from tidemill_gateway.recording.log_storing import LogStoring
from tidemill_runtime.folder import FolderStore

KEY = "a-key-of-this-platform"
ROW = {"carrier": "UA", "distance": 500.0, "night": True}
StartGateway = Callable[..., httpx.Client]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack: ExitStack, tmp_path: Path) -> StartGateway:
    """Start a gateway that logs into a folder: a share of the requests to all models."""
    models = {("flights", 1): flights(), ("m", 3): half_plus(2), ("broken", 1): failing("no")}
    server = stack.enter_context(running_model_server(models))
    serving = stack.enter_context(running_serving(Serving()))

    def start_gateway(share: float = 1, hidden: tuple[str, ...] = (), **changes: Any) -> httpx.Client:
        routes = [route(server, model, version) for model, version in models]
        for each in routes:
            each.log_share = share
            each.unlogged_columns.extend(hidden)
        serving.publish(*routes)
        settings = {
            "bucket_url": tmp_path.as_uri(),
            "prediction_key": KEY,
            "log_file_seconds": 0.05,
            **changes,
        }
        client = stack.enter_context(running_gateway(serving.address, **settings))
        wait_until(lambda: is_ready(client))
        return client

    return start_gateway


def logged(folder: Path) -> list[LoggedPrediction]:
    store = FolderStore(folder)
    return [line for name in store.list(layout.PREDICTIONS) for line in read_predictions(store.read(name))]


def counted(outcome: str) -> float:
    name = "tidemill_gateway_log_rows_total"
    return prometheus_client.REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0


def predict(client: httpx.Client, model: str = "flights", rows: int = 1) -> httpx.Response:
    return client.post(f"/v1/models/{model}:predict", json={"instances": [ROW] * rows})


def test_a_prediction_is_logged_with_what_was_asked_and_answered(start: StartGateway, tmp_path: Path) -> None:
    reply = predict(start(), rows=2)
    wait_until(lambda: len(logged(tmp_path)) == 1)

    [line] = logged(tmp_path)
    assert line.prediction_id == reply.headers["tidemill-prediction-id"]
    assert (line.version, line.variant, line.signature, line.code) == (1, "", "serving_default", "OK")
    assert (line.protocol, line.rows) == ("rest", 2)
    assert line.row_of(line.inputs, 1) == ROW
    assert line.outputs
    assert line.outputs["late"] == [0.5, 0.5]
    assert line.seconds < 30
    assert abs(line.predicted_at_ms / 1000 - time.time()) < 60


def test_the_name_of_a_log_says_what_is_in_it(start: StartGateway, tmp_path: Path) -> None:
    predict(start())
    wait_until(lambda: len(logged(tmp_path)) == 1)

    [name] = FolderStore(tmp_path).list(layout.PREDICTIONS)
    [line] = logged(tmp_path)
    file = LogFile.parse(name)
    assert file
    assert file.may_hold(file.gateway, line.predicted_at_ms)
    assert name == layout.prediction_log("flights", layout.hour_of(line.predicted_at_ms), file.name)


def test_requests_that_were_joined_are_logged_each_with_its_own_rows(
    start: StartGateway, tmp_path: Path
) -> None:
    client = start()
    sent = [float(number) for number in range(40)]
    threads = [
        threading.Thread(target=client.post, args=("/v1/models/m:predict",), kwargs={"json": body})
        for body in ({"instances": [number, -number]} for number in sent)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(logged(tmp_path)) == len(sent))

    for line in logged(tmp_path):
        assert line.inputs
        assert line.outputs
        [one, other] = line.inputs["x"]
        assert line.outputs["y"] == [one / 2 + 2, other / 2 + 2]


def test_restricted_columns_are_never_written(start: StartGateway, tmp_path: Path) -> None:
    predict(start(hidden=("carrier",)))
    wait_until(lambda: len(logged(tmp_path)) == 1)

    [line] = logged(tmp_path)
    assert line.inputs
    assert line.inputs.keys() == {"distance", "night"}


def test_a_failure_is_logged_with_its_code(start: StartGateway, tmp_path: Path) -> None:
    reply = start().post("/v1/models/broken:predict", json={"instances": [1.0]})
    wait_until(lambda: len(logged(tmp_path)) == 1)

    [line] = logged(tmp_path)
    assert (line.code, line.inputs, line.outputs) == ("INVALID_ARGUMENT", None, None)
    assert "tidemill-prediction-id" not in reply.headers


def test_a_static_answer_is_labelled_and_what_is_logged_is_the_failure_before_it(tmp_path: Path) -> None:
    settings = {"bucket_url": tmp_path.as_uri(), "prediction_key": KEY}
    body = {"instances": [2.0]}
    with running_serving(Serving()) as serving:
        with running_model_server({("m", 3): half_plus(2)}) as server, ExitStack() as stack:
            fallback = Fallback(answer='{"y": 0.25}')
            serving.publish(route(server, "m", 3, log_share=1, fallback=fallback))
            client = stack.enter_context(running_gateway(serving.address, **settings))
            wait_until(lambda: is_ready(client))
            answered = client.post("/v1/models/m:predict", json=body)
            rest = stack.pop_all()
        with rest:
            static = client.post("/v1/models/m:predict", json=body)

    assert static.json() == {"predictions": [0.25]}
    assert static.headers["tidemill-fallback"] == "answer"
    assert not {"tidemill-prediction-id", "tidemill-model-version"} & static.headers.keys()
    first, second = sorted(logged(tmp_path), key=lambda line: line.predicted_at_ms)
    assert (first.code, first.prediction_id) == ("OK", answered.headers["tidemill-prediction-id"])
    assert (second.code, second.version, second.outputs) == ("UNAVAILABLE", 3, None)


def test_all_answers_have_an_id_and_a_share_of_them_is_logged(start: StartGateway, tmp_path: Path) -> None:
    client = start(share=0.5)
    ids = [predict(client).headers["tidemill-prediction-id"] for _ in range(60)]
    wait_until(lambda: 5 < len(logged(tmp_path)) < 55)

    assert len(set(ids)) == 60
    assert {line.prediction_id for line in logged(tmp_path)} < set(ids)


def test_without_a_key_there_are_no_ids_and_no_log(start: StartGateway, tmp_path: Path) -> None:
    reply = predict(start(prediction_key=None))

    assert reply.status_code == 200
    assert "tidemill-prediction-id" not in reply.headers
    assert FolderStore(tmp_path).list("") == []


def test_what_is_put_aside_is_stored_before_the_gateway_ends(
    tmp_path: Path, start: StartGateway, stack: ExitStack
) -> None:
    client = start(log_file_seconds=3600)
    for _ in range(20):
        predict(client)
    stack.close()

    assert len(logged(tmp_path)) == 20


def test_a_bucket_that_hangs_costs_no_request_and_every_row_is_counted_once(
    start: StartGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HangingStore(tmp_path)
    monkeypatch.setattr("tidemill_gateway.recording.wiring.open_store", lambda _url: store)
    client = start(log_max_bytes=4000)
    before = counted("logged"), counted("dropped")

    slowest = max(predict(client, rows=3).elapsed.total_seconds() for _ in range(100))
    wait_until(lambda: counted("dropped") > before[1])
    time.sleep(0.2)
    dropped = counted("dropped") - before[1]
    assert slowest < 5
    assert dropped % 3 == 0
    assert counted("logged") == before[0]

    store.answers.set()
    wait_until(lambda: counted("logged") - before[0] + dropped == 300)
    assert sum(line.rows for line in logged(tmp_path)) == 300 - dropped


async def test_a_file_whose_answer_was_lost_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill_gateway.recording.log_storing.RETRY_SECONDS", (0.01, 0.01))
    storing = LogStoring(Bucket(lambda: ForgetfulStore(tmp_path)), 1000)
    before = counted("logged"), counted("dropped")

    assert storing.reserve(3)
    storing.store("predictions/m/h/a.jsonl.gz", bytearray(b"{}\n"), 1)
    wait_until(lambda: counted("logged") > before[0])
    await storing.close(5)

    assert FolderStore(tmp_path).list("") == ["predictions/m/h/a.jsonl.gz"]
    assert (counted("logged"), counted("dropped")) == (before[0] + 1, before[1])


async def test_what_is_not_stored_when_the_gateway_ends_was_dropped(tmp_path: Path) -> None:
    store = HangingStore(tmp_path)
    storing = LogStoring(Bucket(lambda: store), 1000)
    before = counted("dropped")

    storing.store("predictions/m/h/a.jsonl.gz", bytearray(b"{}\n"), 5)
    await storing.close(0.05)

    assert counted("dropped") == before + 5
    store.answers.set()

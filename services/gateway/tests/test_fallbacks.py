"""Rules of fallbacks: callers get an answer, it is marked, and the version that failed is blamed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from gateways import is_ready, running_app, running_gateway, wait_until
from releases import Behaving, released
from tiny_models import ModelServer, Serving, half_plus, route, running_model_server, running_serving

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.pb import routes_pb2
from tidemill_contracts.pb.routes_pb2 import Fallback
from tidemill_gateway import answering

PREDICT = "/v1/models/m:predict"
BODY = {"instances": [2.0]}
Start = Callable[..., httpx.Client]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serving(stack: ExitStack) -> Serving:
    return stack.enter_context(running_serving(Serving()))


@pytest.fixture
def stable() -> Behaving:
    return Behaving(1)


@pytest.fixture
def candidate() -> Behaving:
    return Behaving(2)


@pytest.fixture
def server(stack: ExitStack, stable: Behaving, candidate: Behaving) -> ModelServer:
    models = {("m", 1): stable.model(), ("m", 2): candidate.model()}
    server = stack.enter_context(running_model_server(models))
    stack.callback(stable.hangs.set)
    stack.callback(candidate.hangs.set)
    return server


@pytest.fixture
def start(stack: ExitStack, serving: Serving) -> Start:
    def start_gateway(**changes: Any) -> httpx.Client:
        client = stack.enter_context(running_gateway(serving.address, **changes))
        wait_until(lambda: is_ready(client))
        return client

    return start_gateway


def said(response: httpx.Response) -> tuple[Any, str | None, str | None, str | None]:
    """Return the prediction, and which version, variant and fallback it is said to be of."""
    headers = response.headers
    return (
        response.json().get("predictions", [None])[0],
        headers.get("tidemill-model-version"),
        headers.get("tidemill-variant"),
        headers.get("tidemill-fallback"),
    )


def test_a_version_that_answers_is_named_with_its_variant(
    serving: Serving, server: ModelServer, start: Start
) -> None:
    serving.publish(released(server, 0.5))
    client = start()

    replies = {said(client.post(PREDICT, json=BODY)) for _ in range(40)}

    assert replies == {(1.0, "1", "stable", None), (2.0, "2", "canary", None)}


@pytest.mark.parametrize(
    "error", [RuntimeError("broken"), ValueError("a refusal that may be the caller's fault")]
)
def test_what_a_candidate_fails_the_stable_version_answers(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving, error: Exception
) -> None:
    candidate.error = error
    serving.publish(released(server, 1))
    client = start()

    replies = {said(client.post(PREDICT, json=BODY)) for _ in range(4)}
    wait_until(lambda: serving.codes(2).total() == 4)

    assert replies == {(1.0, "1", "stable", "previous")}
    assert serving.codes(2)["OK"] == 0
    assert serving.codes(1).total() == 0


def test_a_request_that_every_version_refuses_is_nobodys_fault(
    serving: Serving, server: ModelServer, start: Start
) -> None:
    serving.publish(released(server, 1))
    client = start()

    replies = [client.post(PREDICT, json={"instances": [-1.0]}) for _ in range(20)]
    fine = client.post(PREDICT, json=BODY)
    wait_until(lambda: serving.codes(2)["OK"] == 1)

    assert {reply.status_code for reply in replies} == {400}
    assert said(fine) == (2.0, "2", "canary", None)
    assert serving.codes(2) == {"OK": 1}


def test_a_candidates_answer_that_is_no_number_is_replaced_and_counted(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    candidate.answers_nan = True
    serving.publish(released(server, 1))
    client = start()

    replies = {said(client.post(PREDICT, json=BODY)) for _ in range(3)}
    wait_until(lambda: serving.codes(2)["OK"] == 3)

    assert replies == {(1.0, "1", "stable", "previous")}
    assert sum(each.unsound for each in serving.observed(2)) == 3
    assert all(not each.answers for each in serving.observed(2))


def test_nan_that_every_version_answers_is_an_answer(
    serving: Serving, server: ModelServer, start: Start, stable: Behaving, candidate: Behaving
) -> None:
    stable.answers_nan = candidate.answers_nan = True
    serving.publish(released(server, 1))
    client = start()

    replies = [client.post(PREDICT, json=BODY) for _ in range(20)]

    assert {reply.text for reply in replies} == {'{"predictions":[NaN]}'}
    assert candidate.calls == 20


def test_a_candidate_that_hangs_is_given_half_of_the_time(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    candidate.hangs.clear()
    serving.publish(released(server, 1))
    client = start(predict_timeout_seconds=8)

    reply = client.post(PREDICT, json=BODY)

    assert said(reply) == (1.0, "1", "stable", "previous")
    assert reply.elapsed.total_seconds() > 3.5


def test_a_candidate_that_goes_on_failing_is_spared_nine_of_ten_requests_until_it_recovers(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    candidate.error = RuntimeError("broken")
    serving.publish(released(server, 1))
    client = start()

    replies = {said(client.post(PREDICT, json=BODY)) for _ in range(105)}
    calls = candidate.calls
    wait_until(lambda: sum(each.diverted for each in serving.observed(2)) == 90)
    candidate.error = None
    for _ in range(400):
        client.post(PREDICT, json=BODY)

    assert replies == {(1.0, "1", "stable", "previous")}
    assert calls == 15
    assert said(client.post(PREDICT, json=BODY)) == (2.0, "2", "canary", None)


def test_what_the_breaker_knows_outlives_tables_that_say_the_same_and_no_others(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    candidate.error = RuntimeError("broken")
    serving.publish(released(server, 1))
    client = start()
    for _ in range(5):
        client.post(PREDICT, json=BODY)

    serving.publish(released(server, 1), route(server, "other", 1))
    wait_until(lambda: "other" in client.get("/v1/models").json()["models"])
    client.post(PREDICT, json=BODY)
    spared = candidate.calls
    serving.publish(released(server, 1, release=8))
    wait_until(lambda: "other" not in client.get("/v1/models").json()["models"])
    client.post(PREDICT, json=BODY)

    assert (spared, candidate.calls) == (5, 6)


def test_a_version_or_label_that_is_asked_for_is_never_replaced(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    candidate.error = RuntimeError("broken")
    serving.publish(released(server, 0.5, fallback=Fallback(version=1, answer='{"y": 0}')))
    client = start()

    by_number = client.post("/v1/models/m/versions/2:predict", json=BODY)
    by_label = client.post("/v1/models/m/labels/canary:predict", json=BODY)
    stable = {said(client.post("/v1/models/m/versions/1:predict", json=BODY)) for _ in range(20)}
    time.sleep(0.7)

    assert (by_number.status_code, by_label.status_code) == (500, 500)
    assert stable == {(1.0, "1", None, None)}
    assert serving.reports == []


def test_the_stable_version_has_the_one_before_behind_it(
    serving: Serving, server: ModelServer, start: Start, stable: Behaving
) -> None:
    stable.error = RuntimeError("broken")
    serving.publish(released(server, 0, variants=[], release=0, fallback=Fallback(version=2)))
    client = start()

    replies = {said(client.post(PREDICT, json=BODY)) for _ in range(30)}
    refused = client.post(PREDICT, json={"instances": ["text"]})
    wait_until(lambda: serving.codes(1).total() == stable.calls)

    assert replies == {(2.0, "2", None, "previous")}
    assert refused.status_code == 400
    assert stable.calls < 15
    assert serving.codes(1) == {"UNKNOWN": stable.calls}


def test_a_caller_who_is_wrong_is_told_so_without_asking_another_version(
    serving: Serving, server: ModelServer, start: Start, candidate: Behaving
) -> None:
    serving.publish(
        released(server, 0, variants=[], release=0, fallback=Fallback(version=2, answer='{"y": 0}'))
    )
    client = start()

    reply = client.post(PREDICT, json={"instances": [-1.0]})

    assert (reply.status_code, candidate.calls) == (400, 0)


ANSWERS: list[tuple[str, Any, Any]] = [
    ("m:predict", {"instances": [2.0, 3.0]}, {"predictions": [0.25, 0.25]}),
    ("m:predict", {"inputs": {"x": [1.0, 2.0, 3.0]}}, {"outputs": [0.25, 0.25, 0.25]}),
    ("m:regress", {"examples": [{"x": 1.0}, {"x": 2.0}]}, {"results": [0.25, 0.25]}),
    ("m:classify", {"examples": [{"x": 1.0}]}, {"results": [[["false", 0.75], ["true", 0.25]]]}),
]


def test_the_static_answer_is_given_for_every_row_when_nobody_answers(
    stack: ExitStack, serving: Serving, start: Start
) -> None:
    with running_model_server({("m", 1): half_plus(1)}) as server:
        serving.publish(route(server, "m", 1, fallback=Fallback(answer='{"y": 0.25}')))
        client = start()
        assert said(client.post(PREDICT, json=BODY)) == (2.0, "1", None, None)

    replies = [client.post(f"/v1/models/{path}", json=body) for path, body, _ in ANSWERS]
    tensor = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1.0, 2.0]}
    open_inference = client.post("/v2/models/m/infer", json={"inputs": [tensor]})

    assert [reply.json() for reply in replies] == [answer for _, _, answer in ANSWERS]
    assert {reply.headers.get("tidemill-fallback") for reply in [*replies, open_inference]} == {"answer"}
    assert {reply.headers.get("tidemill-model-version") for reply in replies} == {None}
    assert open_inference.json()["outputs"][0]["data"] == [0.25, 0.25]


@pytest.mark.parametrize("answer", ['{"z": 1}', '{"y": "text"}', "[]", '{"y": 1, "z": 2}'])
def test_a_static_answer_that_does_not_fit_the_model_is_not_given(
    serving: Serving, start: Start, answer: str
) -> None:
    with running_model_server({("m", 1): half_plus(1)}) as server:
        serving.publish(route(server, "m", 1, fallback=Fallback(answer=answer)))
        client = start()
        client.post(PREDICT, json=BODY)

    reply = client.post(PREDICT, json=BODY)

    assert (reply.status_code, reply.json()["error"]) == (503, "Model server of m is unavailable")


def ask_over_grpc(address: str, key: str = "") -> tuple[float, dict[str, str]]:
    """Return the answer to 2.0, and what is said of it beside."""
    request = tfserving.PredictRequest(model_spec={"name": "m"})
    request.inputs["x"].CopyFrom(tensors.to_proto(np.array([2.0], np.float32)))
    with grpc.insecure_channel(address) as channel:
        predict = tfserving.PredictionServiceStub(channel).Predict
        response, call = predict.with_call(request, timeout=10, metadata=[("tidemill-key", key)])
    return float(tensors.to_array(response.outputs["y"])[0]), dict(call.trailing_metadata())


def test_grpc_has_the_same_fallbacks_and_says_so_in_trailing_metadata(
    stack: ExitStack, serving: Serving, server: ModelServer, candidate: Behaving
) -> None:
    candidate.error = RuntimeError("broken")
    serving.publish(released(server, 1))
    client, app = stack.enter_context(running_app(serving.address))
    wait_until(lambda: is_ready(client))

    answer, said_beside = ask_over_grpc(app.grpc_server.address)

    assert answer == 1.0
    assert said_beside["tidemill-fallback"] == "previous"
    assert (said_beside["tidemill-model-version"], said_beside["tidemill-variant"]) == ("1", "stable")


def test_a_key_meets_the_same_version_over_every_protocol(
    stack: ExitStack, serving: Serving, server: ModelServer
) -> None:
    serving.publish(released(server, 0.5, split=routes_pb2.STICKY, split_key="tidemill-key"))
    client, app = stack.enter_context(running_app(serving.address))
    wait_until(lambda: is_ready(client))
    keys = [f"user-{n}" for n in range(20)]

    over_rest = [said(client.post(PREDICT, json=BODY, headers={"Tidemill-Key": key}))[0] for key in keys]
    over_grpc = [ask_over_grpc(app.grpc_server.address, key)[0] for key in keys]

    assert over_rest == over_grpc
    assert set(over_rest) == {1.0, 2.0}


def test_no_request_fails_while_a_candidate_comes_and_goes(
    serving: Serving, server: ModelServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How soon the next table comes is up to this machine.
    monkeypatch.setattr(answering, "SWITCH_SECONDS", 25)
    serving.publish(released(server, 0.5))
    client = start(predict_timeout_seconds=30)
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=40) as mine:
            while not stop.is_set():
                statuses.append(mine.post(PREDICT, json=BODY).status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        candidate = server.models.pop(("m", 2))
        time.sleep(0.1)
        serving.publish(route(server, "m", 1))
        time.sleep(0.1)
        server.models["m", 2] = candidate
        serving.publish(released(server, 0.5))
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join(10)

    assert set(statuses) == {200}

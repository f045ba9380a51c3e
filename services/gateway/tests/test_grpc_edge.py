"""What every gRPC method has in common: admission, deadlines, limits and the words for faults."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from gateways import is_ready, running_app, wait_until
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts import grpc_health, oip, tensors, tfserving
from tidemill_contracts.api_keys import ApiKeys, Role, new_key
from tidemill_gateway.app import create_app
from tidemill_gateway.errors import Code
from tidemill_gateway.settings import Settings
from tidemill_runtime.rpc import frames

NOW = datetime(2026, 1, 1, tzinfo=UTC)
X = {"name": "x", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [2]}}


@contextmanager
def channel_to_gateway(model_server: ModelServer, **changes: Any) -> Iterator[grpc.Channel]:
    serving = Serving()
    serving.publish(*(route(model_server, model, 1) for model in ("flights", "slow", "pairs", "echo_float")))
    with (
        running_serving(serving),
        running_app(serving.address, **changes) as (client, app),
        grpc.insecure_channel(app.grpc_server.address) as channel,
    ):
        wait_until(lambda: is_ready(client))
        yield channel


def outcome(call: Any, request: Any, *metadata: tuple[str, str], timeout_seconds: float = 5) -> Any:
    """Return the code of a call, and its trailing metadata."""
    try:
        _, state = call.with_call(request, timeout=timeout_seconds, metadata=metadata)
    except grpc.RpcError as error:
        state = error
    return state.code().name, {item.key: str(item.value) for item in state.trailing_metadata()}


def test_keys_guard_every_service_and_their_lack_has_a_reason(
    model_server: ModelServer, tmp_path: Path
) -> None:
    key, kept = new_key("shop", frozenset({Role.PREDICT}), NOW)
    (tmp_path / "keys.json").write_text(ApiKeys(keys=(kept,)).model_dump_json())
    predict = tfserving.PredictRequest(model_spec={"name": "echo_float"})
    predict.inputs["x"].CopyFrom(tensors.to_proto(np.ones(1, np.float32)))
    infer = oip.ModelInferRequest(model_name="echo_float", inputs=[X])
    with channel_to_gateway(model_server, api_keys_file=tmp_path / "keys.json") as channel:
        calls = [
            (tfserving.PredictionServiceStub(channel).Predict, predict),
            (oip.GrpcInferenceServiceStub(channel).ModelInfer, infer),
            (oip.GrpcInferenceServiceStub(channel).ServerMetadata, oip.ServerMetadataRequest()),
        ]
        without = [outcome(*call) for call in calls]
        by_key = [outcome(*call, ("x-api-key", key))[0] for call in calls]
        by_bearer = [outcome(*call, ("authorization", f"Bearer {key}"))[0] for call in calls]
        health = outcome(grpc_health.HealthStub(channel).Check, grpc_health.HealthCheckRequest())

    assert [code for code, _ in without] == ["UNAUTHENTICATED"] * 3
    assert {trailing["tidemill-reason"] for _, trailing in without} == {"credentials-missing"}
    assert by_key == by_bearer == ["OK"] * 3
    assert health[0] == "OK"


def test_a_caller_is_shown_no_models_that_it_may_not_use(model_server: ModelServer, tmp_path: Path) -> None:
    shop, kept_shop = new_key("shop", frozenset({Role.PREDICT}), NOW, models=frozenset({"flights"}))
    other, kept_other = new_key("other", frozenset({Role.PREDICT}), NOW)
    (tmp_path / "keys.json").write_text(ApiKeys(keys=(kept_shop, kept_other)).model_dump_json())

    def shown(service: oip.GrpcInferenceServiceStub, key: str) -> tuple[int, int]:
        metadata = (("x-api-key", key),)
        stats = service.ModelStatistics(oip.ModelStatisticsRequest(), timeout=20, metadata=metadata)
        index = service.RepositoryIndex(oip.RepositoryIndexRequest(), timeout=20, metadata=metadata)
        return len(stats.model_stats), len(index.models)

    with channel_to_gateway(model_server, api_keys_file=tmp_path / "keys.json") as channel:
        service = oip.GrpcInferenceServiceStub(channel)
        of_shop, of_other = shown(service, shop), shown(service, other)

    assert of_shop == (1, 1)
    assert of_other == (4, 4)


def test_a_quota_says_when_to_come_again(model_server: ModelServer, tmp_path: Path) -> None:
    key, kept = new_key("shop", frozenset({Role.PREDICT}), NOW, quota_per_second=0.01, burst=1)
    (tmp_path / "keys.json").write_text(ApiKeys(keys=(kept,)).model_dump_json())
    request = oip.ModelInferRequest(model_name="echo_float", inputs=[X])
    with channel_to_gateway(model_server, api_keys_file=tmp_path / "keys.json") as channel:
        call = oip.GrpcInferenceServiceStub(channel).ModelInfer
        first, second = (outcome(call, request, ("x-api-key", key)) for _ in range(2))

    assert first[0] == "OK"
    assert second[0] == "RESOURCE_EXHAUSTED"
    assert 1 < int(second[1]["retry-after"]) <= 100


@pytest.mark.parametrize(
    ("header", "timeout_seconds", "code"),
    [
        pytest.param(("tidemill-timeout-ms", "100"), 5, "DEADLINE_EXCEEDED", id="header"),
        pytest.param(("tidemill-timeout-ms", "4000"), 0.1, "DEADLINE_EXCEEDED", id="call"),
        pytest.param(("tidemill-timeout-ms", "4000"), 5, "OK", id="neither"),
        pytest.param(("tidemill-timeout-ms", "soon"), 5, "INVALID_ARGUMENT", id="no number"),
    ],
)
def test_the_least_of_all_deadlines_holds(
    channel: grpc.Channel, header: tuple[str, str], timeout_seconds: float, code: str
) -> None:
    stub = oip.GrpcInferenceServiceStub(channel)
    request = oip.ModelInferRequest(model_name="slow", inputs=[X])

    assert outcome(stub.ModelInfer, request, header, timeout_seconds=timeout_seconds)[0] == code


def test_a_message_beyond_the_limit_is_refused(model_server: ModelServer) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1000]}
    request = oip.ModelInferRequest(model_name="echo_float", inputs=[x], raw_input_contents=[bytes(4000)])
    with channel_to_gateway(model_server, max_body_bytes=2000) as channel:
        code, _ = outcome(oip.GrpcInferenceServiceStub(channel).ModelInfer, request)

    assert code == "RESOURCE_EXHAUSTED"


def test_what_fails_for_all_at_once_is_not_logged_for_each(model_server: ModelServer) -> None:
    serving, away = Serving(), route(model_server, "m", 1)
    away.address = "127.0.0.1:1"
    serving.publish(away)
    request = oip.ModelInferRequest(model_name="m", inputs=[X])
    with (
        running_serving(serving),
        running_app(serving.address) as (client, app),
        grpc.insecure_channel(app.grpc_server.address) as channel,
        capture_logs() as lines,
    ):
        wait_until(lambda: is_ready(client))
        infer = oip.GrpcInferenceServiceStub(channel).ModelInfer
        codes = {outcome(infer, request, timeout_seconds=30)[0] for _ in range(100)}

    assert codes == {"UNAVAILABLE"}
    assert 0 < sum(line.get("code") is Code.UNAVAILABLE for line in lines) < 50


def test_no_two_gateways_share_a_port() -> None:
    async def serve(port: int) -> None:
        settings = Settings(grpc_port=port, metrics_port=0, rest_port=0)
        async with create_app(settings).grpc_server.running():
            pass

    with running_app("127.0.0.1:1") as (_client, app):
        port = int(app.grpc_server.address.rpartition(":")[2])
        with pytest.raises(RuntimeError, match=f"127.0.0.1:{port}"):
            asyncio.run(serve(port))


def test_an_answer_names_version_and_request_and_the_trace_goes_on(
    channel: grpc.Channel, model_server: ModelServer
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    request = oip.ModelInferRequest(model_name="echo_float", inputs=[X])
    headers = ("tidemill-request-id", "mine"), ("traceparent", trace)

    code, trailing = outcome(oip.GrpcInferenceServiceStub(channel).ModelInfer, request, *headers)

    assert code == "OK"
    assert (trailing["tidemill-request-id"], trailing["tidemill-model-version"]) == ("mine", "1")
    assert ("traceparent", trace) in model_server.seen_metadata


def test_answers_and_refusals_are_measured_as_grpc_and_oip(channel: grpc.Channel) -> None:
    def count(**labels: str) -> float:
        labels = {"variant": "", "protocol": "grpc", "api": "oip", **labels}
        return REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) or 0

    answered = {"model": "echo_float", "version": "1", "signature": "serving_default", "code": "OK"}
    guessed = {"model": "__unknown__", "version": "", "signature": "__unknown__", "code": "NOT_FOUND"}
    before = count(**answered), count(**guessed)

    for model in ("echo_float", "guess"):
        request = oip.ModelInferRequest(model_name=model, inputs=[X])
        outcome(oip.GrpcInferenceServiceStub(channel).ModelInfer, request)

    assert (count(**answered), count(**guessed)) == (before[0] + 1, before[1] + 1)


def test_nobodys_message_is_waited_for_unless_they_are_known(
    model_server: ModelServer, tmp_path: Path
) -> None:
    key, kept = new_key("shop", frozenset({Role.PREDICT}), NOW)
    (tmp_path / "keys.json").write_text(ApiKeys(keys=(kept,)).model_dump_json())
    infer, check = f"/{oip.SERVICE}/ModelInfer", f"/{grpc_health.SERVICE}/Check"
    watch = f"/{grpc_health.SERVICE}/Watch"
    done = threading.Event()

    def no_message() -> Iterator[bytes]:
        done.wait(60)
        yield b""

    with channel_to_gateway(model_server, api_keys_file=tmp_path / "keys.json") as channel:
        unknown = outcome(channel.stream_unary(infer), no_message(), timeout_seconds=30)
        missing = outcome(channel.stream_unary(f"/{oip.SERVICE}/Guess"), no_message(), timeout_seconds=30)
        known = outcome(channel.stream_unary(infer), no_message(), ("x-api-key", key), timeout_seconds=1)
        health = outcome(channel.stream_unary(check), no_message(), timeout_seconds=30)
        watching: Any = channel.stream_stream(watch)
        watched = watching(no_message(), timeout=30)
        first = grpc_health.HealthCheckResponse.FromString(next(watched))
        watched.cancel()
        done.set()

    assert (unknown[0], unknown[1]["tidemill-reason"]) == ("UNAUTHENTICATED", "credentials-missing")
    assert missing[0] == "UNAUTHENTICATED"
    assert known[0] == "DEADLINE_EXCEEDED"
    assert health[0] == "OK"
    assert first == grpc_health.HealthCheckResponse(status="SERVING")


def test_no_more_than_64_kib_of_a_message_are_asked_for_unread() -> None:
    with running_app("127.0.0.1:1") as (_client, app):
        host, _, port = app.grpc_server.address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), 20) as connection,
            connection.makefile("rb") as reader,
        ):
            connection.sendall(frames.PREFACE + frames.settings({}))
            high, low, kind, *_ = frames.HEAD.unpack(reader.read(frames.HEAD_BYTES))
            settings = frames.read_settings(reader.read(high << 16 | low))

    assert kind == frames.SETTINGS
    assert settings.get(frames.Setting.INITIAL_WINDOW_SIZE, frames.DEFAULT_WINDOW) <= 65_535

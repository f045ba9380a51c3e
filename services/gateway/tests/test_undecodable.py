"""Bytes that are no message of the method's type are refused as such, over either protocol of gRPC."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from gateways import is_ready, running_app, wait_until
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts import oip


@pytest.fixture(scope="module")
def channel(model_server: ModelServer) -> Iterator[grpc.Channel]:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving), running_app(serving.address) as (client, app):
        wait_until(lambda: is_ready(client))
        with grpc.insecure_channel(app.grpc_server.address) as channel:
            yield channel


@pytest.mark.parametrize(
    "method",
    [
        "/tensorflow.serving.PredictionService/Predict",
        "/tensorflow.serving.ModelService/GetModelStatus",
        "/inference.GRPCInferenceService/ModelInfer",
    ],
)
def test_bytes_that_are_no_message_are_an_invalid_argument_t30_v21(
    channel: grpc.Channel, method: str
) -> None:
    ask: Any = channel.unary_unary(method)

    with pytest.raises(grpc.RpcError) as refused:
        ask(b"\x0a\xff", timeout=10)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Error parsing message" in str(refused.value.details())


def test_a_stream_goes_on_after_bytes_that_are_no_message_v21(channel: grpc.Channel) -> None:
    right = oip.ModelInferRequest(model_name="half_plus_two")
    right.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents.append(2.0)
    stream: Any = channel.stream_stream(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        response_deserializer=oip.ModelStreamInferResponse.FromString,
    )

    refused, answered = stream(iter([b"\x0a\xff", right.SerializeToString()]), timeout=10)

    assert "Error parsing message" in refused.error_message
    assert list(answered.infer_response.outputs[0].contents.fp32_contents) == [3.0]

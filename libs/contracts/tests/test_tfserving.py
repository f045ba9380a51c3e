"""The light TensorFlow Serving messages: same wire as the official ones, no TensorFlow, no collisions."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import text_format

from tidemill_contracts import tfserving

IMPORTS = {
    "ours first": "from tidemill_contracts import tfserving; tfserving.PredictRequest()\n"
    "from tensorflow_serving.apis import predict_pb2",
    "theirs first": "from tensorflow_serving.apis import predict_pb2; predict_pb2.PredictRequest()\n"
    "from tidemill_contracts import tfserving",
}
# Without Keras, which is not needed here, TensorFlow is imported in half the time.
WITHOUT_KERAS = "import sys; sys.modules['keras'] = None\n"
SAME_BYTES = """
def build(request):
    request.model_spec.name = "m"
    request.model_spec.version.value = 7
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=2)
    request.inputs["x"].float_val.extend([1.5, -2.5])
    request.output_filter.append("y")
    return request.SerializeToString(deterministic=True)
assert build(predict_pb2.PredictRequest()) == build(tfserving.PredictRequest())
official = predict_pb2.PredictRequest.FromString(build(tfserving.PredictRequest()))
assert official.inputs["x"].float_val == [1.5, -2.5]
assert tfserving.PredictRequest is not predict_pb2.PredictRequest
"""


class Doubler:
    """A servicer with one of the five methods."""

    def Predict(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the service's own name
        return tfserving.PredictResponse(model_spec={"name": request.model_spec.name * 2})


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((tfserving.prediction_service_handlers(Doubler()),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait(5)


@pytest.mark.parametrize("order", IMPORTS)
def test_the_official_messages_can_be_imported_beside_ours_and_have_the_same_bytes(order: str) -> None:
    pytest.importorskip("tensorflow_serving")
    code = WITHOUT_KERAS + IMPORTS[order] + SAME_BYTES
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert done.returncode == 0


def test_using_the_messages_does_not_import_tensorflow() -> None:
    code = (
        "import sys; from tidemill_contracts import tensors, tfserving\n"
        "tensors.to_array(tensors.to_proto([1.0])); assert 'tensorflow' not in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0


def test_a_signature_map_travels_inside_any() -> None:
    sent = tfserving.SignatureDefMap()
    sent.signature_def["serving_default"].inputs["x"].dtype = tfserving.DataType.Value("DT_FLOAT")
    response = tfserving.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(sent)

    read = tfserving.SignatureDefMap()
    assert (
        tfserving.GetModelMetadataResponse.FromString(response.SerializeToString())
        .metadata["signature_def"]
        .Unpack(read)
    )
    assert read == sent


def test_a_server_configuration_reads_from_its_text_form() -> None:
    text = 'model_config_list { config { name: "m" base_path: "/m" model_version_policy { all {} } } }'
    config = text_format.Parse(text, tfserving.ModelServerConfig())

    assert config.model_config_list.config[0].model_version_policy.WhichOneof("policy_choice") == "all"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchMessage"):
        tfserving.NoSuchMessage  # noqa: B018


def test_a_blocking_client_reaches_a_servicer(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        reply = tfserving.PredictionServiceStub(channel).Predict(
            tfserving.PredictRequest(model_spec={"name": "ab"}), timeout=5
        )

    assert reply.model_spec.name == "abab"


async def test_an_asyncio_client_reaches_a_servicer(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        reply = await tfserving.PredictionServiceStub(channel).Predict(
            tfserving.PredictRequest(model_spec={"name": "ab"}), timeout=5
        )

    assert reply.model_spec.name == "abab"


def test_a_method_the_servicer_lacks_is_unimplemented(address: str) -> None:
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as failure:
        tfserving.PredictionServiceStub(channel).Classify(tfserving.ClassificationRequest(), timeout=5)

    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED

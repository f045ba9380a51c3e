"""The messages of the Open Inference Protocol and of health checks: numbers, and names that never collide."""

import subprocess
import sys

import pytest

from tidemill_contracts import grpc_health, oip

# What a public client does that brings its own copy of a protocol, under the same names.
BESIDE = """
from importlib import resources
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tidemill_contracts import {module}
{module}.{message}()
data = resources.files("tidemill_contracts").joinpath("pb/{file}").read_bytes()
[copy] = FileDescriptorSet.FromString(data).file
copy.name = "another/copy.proto"
descriptor_pool.Default().AddSerializedFile(copy.SerializeToString())
descriptor_pool.Default().FindMessageTypeByName("{package}.{message}")
{module}.{message}()
"""


@pytest.mark.parametrize(
    ("module", "file", "package", "message"),
    [
        ("oip", "oip.binpb", "inference", "ModelInferRequest"),
        ("grpc_health", "grpc_health.binpb", "grpc.health.v1", "HealthCheckRequest"),
    ],
)
def test_another_copy_can_be_loaded_in_the_same_process(
    module: str, file: str, package: str, message: str
) -> None:
    code = BESIDE.format(module=module, file=file, package=package, message=message)

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_inference_has_the_bytes_that_the_protocol_says() -> None:
    request = oip.ModelInferRequest(
        model_name="m",
        model_version="1",
        id="i",
        inputs=[{"name": "x", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [5]}}],
        outputs=[{"name": "y"}],
    )

    contents = b"\x2a\x03\x12\x01\x05"
    tensor = b"\x0a\x01x\x12\x04INT8\x1a\x01\x01" + contents
    expected = b"\x0a\x01m\x12\x011\x1a\x01i\x2a" + bytes([len(tensor)]) + tensor + b"\x32\x03\x0a\x01y"
    assert request.SerializeToString(deterministic=True) == expected


@pytest.mark.parametrize(
    ("message", "field", "number"),
    [
        ("ModelInferRequest", "raw_input_contents", 7),
        ("ModelInferResponse", "raw_output_contents", 6),
        ("InferTensorContents", "bytes_contents", 8),
        ("InferParameter", "uint64_param", 5),
        ("ModelConfig", "backend", 17),
        ("ModelStatistics", "inference_stats", 6),
    ],
)
def test_fields_have_the_protocols_numbers(message: str, field: str, number: int) -> None:
    assert getattr(oip, message).DESCRIPTOR.fields_by_name[field].number == number


def test_a_name_that_is_no_messages_is_told() -> None:
    with pytest.raises(
        AttributeError, match=r"expected the name of a message or enum in oip\.binpb, received"
    ):
        oip.Guess  # noqa: B018 - the access itself
    with pytest.raises(AttributeError, match=r"grpc_health\.binpb"):
        grpc_health.Guess  # noqa: B018

"""What the codecs of the Open Inference Protocol promise for every tensor and for every body."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tidemill_contracts import oip
from tidemill_gateway.calls import Call
from tidemill_gateway.errors import Refused
from tidemill_gateway.grpc_server.infer_request import read_message
from tidemill_gateway.grpc_server.infer_response import write_message
from tidemill_gateway.oip.binary import read_binary, write_binary
from tidemill_gateway.oip.datatypes import named
from tidemill_gateway.oip.raw_request import raw_request
from tidemill_gateway.oip.request import read_request
from tidemill_gateway.oip.response import write_response
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.signatures import Signature, tensor_spec

NUMBERS = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
TYPES = {"FP32": "float", "FP64": "double", "FP16": "half"}
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn, datatypes: Sequence[str] = tuple(NUMBERS)) -> tuple[str, Any]:
    datatype = draw(st.sampled_from(list(datatypes)))
    elements: Any = None
    if datatype.startswith("FP"):
        width = int(datatype[2:])
        elements = st.floats(width=width, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    return datatype, draw(arrays.arrays(NUMBERS[datatype], SHAPES, elements=elements))


def signature(datatype: str, shape: tuple[int, ...] | None = None) -> Signature:
    spec = tensor_spec(TYPES.get(datatype, datatype.lower()), shape)
    return Signature("serving_default", {"x": spec}, {"x": spec})


def a_call() -> Call:
    return Call(ModelRef("m"), "rest", "oip", "id", 0.0, version="1")


@given(tensors())
def test_bytes_give_the_same_tensor_again_v9(tensor: tuple[str, Any]) -> None:
    datatype, array = named(tensor[0], "x"), tensor[1]

    again = read_binary(memoryview(write_binary(array, datatype)), datatype, array.shape, "x")

    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()


@given(st.lists(st.binary(max_size=5), max_size=6))
def test_strings_give_the_same_strings_again_v9(strings: list[bytes]) -> None:
    datatype, array = named("BYTES", "x"), np.array([*strings, None], object)[:-1]

    data = write_binary(array, datatype)

    assert read_binary(memoryview(data), datatype, array.shape, "x").tolist() == strings


@given(tensors([name for name in NUMBERS if name != "FP16"]), st.booleans())
def test_json_gives_the_same_tensor_again_flat_or_nested_v5(tensor: tuple[str, Any], nested: bool) -> None:  # noqa: FBT001
    datatype, array = tensor
    is_nested = nested and array.ndim > 0 and array.size > 0
    data = array.tolist() if is_nested else array.ravel().tolist()
    entry = {"name": "x", "datatype": datatype, "shape": list(array.shape), "data": data}
    request = read_request(json.dumps({"inputs": [entry]}).encode(), None)

    read = request.read(signature(datatype))
    body, _ = write_response(request, a_call(), read, allow_nan=False)

    [output] = orjson.loads(body)["outputs"]
    assert read["x"].tobytes() == array.tobytes()
    assert np.array(output["data"], NUMBERS[datatype]).tobytes() == array.tobytes()
    assert output["shape"] == list(array.shape)


@given(tensors([name for name in NUMBERS if name != "FP16"]))
def test_messages_give_the_same_tensor_again_v22(tensor: tuple[str, Any]) -> None:
    datatype, array = tensor
    field = named(datatype, "x").contents
    contents = {field: array.ravel().tolist()}
    x = {"name": "x", "datatype": datatype, "shape": array.shape, "contents": contents}
    request = read_message(oip.ModelInferRequest(inputs=[x]))

    read = request.read(signature(datatype))
    message = write_message(request, a_call(), read)

    assert read["x"].tobytes() == array.tobytes()
    values = getattr(message.outputs[0].contents, field)
    assert np.array(values, NUMBERS[datatype]).tobytes() == array.tobytes()


GOOD = {
    "id": "a",
    "parameters": {"timeout": 5, "binary_data_output": True},
    "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1.5, 2]}],
    "outputs": [{"name": "x", "parameters": {"binary_data": False}}],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
PLACES = (
    ("id",),
    ("parameters",),
    ("parameters", "timeout"),
    ("inputs",),
    ("inputs", 0),
    *(("inputs", 0, key) for key in ("name", "shape", "datatype", "data", "parameters")),
    ("outputs",),
    ("outputs", 0),
    ("outputs", 0, "name"),
    ("outputs", 0, "parameters"),
    ("outputs", 0, "parameters", "binary_data"),
)


def with_another(place: tuple[str | int, ...], value: object) -> Any:
    document: Any = json.loads(json.dumps(GOOD))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return document


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_whatever_stands_in_a_request_it_is_read_or_refused_v8(
    place: tuple[str | int, ...], value: object
) -> None:
    body = json.dumps(with_another(place, value)).encode()

    with suppress(Refused):
        read_request(body, None).read(signature("FP32"))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.binary(max_size=8))
def test_whatever_bytes_come_they_are_read_or_refused_v8_v9(noise: bytes, at: int, middle: bytes) -> None:
    text = json.dumps(GOOD).encode()
    for body, length in ((noise, None), (noise, at), (text[:at] + middle + text[at:], at or None)):
        with suppress(Refused):
            read_request(body, length).read(signature("FP32"))
        with suppress(Refused):
            raw_request(body).read(signature("FP32", (-1, 2)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 80))
def test_whatever_message_comes_it_is_read_or_refused_v21(noise: bytes, at: int) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [1, 2]}}
    data = oip.ModelInferRequest(model_name="m", inputs=[x]).SerializeToString()
    with suppress(Refused, DecodeError):
        message = oip.ModelInferRequest.FromString(data[:at] + noise + data[at:])
        read_message(message).read(signature("FP32"))


@pytest.mark.parametrize("value", [1e39, -1e39, 3.5e38])
def test_a_number_beyond_float32_is_refused_among_others_and_beside_nan_v8(value: float) -> None:
    entry = {"name": "x", "datatype": "FP32", "shape": [3], "data": [float("nan"), value, 1.0]}

    with pytest.raises(Refused, match="expected FP32 values"):
        read_request(json.dumps({"inputs": [entry]}).encode(), None)


def test_large_numbers_whose_sum_is_beyond_float32_are_taken_v8() -> None:
    entry = {"name": "x", "datatype": "FP32", "shape": [2], "data": [3e38, 3e38]}

    read = read_request(json.dumps({"inputs": [entry]}).encode(), None).read(signature("FP32"))

    assert read["x"].tolist() == np.array([3e38, 3e38], np.float32).tolist()

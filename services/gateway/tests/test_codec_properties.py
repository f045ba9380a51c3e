"""Rules of the codec for every input: exact in both directions, and never a failure of its own."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from tidemill_gateway import tensor_rules
from tidemill_gateway.documents import parse
from tidemill_gateway.errors import Refused
from tidemill_gateway.examples import read_examples
from tidemill_gateway.predict_request import read_inputs, signature_name
from tidemill_gateway.predict_response import write_outputs
from tidemill_gateway.quoting import quoted
from tidemill_gateway.signatures import Signature, tensor_spec

DTYPES = {"float": "f4", "double": "f8", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
          "uint8": "u1", "uint32": "u4", "uint64": "u8", "bool": "?"}  # fmt: skip
TYPE_NAMES = sorted([*DTYPES, "string", "half"])

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text | st.just({"b64": "aGk="})
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "instances": json_values | st.lists(json_values),
        "inputs": json_values,
        "signature_name": scalars,
        "examples": st.lists(json_values),
        "context": json_values,
    },
)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, NDArray[Any]]:
    """A type that JSON carries, with a batch of it; shapes are such that lists of lists show them."""
    name = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(arrays.array_shapes(max_dims=3, max_side=4))
    return name, draw(arrays.arrays(DTYPES[name], shape))


def signature(**inputs: str) -> Signature:
    return Signature("serving_default", {alias: tensor_spec(name) for alias, name in inputs.items()})


def read(document: Any, known: Signature) -> Mapping[str, NDArray[Any]]:
    return read_inputs(parse(json.dumps(document).encode()), known).tensors


@given(tensors(), st.sampled_from(["instances", "inputs"]))
def test_a_tensor_survives_json_exactly(tensor: tuple[str, NDArray[Any]], key: str) -> None:
    type_name, array = tensor

    received = read({key: array.tolist()}, signature(x=type_name))["x"]

    assert received.dtype == array.dtype
    assert_array_equal(received, array, strict=True)


@given(tensors())
@example(("float", np.array([9e6, 3e-5, -0.0, np.nan, np.inf, 0.1, 16777216], "f4")))
def test_json_gives_the_written_tensor_back(tensor: tuple[str, NDArray[Any]]) -> None:
    _, array = tensor

    (written,) = json.loads(write_outputs({"y": array}, by_row=True)).values()

    with np.errstate(over="ignore"):
        assert_array_equal(np.array(written, array.dtype), array, strict=True)


@given(st.floats(width=32))
def test_float32_is_written_as_a_float_with_no_digits_of_float64(value: float) -> None:
    number = np.float32(value)

    written = write_outputs({"y": np.array(number)}, by_row=False).decode()

    text = written.removeprefix('{"outputs":').removesuffix("}")
    assert any(mark in text for mark in (".", "e", "NaN", "Infinity"))
    assert text == f"{number:g}" or len(text) <= max(len(str(number)), len("-Infinity"))


@given(arrays.arrays("O", arrays.array_shapes(max_dims=3, max_side=3), elements=text))
def test_text_survives_json_exactly(array: NDArray[Any]) -> None:
    received = read({"instances": array.tolist()}, signature(x="string"))["x"]
    encoded = np.frompyfunc(str.encode, 1, 1)(received)
    (written,) = json.loads(write_outputs({"y": np.asarray(encoded, object)}, by_row=True)).values()

    assert received.tolist() == array.tolist()
    assert written == array.tolist()


@given(st.lists(st.tuples(text, st.floats(width=32), st.booleans()), min_size=1, max_size=5))
def test_rows_and_columns_are_the_same_tensors(rows: list[tuple[str, float, bool]]) -> None:
    names = ("a", "b", "c")
    known = signature(a="string", b="float", c="bool")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))

    by_row = read({"instances": [dict(zip(names, row, strict=True)) for row in rows]}, known)

    for name, column in read({"inputs": columns}, known).items():
        assert_array_equal(by_row[name], column, strict=True)


def outcome(reading: Callable[[], Mapping[str, NDArray[Any]]]) -> Any:
    try:
        return {
            name: (str(tensor.dtype), tensor.shape, repr(tensor.tolist()))
            for name, tensor in reading().items()
        }
    except Refused as refusal:
        return refusal.code, refusal.message


@given(
    st.lists(json_values, min_size=1, max_size=4),
    st.sampled_from(TYPE_NAMES),
    st.sampled_from([("a",), ("a", "b")]),
)
@example([{"a": 1}, {"a": 2.5}], "float", ("a",))
@example([[1], [2, 3]], "int64", ("a",))
@example([[], []], "half", ("a",))
@example([{"b64": "aGk="}], "string", ("a", "b"))
def test_the_fast_way_agrees_with_the_rules(rows: list[Any], type_name: str, names: tuple[str, ...]) -> None:
    known = signature(**dict.fromkeys(names, type_name))
    document = parse(json.dumps({"instances": rows}).encode())

    fast = outcome(lambda: read_inputs(document, known).tensors)

    with np.errstate(over="ignore"):
        assert fast == outcome(lambda: tensor_rules.read_rows(document["instances"], known))


@given(json_values, st.sampled_from(TYPE_NAMES), st.sampled_from([("a",), ("a", "b")]))
def test_the_fast_way_agrees_with_the_rules_for_columns(
    value: Any, type_name: str, names: tuple[str, ...]
) -> None:
    known = signature(**dict.fromkeys(names, type_name))
    document = parse(json.dumps({"inputs": value}).encode())

    fast = outcome(lambda: read_inputs(document, known).tensors)

    with np.errstate(over="ignore"):
        assert fast == outcome(lambda: tensor_rules.read_columns(document["inputs"], known))


def refuse_or_read(body: bytes, known: Signature) -> None:
    with suppress(Refused):
        document = parse(body)
        signature_name(document)
        read_inputs(document, known)
    with suppress(Refused):
        read_examples(parse(body))


def test_base64_is_a_value_even_for_an_input_of_that_name() -> None:
    received = read({"instances": [{"b64": "aGk="}]}, signature(b64="string"))

    assert received["b64"].tolist() == [b"hi"]


@given(documents | json_values, st.sampled_from(TYPE_NAMES))
def test_any_json_is_read_or_refused(document: Any, type_name: str) -> None:
    refuse_or_read(json.dumps(document).encode(), signature(a=type_name, b="string"))


@given(st.binary() | st.text('{}[]":,.0123456789-+eENaIfinty tr\\ud8').map(str.encode))
@example(b'{"a": ' + b"1" * 5000 + b"}")
@example(b'{"a": NaN, "b": ' + b"[" * 990 + b"]" * 990 + b"}")
@example(b'{"instances": [' + b"[" * 200_000)
@example(b'{"a": -')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    refuse_or_read(body, signature(a="float"))


@given(json_values)
def test_a_quotation_is_the_beginning_of_the_value(value: Any) -> None:
    quotation = quoted(value)

    assert len(quotation.encode()) <= 256
    if len(quotation.encode()) < 250:
        assert json.dumps(json.loads(quotation)) == json.dumps(value)

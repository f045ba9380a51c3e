"""numpy <-> TensorProto: round trips, TensorFlow's own forms, and honest refusals."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving

NUMERIC = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
DT = tfserving.DataType.Value


def sent_and_read(array: NDArray[Any]) -> NDArray[Any]:
    return tensors.to_array(tfserving.TensorProto.FromString(tensors.to_proto(array).SerializeToString()))


def assert_same(read: NDArray[Any], array: NDArray[Any]) -> None:
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)


@given(hnp.arrays(st.sampled_from(NUMERIC).map(np.dtype), SHAPES))
def test_numbers_survive_the_round_trip(array: NDArray[Any]) -> None:
    assert_same(sent_and_read(array), array)


@given(hnp.arrays(np.dtype(object), SHAPES, elements=st.binary(max_size=8)))
def test_byte_strings_survive_the_round_trip(array: NDArray[Any]) -> None:
    assert_same(sent_and_read(array), array)


@pytest.mark.parametrize("values", [["é", "b"], np.array(["é", "b"]), np.array(["é", b"b"], object)])
def test_text_is_sent_as_utf8(values: Any) -> None:
    assert tensors.to_array(tensors.to_proto(values)).tolist() == ["é".encode(), b"b"]


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3).T, np.array([1, 2], ">i4"), np.arange(9)[::2]])
def test_memory_layout_does_not_matter(array: NDArray[Any]) -> None:
    np.testing.assert_array_equal(sent_and_read(array), array)


@pytest.mark.parametrize("code", NUMERIC)
@pytest.mark.parametrize("shape", [(), (1,), (0, 2), (2, 3)])
def test_tensorflow_and_we_read_each_other(code: str, shape: tuple[int, ...]) -> None:
    tf = pytest.importorskip("tensorflow")
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(code)

    ours = tf.make_tensor_proto(0)
    ours.ParseFromString(tensors.to_proto(array).SerializeToString())
    assert_same(tf.make_ndarray(ours), array)
    theirs = tfserving.TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString())
    assert_same(tensors.to_array(theirs), array)


def test_tensorflow_and_we_read_each_others_strings() -> None:
    tf = pytest.importorskip("tensorflow")
    array = np.array([[b"a", b"\xff"], [b"", b"abc"]], object)

    ours = tf.make_tensor_proto("")
    ours.ParseFromString(tensors.to_proto(array).SerializeToString())
    assert_same(tf.make_ndarray(ours), array)
    theirs = tfserving.TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString())
    assert_same(tensors.to_array(theirs), array)


@pytest.mark.parametrize(
    ("dtype", "field", "values", "expected"),
    [
        ("DT_FLOAT", "float_val", [1.5], [1.5, 1.5, 1.5]),
        ("DT_FLOAT", "float_val", [1.5, 2], [1.5, 2, 2]),
        ("DT_FLOAT", "float_val", [], [0, 0, 0]),
        ("DT_DOUBLE", "double_val", [0.1], [0.1] * 3),
        ("DT_INT8", "int_val", [-1, 2, 3], [-1, 2, 3]),
        ("DT_UINT16", "int_val", [65535], [65535] * 3),
        ("DT_INT64", "int64_val", [2**62], [2**62] * 3),
        ("DT_UINT32", "uint32_val", [2**32 - 1], [2**32 - 1] * 3),
        ("DT_UINT64", "uint64_val", [2**64 - 1], [2**64 - 1] * 3),
        ("DT_BOOL", "bool_val", [True, False], [True, False, False]),
        ("DT_HALF", "half_val", [0x3C00, 0x4000], [1, 2, 2]),
        ("DT_COMPLEX64", "scomplex_val", [1, 2], [1 + 2j] * 3),
        ("DT_COMPLEX128", "dcomplex_val", [1, 2, 3, 4], [1 + 2j, 3 + 4j, 3 + 4j]),
        ("DT_STRING", "string_val", [b"a", b"b"], [b"a", b"b", b"b"]),
        ("DT_STRING", "string_val", [], [b"", b"", b""]),
    ],
)
def test_short_value_lists_repeat_their_last_value(
    dtype: str, field: str, values: list[Any], expected: list[Any]
) -> None:
    proto = tfserving.TensorProto(dtype=DT(dtype), tensor_shape={"dim": [{"size": 3}]}, **{field: values})

    assert tensors.to_array(proto).tolist() == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dtype": 1, "tensor_content": b"abc"}, r"expected 8 bytes .* shape \[2\], received 3"),
        ({"dtype": 1, "float_val": [1, 2, 3]}, "expected at most 2 values for the shape, received 3"),
        ({"dtype": 4, "int_val": [256]}, "expected int_val to hold values of uint8"),
        ({"dtype": 8, "scomplex_val": [1, 2, 3]}, "expected scomplex_val to hold values of complex64"),
        ({"dtype": 7, "tensor_content": b"a"}, "expected strings in string_val"),
        ({"dtype": 20}, "received DT_RESOURCE"),
        ({"dtype": 0}, "received DT_INVALID"),
        ({"dtype": 999}, "received data type 999"),
        ({"dtype": 1, "tensor_shape": {"unknown_rank": True}}, "unknown rank"),
        ({"dtype": 1, "tensor_shape": {"dim": [{"size": -1}]}}, r"received \[-1\]"),
        ({"dtype": 1, "tensor_shape": {"dim": [{"size": 2**40}]}, "float_val": [1]}, "received 1"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(fields: dict[str, Any], reason: str) -> None:
    proto = tfserving.TensorProto(**{"tensor_shape": {"dim": [{"size": 2}]}, **fields})

    with pytest.raises(tensors.TensorError, match=reason):
        tensors.to_array(proto)


@pytest.mark.parametrize(
    "values",
    [np.array(["2020-01-01"], "M8[D]"), np.zeros(1, [("a", "f4")]), np.zeros(1, [("a", "f2")]), [1, None]],
)
def test_values_that_are_no_tensor_are_refused(values: Any) -> None:
    with pytest.raises(tensors.TensorError, match=r"expected (str|a bool)"):
        tensors.to_proto(values)


def test_bfloat16_is_carried_as_its_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([[1, -2], [0.5, np.inf]], ml_dtypes.bfloat16)

    proto = tensors.to_proto(values)

    assert (proto.dtype, proto.tensor_content) == (14, values.tobytes())
    assert np.array_equal(tensors.to_array(proto).view(ml_dtypes.bfloat16), values)
    assert tensors.to_proto(tensors.to_array(proto)) == proto


def test_a_short_list_of_bfloat16_repeats_its_last_value() -> None:
    proto = tfserving.TensorProto(dtype=14, half_val=[1, 2], tensor_shape={"dim": [{"size": 4}]})

    assert tensors.to_array(proto).view(np.uint16).tolist() == [1, 2, 2, 2]


@settings(max_examples=300)
@given(
    st.sampled_from([1, 3, 4, 7, 8, 9, 10, 19, 23]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=70),
    st.binary(max_size=9),
    st.lists(st.integers(0, 2**31 - 1), max_size=3),
)
def test_any_message_reads_or_is_refused(
    dtype: int, sizes: list[int], content: bytes, ints: list[int]
) -> None:
    proto = tfserving.TensorProto(
        dtype=dtype,
        tensor_shape={"dim": [{"size": size} for size in sizes]},
        tensor_content=content,
        int_val=ints,
        half_val=ints,
    )

    try:
        array = tensors.to_array(proto)
    except tensors.TensorError:
        return
    assert list(array.shape) == sizes

"""From tensors to a predict response's JSON.

A float is the shortest text that gives the same float32 or float64 again, and keeps `.0` when it is whole;
NaN and infinities are the bare tokens that TensorFlow Serving writes. Objects have their names in order.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill_gateway.errors import invalid

_WRITABLE = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8", "b1", "O"}
_TYPE_NAMES = {"float16": "half", "void16": "bfloat16"}


def write_outputs(outputs: Mapping[str, NDArray[Any]], *, by_row: bool) -> bytes:
    """Return `{"predictions": [...]}` or `{"outputs": ...}`; one output is bare, several are objects.

    Strings are object arrays of `bytes`. Raises Refused when the outputs cannot be written this way.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    named = sorted(outputs.items())
    if by_row:
        _check_rows(named)
        if len(named) > 1:
            return predictions_text(_row_objects(named))
        return b'{"predictions":%b}' % _text(*named[0])
    return b'{"outputs":%b}' % columns_text(outputs)


def columns_text(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the text of all outputs, whole: one is bare, several are an object."""
    named = sorted(outputs.items())
    columns = [_text(name, tensor) for name, tensor in named]
    return columns[0] if len(named) == 1 else _object_template(named) % tuple(columns)


def row_texts(outputs: Mapping[str, NDArray[Any]], rows: int) -> list[bytes] | None:
    """Return the text of each row's prediction; None unless every output has just one part for each row."""
    if not outputs or any(tensor.ndim == 0 or len(tensor) != rows for tensor in outputs.values()):
        return None
    named = sorted(outputs.items())
    return _rows(*named[0]) if len(named) == 1 else _row_objects(named)


def predictions_text(rows: Sequence[bytes]) -> bytes:
    """Return the answer to a request for some rows."""
    return b'{"predictions":[%b]}' % b",".join(rows)


def write_float32s(values: Sequence[float]) -> list[bytes]:
    """Return the text of each value, as a float32."""
    return _rows("", np.array(values, np.float32)) if values else []


def _check_rows(named: Sequence[tuple[str, NDArray[Any]]]) -> None:
    rows = None
    for name, tensor in named:
        if tensor.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows is not None and len(tensor) != rows:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: {rows}")
        rows = len(tensor)


def _row_objects(named: Sequence[tuple[str, NDArray[Any]]]) -> list[bytes]:
    template = _object_template(named)
    columns = [_rows(name, tensor) for name, tensor in named]
    return [template % row for row in zip(*columns, strict=True)]


def _rows(name: str, tensor: NDArray[Any]) -> list[bytes]:
    if tensor.ndim == 1 and tensor.size and tensor.dtype.kind != "O":
        return _text(name, tensor)[1:-1].split(b",")
    # A slice, not an index: an index would unwrap the bytes of a string.
    shape = tensor.shape[1:]
    return [_text(name, tensor[row : row + 1].reshape(shape)) for row in range(len(tensor))]


def _object_template(named: Sequence[tuple[str, NDArray[Any]]]) -> bytes:
    names = [orjson.dumps(name).replace(b"%", b"%%") for name, _ in named]
    return b"{%b}" % b",".join(b"%b:%%b" % name for name in names)


def _text(name: str, tensor: NDArray[Any]) -> bytes:
    code = tensor.dtype.str[1:]
    if code not in _WRITABLE:
        type_name = _TYPE_NAMES.get(tensor.dtype.name, tensor.dtype.name)
        raise invalid(f"Failed to write JSON value for tensor type: {type_name}")
    if code == "O":
        return _strings(tensor, as_bytes=name.endswith("_bytes"))
    if tensor.dtype.kind == "f" and not _is_plain(tensor):
        return _nested([_float_text(value) for value in tensor.ravel()], tensor.shape).encode()
    return orjson.dumps(tensor if tensor.ndim else tensor[()], option=orjson.OPT_SERIALIZE_NUMPY)


def _is_plain(array: NDArray[Any]) -> bool:
    """Whether all values are finite and written without an exponent: then orjson writes them the same."""
    size = np.abs(array)
    return bool((((size >= 1e-4) & (size < 999999.5)) | (size == 0)).all())


def _float_text(value: np.floating[Any]) -> str:
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if type(value)(text) != value:
        text = str(value)
    return text if "." in text or "e" in text else f"{text}.0"


def _nested(texts: list[str], shape: tuple[int, ...]) -> str:
    for size in reversed(shape):
        texts = [f"[{','.join(texts[begin : begin + size])}]" for begin in range(0, len(texts), size)]
    return texts[0]


def _strings(tensor: NDArray[Any], *, as_bytes: bool) -> bytes:
    written = np.empty(tensor.size, np.object_)
    try:
        written[:] = [_base64(item) if as_bytes else item.decode() for item in tensor.ravel()]
    except UnicodeDecodeError as error:
        raise invalid("Failed to write JSON value for tensor type: string") from error
    return orjson.dumps(written.reshape(tensor.shape).tolist())


def _base64(item: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(item).decode()}

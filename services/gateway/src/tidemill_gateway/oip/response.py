"""An inference response: JSON, with binary tensors behind it where they are wanted."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill_gateway.calls import Arrays, Call
from tidemill_gateway.errors import invalid
from tidemill_gateway.oip.binary import write_binary
from tidemill_gateway.oip.datatypes import Datatype, of_output
from tidemill_gateway.oip.request import InferRequest


def write_response(
    request: InferRequest, call: Call, outputs: Arrays, *, allow_nan: bool
) -> tuple[bytes, int | None]:
    """Return the body, and how many bytes of it are JSON: None when all of it is.

    Raises Refused when JSON cannot carry an output; `allow_nan` lets NaN and infinities pass as bare tokens.
    """
    blobs: list[bytes] = []
    entries = [_entry(name, array, request, blobs, allow_nan=allow_nan) for name, array in outputs.items()]
    document: dict[str, Any] = {"model_name": call.ref.name, "model_version": call.version}
    if request.id is not None:
        document["id"] = request.id
    text = _dumped(document | {"outputs": entries})
    return (b"".join([text, *blobs]), len(text)) if blobs else (text, None)


def _entry(
    name: str, array: NDArray[Any], request: InferRequest, blobs: list[bytes], *, allow_nan: bool
) -> Mapping[str, Any]:
    datatype = of_output(name, array)
    entry: dict[str, Any] = {"name": name, "datatype": datatype.name, "shape": array.shape}
    if not request.is_binary(name):
        return entry | {"data": _data(name, array, datatype, allow_nan=allow_nan)}
    blobs.append(write_binary(array, datatype))
    return entry | {"parameters": {"binary_data_size": len(blobs[-1])}}


def _data(name: str, array: NDArray[Any], datatype: Datatype, *, allow_nan: bool) -> Any:
    if not datatype.json_types:
        raise _unwritable(name, datatype.name)
    if datatype.name == "BYTES":
        try:
            return [item.decode() for item in array.ravel()]
        except UnicodeDecodeError as error:
            raise _unwritable(name, "BYTES that are not UTF-8") from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if not allow_nan:
            raise _unwritable(name, "NaN or infinite")
        # The text of a float32 is shorter than that of the same value as a Python float.
        return orjson.Fragment(json.dumps([float(str(value)) for value in array.ravel()]))
    return np.ascontiguousarray(array.ravel())


def _unwritable(name: str, kind: str) -> Exception:
    hint = ", or send the query allow_nan=true" if kind.startswith("NaN") else ""
    return invalid(
        f'output "{name}" is {kind}, which JSON cannot carry: ask for it with the parameter binary_data{hint}'
    )


def _dumped(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)

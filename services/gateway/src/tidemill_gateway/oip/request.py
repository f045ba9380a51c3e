"""An inference request, read from JSON with binary tensors behind it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import invalid
from tidemill_gateway.oip import parameters as read_parameters
from tidemill_gateway.oip.binary import read_binary
from tidemill_gateway.oip.datatypes import Datatype, named, shown
from tidemill_gateway.oip.json_data import read_data
from tidemill_gateway.oip.shapes import read_shape
from tidemill_gateway.quoting import json_type
from tidemill_gateway.signatures import Signature
from tidemill_gateway.tensor_checks import Declared, check_inputs


class Tensors:
    """Inputs as they were sent."""

    def __init__(self) -> None:
        self._declared: dict[str, Declared] = {}
        self._arrays: dict[str, NDArray[Any]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def add(self, name: str, datatype: Datatype, array: NDArray[Any]) -> None:
        """Take one more."""
        self._declared[name] = Declared(datatype.type_name, array.shape)
        self._arrays[name] = array

    def read(self, signature: Signature) -> Arrays:
        """Return the arrays; raises Refused unless the signature takes them."""
        check_inputs(self._declared, signature, shown)
        return self._arrays


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What is asked.

    `id` is None when none was given. `read` returns the inputs for the signature of the version that
    answers, and raises Refused. `wanted` are outputs, empty for all; `binary` says which of them go back as
    bytes, `binary_by_default` what holds for the others. `timeout_seconds` None: the gateway's own.
    """

    id: str | None
    signature: str
    read: Callable[[Signature], Arrays]
    wanted: Sequence[str] = ()
    binary: Mapping[str, bool] | None = None
    binary_by_default: bool = False
    timeout_seconds: float | None = None

    def is_binary(self, output: str) -> bool:
        """Say whether an output goes back as bytes."""
        return (self.binary or {}).get(output, self.binary_by_default)


# What is beyond float32 is an error of its own, not a warning in our log.
@np.errstate(over="ignore")
def read_request(body: bytes, json_bytes: int | None) -> InferRequest:
    """Return what a body asks; its first `json_bytes` are JSON, None: all of them. Raises Refused."""
    end = len(body) if json_bytes is None else json_bytes
    if end > len(body):
        raise invalid(f"expected a body of at least {end} bytes of JSON, received {len(body)}")
    document = parse_object(body[:end])
    parameters = _object(document.get("parameters", {}), "parameters")
    wanted, binary = _outputs(document.get("outputs", []))
    read_parameters.check_priority(parameters)
    return InferRequest(
        id=_id(document),
        signature=read_parameters.read_signature(parameters),
        read=_inputs(document, memoryview(body)[end:]).read,
        wanted=wanted,
        binary=binary,
        binary_by_default=read_parameters.read_flag(parameters, "binary_data_output", default=False),
        timeout_seconds=read_parameters.read_timeout(parameters),
    )


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object; NaN and infinities may stand in it as Python writes them. Raises Refused."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as refused:
        try:
            document = json.loads(text.decode())
            # What cannot be sent back, such as half of a surrogate pair, is not JSON either.
            json.dumps(document, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise invalid(f"expected a JSON object, received what cannot be parsed: {refused}") from refused
    if type(document) is not dict:
        raise invalid(f"expected a JSON object, received {json_type(document)}")
    return document


def _id(document: Mapping[str, Any]) -> str | None:
    given = document.get("id")
    if given is not None and type(given) is not str:
        raise invalid(f'expected "id" to be a string, received {json_type(given)}')
    return given


def _inputs(document: Mapping[str, Any], blob: memoryview) -> Tensors:
    entries = document.get("inputs")
    if type(entries) is not list or not entries:
        raise invalid('expected "inputs" to be a list of at least one tensor')
    tensors = Tensors()
    begin = 0
    for entry in entries:
        name, parameters = _named(entry, "inputs")
        if name in tensors:
            raise invalid(f'expected each input once, received "{name}" twice')
        datatype = named(entry.get("datatype"), name)
        shape = read_shape(entry.get("shape"), name)
        size = _binary_size(parameters, name) if parameters else None
        if size is None:
            array = read_data(entry.get("data"), datatype, shape, name)
        else:
            array = _binary(entry, blob[begin : begin + size], size, datatype, shape)
            begin += size
        tensors.add(name, datatype, array)
    if begin != len(blob):
        raise invalid(f"expected {begin} bytes of binary tensors behind the JSON, received {len(blob)}")
    return tensors


def _binary_size(parameters: Mapping[str, Any], tensor: str) -> int | None:
    read_parameters.refuse_unsupported(parameters, tensor)
    return read_parameters.read_size(parameters, "binary_data_size")


def _binary(
    entry: Mapping[str, Any], data: memoryview, size: int, datatype: Datatype, shape: tuple[int, ...]
) -> NDArray[Any]:
    name = entry["name"]
    if "data" in entry:
        raise invalid(f'expected "{name}" to have either data or binary_data_size, received both')
    if len(data) != size:
        raise invalid(f'expected {size} bytes of "{name}" behind the JSON, received {len(data)}')
    return read_binary(data, datatype, shape, name)


def _outputs(entries: Any) -> tuple[Sequence[str], Mapping[str, bool]]:
    if type(entries) is not list:
        raise invalid(f'expected "outputs" to be a list, received {json_type(entries)}')
    wanted, binary = [], {}
    for entry in entries:
        name, parameters = _named(entry, "outputs")
        read_parameters.refuse_unsupported(parameters, name)
        if "binary_data" in parameters:
            binary[name] = read_parameters.read_flag(parameters, "binary_data", default=False)
        wanted.append(name)
    return wanted, binary


def _named(entry: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    name = _object(entry, place).get("name")
    if type(name) is not str:
        raise invalid(f'expected each of "{place}" to have a "name", received {json_type(name)}')
    parameters = entry.get("parameters")
    return name, {} if parameters is None else _object(parameters, f'the parameters of "{name}"')


def _object(value: Any, place: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise invalid(f"expected {place} to be a JSON object, received {json_type(value)}")
    return value

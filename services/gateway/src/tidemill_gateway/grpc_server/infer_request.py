"""ModelInferRequest: tensors in typed lists, or raw beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_gateway.errors import invalid
from tidemill_gateway.oip import parameters as read_parameters
from tidemill_gateway.oip.binary import read_binary
from tidemill_gateway.oip.datatypes import Datatype, named
from tidemill_gateway.oip.request import InferRequest, Tensors
from tidemill_gateway.oip.shapes import check_count, read_shape


def read_message(message: Any) -> InferRequest:
    """Return what a ModelInferRequest asks; outputs go back raw if the inputs came raw. Raises Refused."""
    parameters = read_values(message.parameters)
    read_parameters.check_priority(parameters)
    for output in message.outputs:
        read_parameters.refuse_unsupported(read_values(output.parameters), output.name)
    return InferRequest(
        id=message.id,
        signature=read_parameters.read_signature(parameters),
        read=_inputs(message).read,
        wanted=[output.name for output in message.outputs],
        binary_by_default=bool(message.raw_input_contents),
        timeout_seconds=read_parameters.read_timeout(parameters),
    )


def read_values(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return parameters as JSON would carry them."""
    chosen = {name: (each, each.WhichOneof("parameter_choice")) for name, each in parameters.items()}
    return {name: getattr(each, choice) for name, (each, choice) in chosen.items() if choice}


def _inputs(message: Any) -> Tensors:
    raw, entries = message.raw_input_contents, message.inputs
    if not entries:
        raise invalid("expected at least one input, received none")
    if raw and len(raw) != len(entries):
        raise invalid(f"expected raw_input_contents for {len(entries)} inputs, received {len(raw)}")
    tensors = Tensors()
    for number, entry in enumerate(entries):
        if entry.name in tensors:
            raise invalid(f'expected each input once, received "{entry.name}" twice')
        if entry.parameters:
            read_parameters.refuse_unsupported(read_values(entry.parameters), entry.name)
        datatype = named(entry.datatype, entry.name)
        shape = read_shape(list(entry.shape), entry.name)
        if not raw:
            array = _typed(entry, datatype, shape)
        elif entry.HasField("contents"):
            raise invalid(f'expected "{entry.name}" in raw_input_contents or in contents, received both')
        else:
            array = read_binary(memoryview(raw[number]), datatype, shape, entry.name)
        tensors.add(entry.name, datatype, array)
    return tensors


def _typed(entry: Any, datatype: Datatype, shape: tuple[int, ...]) -> NDArray[Any]:
    if not datatype.contents:
        raise invalid(f'expected "{entry.name}" in raw_input_contents: contents cannot carry {datatype.name}')
    for field, values in entry.contents.ListFields():
        if field.name != datatype.contents:
            raise invalid(
                f'expected "{entry.name}" in {datatype.contents} for {datatype.name}, '
                f"received {len(values)} values in {field.name}"
            )
    values = getattr(entry.contents, datatype.contents)
    check_count(len(values), shape, entry.name)
    try:
        return np.array(values, datatype.dtype).reshape(shape)
    except OverflowError as error:
        raise invalid(f'expected {datatype.name} values of "{entry.name}": {error}') from error

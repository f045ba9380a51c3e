"""A request that is nothing but the bytes of a model's only input: a batch of one."""

from math import prod

from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.oip.binary import read_binary
from tidemill_gateway.oip.datatypes import Datatype, of_type
from tidemill_gateway.oip.request import InferRequest
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, Signature, TensorSpec


def raw_request(body: bytes) -> InferRequest:
    """Return the request; all outputs go back as bytes."""

    def read(signature: Signature) -> Arrays:
        required = [name for name in signature.inputs if name not in signature.optional]
        if len(required) != 1:
            raise invalid(f"expected a model with one input for a raw request, this one has {len(required)}")
        return _input(required[0], signature.inputs[required[0]], body)

    return InferRequest(id=None, signature=DEFAULT_SIGNATURE, read=read, binary_by_default=True)


def _input(name: str, spec: TensorSpec, body: bytes) -> Arrays:
    datatype = of_type(spec.type_name)
    if datatype is None:
        raise Refused(
            Code.UNIMPLEMENTED, f'input "{name}" is {spec.type_name}, for which there is no datatype'
        )
    if datatype.name == "BYTES":
        # The whole body is one string, without its length.
        body = len(body).to_bytes(4, "little") + body
    shape = _shape(name, spec, datatype, body)
    return {name: read_binary(memoryview(body), datatype, shape, name)}


def _shape(name: str, spec: TensorSpec, datatype: Datatype, body: bytes) -> tuple[int, ...]:
    if spec.shape is None:
        raise invalid(f'expected "{name}" to have a known number of dimensions for a raw request')
    shape = [1 if size == -1 else size for size in spec.shape[:1]] + list(spec.shape[1:])
    if shape.count(-1) > 1:
        raise invalid(
            f'expected "{name}" to have one open dimension for a raw request, it has {shape.count(-1)}'
        )
    if -1 in shape:
        known = prod(size for size in shape if size != -1)
        count = 1 if datatype.name == "BYTES" else len(body) // datatype.dtype.itemsize
        shape[shape.index(-1)] = count // known if known else 0
    return tuple(shape)

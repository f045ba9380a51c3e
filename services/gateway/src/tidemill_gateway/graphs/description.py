"""What a graph takes and gives, found out from its models: it is run on no rows, with their types."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.graph_nodes import REQUEST, ModelNode, RouterNode
from tidemill_contracts.graph_spec import split_reference
from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.graphs.operations import TYPES
from tidemill_gateway.graphs.plan import Plan
from tidemill_gateway.graphs.run import OutputNames, execute
from tidemill_gateway.signatures import (
    DEFAULT_SIGNATURE,
    ModelInfo,
    Signature,
    TensorSpec,
    model_info,
)

# Stands for a size that a model leaves open: nobody has so many values a row by intent.
OPEN_SIZE = 1_000_003
METHOD = "tensorflow/serving/predict"

# By node that asks a model.
Signatures = Mapping[str, Signature]


@dataclass(frozen=True)
class Description:
    """A graph with the models it has now. `output_names` are those of its routers."""

    info: ModelInfo
    output_names: OutputNames


async def describe(plan: Plan, signatures: Signatures) -> Description:
    """Derive the signature of a graph; raises Refused when nodes and models do not fit together."""
    inputs = {name: _empty(spec) for name, spec in _inputs(plan, signatures).items()}
    names: dict[str, frozenset[str]] = {}

    async def ask(name: str, _node: ModelNode, given: Arrays, request: Arrays) -> Arrays:
        chosen_inputs(signatures[name], given, request)
        return {output: _empty(spec) for output, spec in signatures[name].outputs.items()}

    async def observe(name: str, work: Callable[[], Awaitable[Arrays]]) -> Arrays:
        outputs = await work()
        if isinstance(plan.node(name), RouterNode):
            names[name] = frozenset(outputs)
        return outputs

    try:
        outputs = await execute(plan, inputs, ask, observe, {})
    except Refused as refusal:
        raise Refused(Code.FAILED_PRECONDITION, f"Graph {plan.name}: {refusal.message}") from refusal
    return Description(_model_info(inputs, outputs), names)


def chosen_inputs(signature: Signature, given: Arrays, request: Arrays) -> Arrays:
    """Return what a model takes, given values first, numbers in its types; raises Refused when one lacks."""
    chosen = {}
    for alias, spec in signature.inputs.items():
        values = given.get(alias, request.get(alias))
        if values is not None:
            chosen[alias] = _fitting(alias, values, spec)
        elif alias not in signature.optional:
            what = f"expected a value for the input {alias!r}"
            raise Refused(Code.INVALID_ARGUMENT, f"{what}, received {sorted({*given, *request})}")
    if unknown := sorted(given.keys() - signature.inputs.keys()):
        what = f"expected inputs of {sorted(signature.inputs)}"
        raise Refused(Code.FAILED_PRECONDITION, f"{what}, received {unknown}")
    return chosen


def _fitting(alias: str, values: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    wanted = _dtype(spec)
    if values.dtype == wanted or (wanted.hasobject and values.dtype.kind in "OSU"):
        return values
    if wanted.kind in "fiub" and np.can_cast(values.dtype, wanted, "same_kind"):
        return values.astype(wanted)
    what = f"expected {spec.type_name} for the input {alias!r}"
    raise Refused(Code.INVALID_ARGUMENT, f"{what}, received {values.dtype}: a cast is needed")


def _inputs(plan: Plan, signatures: Signatures) -> Mapping[str, TensorSpec]:
    """Return what a request brings: what is declared, and what models take."""
    spec = plan.graph.spec
    found: dict[str, TensorSpec] = {name: _declared(kind) for name, kind in spec.inputs.items()}
    for name, node in spec.models():
        for alias, taken in signatures[name].inputs.items():
            source, asked = split_reference(node.inputs.get(alias, f"{REQUEST}.{alias}"))
            if source != REQUEST or asked is None or asked in spec.inputs:
                continue
            before = found.setdefault(asked, taken)
            if before.type_name != taken.type_name:
                what = f"Graph {plan.name}: expected one type of the input {asked!r}, or one in spec.inputs"
                received = f"{before.type_name} and {taken.type_name} of node {name}"
                raise Refused(Code.FAILED_PRECONDITION, f"{what}, received {received}")
    references = [each for node in spec.nodes.values() for each in node.references()]
    for source, asked in map(split_reference, [*references, *spec.outputs.values()]):
        if source == REQUEST and asked not in found:
            what = f"Graph {plan.name}: expected the type of {asked!r} in spec.inputs"
            raise Refused(Code.FAILED_PRECONDITION, f"{what}, as no model takes it; received none")
    return found


def _declared(kind: str) -> TensorSpec:
    number = tensors.to_proto(np.empty(0, TYPES[kind])).dtype
    return TensorSpec(tensors.dtype_name(number).removeprefix("DT_").lower(), None, frozenset(), (-1,))


def _dtype(spec: TensorSpec) -> np.dtype[Any]:
    number = tfserving.DataType.Value(f"DT_{spec.type_name.upper()}")
    try:
        return tensors.to_array(tfserving.TensorProto(dtype=number)).dtype
    except tensors.TensorError as error:
        raise Refused(Code.UNIMPLEMENTED, f"expected a type that graphs know: {error}") from error


def _empty(spec: TensorSpec) -> NDArray[Any]:
    sizes = (spec.shape or (-1,))[1:]
    return np.empty((0, *(OPEN_SIZE if size < 0 else size for size in sizes)), _dtype(spec))


def _model_info(inputs: Arrays, outputs: Arrays) -> ModelInfo:
    signature_map = tfserving.SignatureDefMap()
    definition = signature_map.signature_def[DEFAULT_SIGNATURE]
    definition.method_name = METHOD
    for side, arrays in ((definition.inputs, inputs), (definition.outputs, outputs)):
        for alias, values in arrays.items():
            side[alias].name = alias
            side[alias].dtype = tensors.to_proto(values).dtype
            for size in (-1, *values.shape[1:]):
                side[alias].tensor_shape.dim.add(size=-1 if size == OPEN_SIZE else size)
    return model_info(signature_map)

"""Whether tensors that name their own type and shape are what a signature takes, for every protocol."""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tidemill_gateway.errors import Refused, invalid
from tidemill_gateway.signatures import Signature, TensorSpec


class Declared(NamedTuple):
    """What a request says of one tensor; `type_name` as TensorFlow names it (`float`, `int64`)."""

    type_name: str
    shape: Sequence[int]


def check_inputs(declared: Mapping[str, Declared], signature: Signature, shown: Callable[[str], str]) -> None:
    """Raise Refused unless a signature takes these inputs.

    Args:
        declared: By alias.
        signature: What the version that answers takes.
        shown: Names a TensorFlow type in the words of the caller's protocol.
    """
    _check_names(declared.keys(), signature)
    for name, tensor in declared.items():
        spec = signature.inputs[name]
        if tensor.type_name != spec.type_name or not _fits(tensor.shape, spec.shape):
            raise invalid(
                f'expected input "{name}" to be {_described(spec, shown)}, '
                f"received {shown(tensor.type_name)} of shape {list(tensor.shape)}"
            )


def check_wanted(wanted: Collection[str], signature: Signature) -> None:
    """Raise Refused unless each of the wanted outputs is there, and wanted once."""
    for name in wanted:
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_set(signature.outputs)}."
            )
    if len(set(wanted)) != len(wanted):
        twice = sorted(name for name in set(wanted) if list(wanted).count(name) > 1)
        raise invalid(f"duplicate output tensor alias: {', '.join(twice)}; expected each output once")


def _check_names(sent: AbstractSet[str], signature: Signature) -> None:
    expected = signature.inputs.keys()
    required = expected - signature.optional
    if len(sent) > len(expected) or len(sent) < len(required):
        raise _wrong_size(sent, expected, required - sent)
    for name in sent:
        if name not in expected:
            raise invalid(
                f"input tensor alias not found in signature: {name}. "
                f"Inputs expected to be in the set {_set(expected)}."
            )
    if missing := required - sent:
        raise _wrong_size(sent, expected, missing)


def _wrong_size(sent: AbstractSet[str], expected: AbstractSet[str], missing: AbstractSet[str]) -> Refused:
    return invalid(
        f"input size does not match signature: {len(sent)}!={len(expected)} "
        f"len({_set(sent)}) != len({_set(expected)}). "
        f"Sent extra: {_set(sent - expected)}. Missing but required: {_set(missing)}."
    )


def _fits(shape: Sequence[int], declared: Sequence[int] | None) -> bool:
    if declared is None:
        return True
    if len(shape) != len(declared):
        return False
    for have, want in zip(shape, declared, strict=True):  # noqa: SIM110 - all() would take twice as long
        if want not in (-1, have):
            return False
    return True


def _described(spec: TensorSpec, shown: Callable[[str], str]) -> str:
    shape = "any shape" if spec.shape is None else f"shape {list(spec.shape)}"
    return f"{shown(spec.type_name)} of {shape}"


def _set(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
